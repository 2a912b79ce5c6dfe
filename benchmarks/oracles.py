"""What the right result of an input is, worked out plainly and without Beam."""

import base64
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from datasketches import compact_theta_sketch

from benchmarks.contender import digest, digest_of_many
from local.feature_rules import read_rules
from local.generate import Message
from local.plain_values import cell_bytes, time_of
from local.truth import Truth
from schemas.contract import Contract, load_contracts
from schemas.pseudonym import PseudonymKey, pseudonym

__all__ = [
    "content_of",
    "counts_by_minute",
    "curated_rows",
    "digest_of_cells",
    "digest_of_rows",
    "every_event",
    "hot_path_cells",
    "unique_ids",
]

PSEUDONYM_KEY = PseudonymKey.of(b"k1:pseudonyms-of-invented-people")

_MINUTE = 60_000_000
_OF_THE_RUN = ("content_digest", "ingest_time")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT.*")
_DECIMAL = re.compile(r"-?\d+\.\d+")
_encode = msgspec.json.Encoder(order="sorted").encode


def counts_by_minute(path: Path) -> str:
    """Digest of (event type, minute since the epoch, number of events), each id counted once."""
    counts = Counter(
        (event["event_type"], time_of(event["event_timestamp"]) // _MINUTE)
        for event in _first_of_each(path)
    )
    return digest((*key, count) for key, count in counts.items())


def every_event(path: Path) -> str:
    """Digest of the contents of all events, as often as each is there."""
    with path.open("rb") as file:
        return digest_of_many(content_of(json.loads(line)) for line in file)


def content_of(event: dict[str, Any]) -> bytes:
    """Return an event's content in one form; a field of the envelope that is null is none.

    >>> content_of({"b": {"c": None}, "a": None})
    b'{"b":{"c":null}}'
    """
    return _encode({name: value for name, value in event.items() if value is not None})


def unique_ids(path: Path) -> str:
    """Digest of the ids, each once."""
    return digest(event["event_id"] for event in _first_of_each(path))


def hot_path_cells(path: Path) -> str:
    """Digest of the cells that the shipped features make of the events."""
    truth = Truth(read_rules(None, load_contracts(None)), batch=True)
    for event in _first_of_each(path):
        time = time_of(event["event_timestamp"])
        truth.add(Message(b"", {}, time, "event", event, time))
    return digest(_expected_cells(truth.document()["rows"]))


def digest_of_cells(cells: Iterable[tuple[str, str, str, int, str]]) -> str:
    """Digest of (row key, family, qualifier, timestamp in microseconds, value in base64).

    A sketch counts as the number that it tells.
    """
    sketches = _sketches()
    rows = []
    for key, family, name, timestamp, value in cells:
        if (family, key.split("#")[1], name) in sketches:
            sketch = compact_theta_sketch.deserialize(base64.b64decode(value))
            rows.append([key, family, name, timestamp, round(sketch.get_estimate())])
        else:
            rows.append([key, family, name, timestamp, value])
    return digest(rows)


def curated_rows(path: Path) -> str:
    """Digest of the rows of all events, each id once."""
    types = load_contracts(None).types
    return digest_of_rows(
        {**event, "event_details": _curated(event["event_details"], types[event["event_type"]])}
        for event in _first_of_each(path)
    )


def digest_of_rows(rows: Iterable[dict[str, Any]]) -> str:
    """Digest of rows of curated events, without what tells who made them and when.

    Times and numbers count by their value; what is null or empty is left out.
    """
    return digest_of_many(_encode(_by_value(row)) for row in rows)


def _curated(details: dict[str, Any], contract: Contract) -> dict[str, Any]:
    known = {name: field for name, field in contract.fields.items() if field.pii != "drop"}
    row = {name: details.get(name, field.default) for name, field in known.items()}
    row = {name: value for name, value in row.items() if value is not None}
    for name, value in row.items():
        if known[name].pii is not None:
            row[name] = pseudonym(value, PSEUDONYM_KEY)
        elif known[name].kind == "map":
            row[name] = [{"key": key, "value": each} for key, each in value.items()]
        elif known[name].kind == "decimal":
            row[name] = float(value)
    return row


def _by_value(value: Any) -> Any:
    if isinstance(value, dict):
        named = {name: _by_value(each) for name, each in value.items() if name not in _OF_THE_RUN}
        return {name: each for name, each in named.items() if each not in (None, [])}
    if isinstance(value, list):
        return sorted(map(_by_value, value), key=_encode)
    if isinstance(value, str) and _TIME.fullmatch(value):
        return time_of(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return float(value)
    return float(value) if type(value) is int else value


def _sketches() -> set[tuple[str, str, str]]:
    return {
        ("t", entity, rule.name)
        for entity, rules in read_rules(None, load_contracts(None))
        for _, listed in rules.values()
        for rule in listed
        if rule.aggregate == "approx_distinct"
    }


def _expected_cells(rows: dict[str, list[dict[str, Any]]]) -> Iterator[list[Any]]:
    for key, (row,) in rows.items():
        for name, held in row["state"].items():
            yield [key, "s", name, held["ms"] * 1_000, _encoded(held)]
        for name, tiles in row["tiles"].items():
            for start, held in tiles.items():
                yield [key, "t", name, (int(start) + held["n"]) * 1_000, _encoded(held)]


def _encoded(held: dict[str, Any]) -> Any:
    if "distinct" in held:
        return held["distinct"]
    return base64.b64encode(cell_bytes(held["value"])).decode()


def _first_of_each(path: Path) -> Iterator[dict[str, Any]]:
    seen = set()
    with path.open("rb") as file:
        for line in file:
            event = json.loads(line)
            if event["event_id"] not in seen:
                seen.add(event["event_id"])
                yield event
