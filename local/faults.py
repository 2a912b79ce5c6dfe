"""Payloads that no contract allows: at least one kind for every reason code of decoding.

Each maker takes a good event apart and answers payload and attributes, or None where the contract
of the event has no field that could be broken in this way.
"""

import copy
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import msgspec

from local.chance import Chance
from local.clock_text import offset_text, time_text
from schemas.contract import Contract, Contracts

__all__ = ["BROKEN", "GZIP", "Breaker", "Broken", "add_unknown_fields", "again", "zipped"]

GZIP = {"content-encoding": "gzip"}
# Pub/Sub takes no message that has neither data nor attributes
_ATTRIBUTES = {"bad_compression": GZIP, "empty_payload": {"origin": "generator"}}
_MANY_BYTES = 1_100_000
_TOO_DEEP = 70
_YEAR_1999 = 915_148_800_000_000
_YEAR_2199 = 7_226_582_400_000_000
_HUGE = ("NaN", "Infinity", "-Infinity", "9223372036854775808", "-9223372036854775809")
_WHOLE = ("int", "long")
_MARK = '"\\u0000here"'


class Broken(NamedTuple):
    """A payload that has to be refused, and why. `line`: it can stand as a line of a file."""

    reason: str
    payload: bytes
    attributes: dict[str, str]
    line: bool


_Event: TypeAlias = dict[str, Any]
_Maker: TypeAlias = Callable[["Breaker", _Event], bytes | None]


class Breaker:
    """Breaks good events. `clocked`: a clock or publish times forbid events of the future."""

    def __init__(self, contracts: Contracts, chance: Chance, clocked: bool) -> None:
        self.chance = chance
        self.clocked = clocked
        self.contracts = contracts

    def breaks(self, reason: str, event: _Event) -> Broken | None:
        """Return the event broken for this reason, if its contract lets it be."""
        payload = BROKEN[reason](self, copy.deepcopy(event))
        if payload is None:
            return None
        attributes = _ATTRIBUTES.get(reason, {})
        return Broken(reason, payload, attributes, line=not attributes)

    def contract(self, event: _Event) -> Contract:
        """Return the contract of a good event."""
        return self.contracts.types[event["event_type"]]

    def field(self, event: _Event, *kinds: str, required: bool = False) -> str | None:
        """Return the name of a detail of one of these kinds, if there is one."""
        names = [
            name
            for name, field in self.contract(event).fields.items()
            if (not kinds or field.kind in kinds) and (field.required or not required)
        ]
        return self.chance.of(names) if names else None


def again(event: _Event, time: int, chance: Chance, *, lines: bool) -> bytes:
    """Return the same content as another producer might write it.

    Keys in another order, white space, escapes, and another offset of the same instant; `lines`
    keeps it on one line.
    """
    names = sorted(event, key=lambda _name: chance.random())
    shuffled = {name: event[name] for name in names}
    shuffled["event_timestamp"] = offset_text(time, chance.between(-11, 13))
    details = event["event_details"]
    shuffled["event_details"] = {name: details[name] for name in reversed(details)}
    text = _escaped(msgspec.json.encode(shuffled).decode())
    if lines:
        return b" " + text + b"\t"
    return msgspec.json.format(text, indent=2)


def add_unknown_fields(event: _Event, chance: Chance) -> None:
    """Let the event carry fields that its contract does not know, outside or inside the details."""
    value = chance.of(("b", 7, [1, {"deep": None}], {"note": "新"}, None))
    where = event if chance.random() < 0.5 else event["event_details"]
    where[f"x_{chance.of(('experiment', 'variant', 'debug'))}"] = value


def zipped(payload: bytes) -> bytes:
    """Return a gzip file of up to 65,535 bytes, stored: other bytes would depend on the library.

    >>> import gzip
    >>> gzip.decompress(zipped(b"{}"))
    b'{}'
    """
    size = len(payload)
    head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    block = b"\x01" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + payload
    return head + block + zlib.crc32(payload).to_bytes(4, "little") + size.to_bytes(4, "little")


def _escaped(text: str) -> bytes:
    return "".join(c if c.isascii() else _escape(c) for c in text).encode()


def _escape(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _encoded(event: _Event) -> bytes:
    return msgspec.json.encode(event)


def _not_utf8(breaker: Breaker, event: _Event) -> bytes:
    event["session_id"] = "?"
    return _encoded(event).replace(
        b'"?"', breaker.chance.of((b'"\xff"', b'"\xc3("', b'"\xed\xa0\x80"'))
    )


def _not_json(breaker: Breaker, event: _Event) -> bytes:
    whole = _encoded(event)
    text = whole.decode()
    cut = text[: breaker.chance.between(1, len(text) - 1)].encode()
    return breaker.chance.of((cut, whole + b"}", b"event" + whole, whole.replace(b'":', b'"', 1)))


def _not_an_object(breaker: Breaker, event: _Event) -> bytes:
    return breaker.chance.of((b"[" + _encoded(event) + b"]", b"null", b"42", b'"event"', b"[]"))


def _too_deep(_breaker: Breaker, event: _Event) -> bytes:
    nested: object = 1
    for _ in range(_TOO_DEEP):
        nested = [nested]
    event["x_nested"] = nested
    return _encoded(event)


def _missing_field(breaker: Breaker, event: _Event) -> bytes:
    detail = breaker.field(event, required=True)
    if detail is not None and breaker.chance.random() < 0.5:
        del event["event_details"][detail]
    else:
        del event[breaker.chance.of(("event_id", "event_type", "event_timestamp", "event_details"))]
    return _encoded(event)


def _wrong_type(breaker: Breaker, event: _Event) -> bytes:
    detail = breaker.field(event, "string", *_WHOLE, "boolean")
    if detail is not None and breaker.chance.random() < 0.5:
        event["event_details"][detail] = {"not": "this"}
    else:
        event[breaker.chance.of(("user_id", "session_id", "event_details"))] = 5
    return _encoded(event)


def _unknown_event_type(breaker: Breaker, event: _Event) -> bytes:
    event["event_type"] = breaker.chance.of(("no_such_type", "page_veiw", "Login "))
    return _encoded(event)


def _bad_id(breaker: Breaker, event: _Event) -> bytes:
    event["event_id"] = breaker.chance.of(("", "x" * 257, "é" * 129))
    return _encoded(event)


def _bad_timestamp(breaker: Breaker, event: _Event) -> bytes:
    plain = event["event_timestamp"][:-1]
    event["event_timestamp"] = breaker.chance.of(("", "yesterday", plain, "2026-02-30T00:00:00Z"))
    return _encoded(event)


def _time_out_of_range(breaker: Breaker, event: _Event) -> bytes:
    times = (0, _YEAR_1999, _YEAR_2199) if breaker.clocked else (0, _YEAR_1999)
    event["event_timestamp"] = time_text(breaker.chance.of(times))
    return _encoded(event)


def _bad_enum_value(breaker: Breaker, event: _Event) -> bytes | None:
    detail = breaker.field(event, "enum")
    if detail is None:
        return None
    event["event_details"][detail] = "no_such_symbol"
    return _encoded(event)


def _number_out_of_range(breaker: Breaker, event: _Event) -> bytes | None:
    detail = breaker.field(event, *_WHOLE)
    if detail is None:
        return None
    event["event_details"][detail] = "\0here"
    return _encoded(event).replace(_MARK.encode(), breaker.chance.of(_HUGE).encode())


def _bad_value(breaker: Breaker, event: _Event) -> bytes | None:
    detail = breaker.field(event, "uuid", "decimal")
    if detail is None:
        return None
    event["event_details"][detail] = "no such value"
    return _encoded(event)


def _payload_too_large(_breaker: Breaker, event: _Event) -> bytes:
    event["x_blob"] = "x" * _MANY_BYTES
    return _encoded(event)


def _bad_compression(breaker: Breaker, event: _Event) -> bytes:
    packed = zipped(_encoded(event))
    return breaker.chance.of((packed[:-9], _encoded(event), packed[:10] + b"\xff" * 20))


BROKEN: dict[str, _Maker] = {
    "empty_payload": lambda _breaker, _event: b"",
    "not_utf8": _not_utf8,
    "not_json": _not_json,
    "not_an_object": _not_an_object,
    "too_deep": _too_deep,
    "missing_field": _missing_field,
    "wrong_type": _wrong_type,
    "unknown_event_type": _unknown_event_type,
    "bad_id": _bad_id,
    "bad_timestamp": _bad_timestamp,
    "time_out_of_range": _time_out_of_range,
    "bad_enum_value": _bad_enum_value,
    "number_out_of_range": _number_out_of_range,
    "bad_value": _bad_value,
    "payload_too_large": _payload_too_large,
    "bad_compression": _bad_compression,
}
"""How each reason code of decoding comes about."""
