"""What the right result of an input is, worked out plainly and without Beam."""

import base64
import json
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
from schemas.contract import load_contracts

__all__ = [
    "content_of",
    "counts_by_minute",
    "digest_of_cells",
    "every_event",
    "hot_path_cells",
    "unique_ids",
]

_MINUTE = 60_000_000
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
