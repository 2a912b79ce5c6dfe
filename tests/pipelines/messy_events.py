"""Lines of all that a file of events may hold, and what becomes of each: plain, slow, no Beam."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any, NamedTuple

from schemas.pseudonym import PseudonymKey, pseudonym
from tests.schemas.any_event import a_contract, field

KEY = "k1:0123456789abcdef"
CONTRACT = a_contract(
    field("n", ["null", "long"], default=None),
    field("word", ["null", "string"], default=None),
    field("mail", ["null", "string"], default=None, pii="pseudonymise"),
    field("secret", ["null", "string"], default=None, pii="drop"),
)
NOW = datetime(2026, 2, 1, tzinfo=timezone.utc)

_DIGITS = b"9" * 5_000
_DETAILS = ("n", "word", "mail", "secret")
_ENVELOPE = {"event_id", "event_type", "user_id", "session_id", "event_timestamp", "source_system"}


def line(identity: bytes, details: bytes = b'"n":1', **changed: bytes) -> bytes:
    """Write an event member by member, so that anything can stand in any place."""
    members = {
        "event_id": b'"%b"' % identity,
        "event_type": b'"thing"',
        "user_id": b'"u"',
        "event_timestamp": b'"2026-01-31T12:00:00.5Z"',
        **changed,
        "event_details": b"{%b}" % details,
    }
    text = b",".join(b'"%b":%b' % (name.encode(), value) for name, value in members.items())
    return b"{%b}" % text


def _nested(levels: int) -> bytes:
    return b'"new":' + b"[" * levels + b"]" * levels


LINES: list[Callable[[bytes], bytes]] = [
    line,
    lambda i: line(i) + b" ",
    lambda i: line(i, b' "n" : 1 '),
    lambda i: line(i).replace(b"event_id", b"event\\u005fid"),
    lambda i: line(i, b'"n":2'),
    lambda i: line(i, b'"n":9007199254740993'),
    lambda i: line(i, b'"word":"\\ud83d\\ude00\\n","mail":"ana@example.net","secret":"s"'),
    lambda i: line(i, b'"n":null,"word":null'),
    lambda i: line(i, session_id=b"null", source_system=b'"web"'),
    lambda i: line(i, event_timestamp=b'"2026-01-31T14:00:00.500+02:00"'),
    # Repeated keys: the last wins, whatever came before it.
    lambda i: line(b"other")[:-1] + b',"event_id":"%b"}' % i,
    lambda i: b'{"event_id":7,' + line(i)[1:],
    lambda i: b'{"event_id":"\\ud800",' + line(i)[1:],
    lambda i: line(i, b'"n":"text","n":1'),
    # Unknown fields, and what in them no strict decoder takes.
    lambda i: line(i, b'"n":1,"new":{"a":[1,2.0]}'),
    lambda i: line(i, b'"n":1,"new":{"a":[1.0,2]}'),
    lambda i: line(i, b'"n":1,"new":"\\ud800"'),
    lambda i: line(i, b'"n":1,"new":' + _DIGITS),
    lambda i: line(i, b'"n":1,"new":1.12345678,"newer":"1.1234567Z"'),
    lambda i: line(i, _nested(60)),
    lambda i: line(i, new=b'"top"'),
    # What is refused.
    lambda i: line(i, _nested(70)),
    lambda i: line(i, _nested(5_000)),
    lambda i: b"\xef\xbb\xbf" + line(i),
    lambda i: line(i, b'"word":"\xff"'),
    lambda i: line(i, b'"word":"\\ud800"'),
    lambda i: line(i, b'"new":NaN'),
    lambda i: line(i, b'"n":' + _DIGITS),
    lambda i: line(i, b'"n":9223372036854775808'),
    lambda i: line(i, b'"n":"1"'),
    lambda i: line(i, event_timestamp=b'"2026-01-31T12:00:00.1234567Z"'),
    lambda i: line(i, event_timestamp=b'"2026-01-31T12:00:00"'),
    lambda i: line(i, event_timestamp=b'"1999-12-31T23:59:59Z"'),
    lambda i: line(i, event_timestamp=b'"2026-02-03T00:00:00Z"'),
    lambda i: line(i, event_type=b'"thong"'),
    lambda i: line(i, user_id=b'""'),
    lambda i: line(i, user_id=b"null"),
    lambda i: line(i + b"\xc3\xa9" * 130),
    lambda i: line(i)[:-1],
    lambda i: line(i) * 2,
    lambda i: b"[" + line(i) + b"]",
    lambda i: b"{}",
]  # fmt: skip


class Event(NamedTuple):
    """What an event's row says, and its unknown fields."""

    row: dict[str, Any]
    drift: dict[str, Any]

    @property
    def content(self) -> str:
        return json.dumps(self, sort_keys=True)


class Truth:
    """What becomes of lines."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.read = 0
        self.refused: Counter[tuple[bytes, str]] = Counter()
        self.events: dict[str, list[Event]] = defaultdict(list)
        for each in lines:
            if each.strip(b" \t\n\r\x0b\x0c"):
                self.read += 1
                found = event_of(each)
                if isinstance(found, str):
                    self.refused[each, found] += 1
                else:
                    self.events[found.row["event_id"]].append(found)


def event_of(payload: bytes) -> Event | str:
    """Return the event, or the reason why it is none."""
    constants: list[str] = []
    try:
        text = payload.decode()
        if payload.count(b"[") > 64:
            return "too_deep"
        given = json.loads(text, parse_constant=constants.append, parse_int=whole, parse_float=real)
    except UnicodeDecodeError:
        return "not_utf8"
    except ValueError:
        return "not_json"
    if not isinstance(given, dict):
        return "not_an_object"
    if constants:
        return "number_out_of_range"
    if "event_type" not in given:
        return "missing_field"
    if given["event_type"] != "thing":
        return "unknown_event_type"
    return _event(given)


def _event(given: dict[str, Any]) -> Event | str:
    details = given.pop("event_details")
    new = {name: given.pop(name) for name in [*given] if name not in _ENVELOPE}
    newer = {name: details.pop(name) for name in [*details] if name not in _DETAILS}
    refused = _refused(given, details)
    if refused:
        return refused
    details.pop("secret", None)
    if details.get("mail"):
        details["mail"] = pseudonym(details["mail"], PseudonymKey.of(KEY.encode()))
    n = details.get("n")
    if n is not None and abs(n) >= 2**53:
        details["n"] = str(n)
    moment = datetime.fromisoformat(_padded(given["event_timestamp"]))
    row = {name: value for name, value in given.items() if value is not None}
    row["event_timestamp"] = moment.astimezone(timezone.utc).timestamp()
    row["event_details"] = {name: value for name, value in details.items() if value is not None}
    drift = {**new, **({"event_details": newer} if newer else {})}
    if drift:
        row["unknown_fields"] = sorted([*new, *(f"event_details.{name}" for name in newer)])
    return Event(row, drift)


def _refused(envelope: dict[str, Any], details: dict[str, Any]) -> str | None:
    try:
        json.dumps([envelope, details], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "bad_value"
    if isinstance(details.get("n"), (dict, int)) and (
        isinstance(details["n"], dict) or abs(details["n"]) >= 2**63
    ):
        return "number_out_of_range"
    if isinstance(details.get("n"), str) or envelope["user_id"] is None:
        return "wrong_type"
    time = envelope["event_timestamp"]
    if len(time) == 19 or "1234567" in time:
        return "bad_timestamp"
    if time < "2000" or time > "2026-02-02":
        return "time_out_of_range"
    ids = (envelope["event_id"], envelope["user_id"])
    return None if all(0 < len(each.encode()) <= 256 for each in ids) else "bad_id"


def _padded(time: str) -> str:
    """Write a time as every Python reads it."""
    return time.replace("Z", "+00:00").replace(".5+", ".500+")


def whole(digits: str) -> object:
    """Take an integer as it is; Python reads no longer ones."""
    return int(digits) if len(digits) < 4_000 else {"": digits}


def real(digits: str) -> object:
    """Take 2.0 for 2: numbers count by their value."""
    number = float(digits)
    return int(number) if number.is_integer() else number
