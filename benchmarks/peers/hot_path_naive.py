"""The hot path as a Beam user would write it: json.loads, state per id, CombinePerKey per tile.

The features are read from the same YAML; what has no plain JSON type is converted by hand. The
result is the same cells, as lines of (row key, family, qualifier, timestamp, value). The worker's
state cache is off: as shipped, it makes state per id some fifteen times slower still.
"""

import base64
import hashlib
import json
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import apache_beam as beam
import yaml
from apache_beam.coders import BooleanCoder
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec
from datasketches import theta_union, update_theta_sketch

from benchmarks.contender import main
from benchmarks.oracles import digest_of_cells

FEATURES = Path(__file__).parents[2] / "schemas" / "features"
HUNDREDTHS = {"event_details.score"}
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
UNITS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


class FirstOfAnId(beam.DoFn):
    """Lets the first event of each id pass."""

    SEEN = ReadModifyWriteStateSpec("seen", BooleanCoder())

    def process(
        self,
        element: tuple[str, dict],
        seen=beam.DoFn.StateParam(SEEN),  # noqa: B008 (how Beam names state)
    ) -> Iterator[dict]:
        """Let an event pass unless its id was seen."""
        if not seen.read():
            seen.write(True)
            yield element[1]


class ToContributions(beam.DoFn):
    """An event -> ((row key, family, qualifier, tile), (aggregate, ms, event id, value))."""

    def setup(self) -> None:
        """Read the features once per worker."""
        self.sets = [yaml.safe_load(path.read_text()) for path in sorted(FEATURES.glob("*.yaml"))]

    def process(self, event: dict) -> Iterator[tuple[tuple, tuple]]:
        """Yield what an event adds to each row that it speaks of."""
        moment = datetime.fromisoformat(event["event_timestamp"].replace("Z", "+00:00"))
        event["event_timestamp"] = round((moment - EPOCH).total_seconds() * 1_000_000)
        ms = event["event_timestamp"] // 1_000
        for features in self.sets:
            key = _value_at(event, features["key"])
            if key is None:
                continue
            spread = hashlib.sha256(key.encode()).hexdigest()[:2]
            row = f"{spread}#{features['entity']}#{key}"
            for entry in features.get("state", []):
                if (value := _contribution(event, entry)) is not None:
                    yield (row, "s", entry["name"], 0), ("last", ms, event["event_id"], value)
            for entry in features.get("features", []):
                if (value := _contribution(event, entry)) is not None:
                    text = entry.get("tile", features.get("tile", "1h"))
                    tile = int(text[:-1]) * UNITS[text[-1]]
                    name = (row, "t", entry["name"], ms // tile * tile)
                    yield name, (entry["aggregate"], ms, event["event_id"], value)


class Aggregate(beam.CombineFn):
    """Folds (aggregate, ms, event id, value) into (aggregate, n, what the aggregate keeps)."""

    def create_accumulator(self) -> tuple:
        """Begin with nothing."""
        return None, 0, None

    def add_input(self, held: tuple, one: tuple) -> tuple:
        """Add one contribution."""
        aggregate, *moment, value = one
        return aggregate, held[1] + 1, _merge(aggregate, held[2], _kept(aggregate, moment, value))

    def merge_accumulators(self, parts: Iterable[tuple]) -> tuple:
        """Add parts up."""
        merged = self.create_accumulator()
        for part in parts:
            aggregate = part[0] or merged[0]
            merged = aggregate, merged[1] + part[1], _merge(aggregate, merged[2], part[2])
        return merged

    def extract_output(self, held: tuple) -> tuple:
        """Give it all."""
        return held


def _kept(aggregate: str, moment: list, value: Any) -> Any:
    if aggregate == "last":
        return (*moment, value)
    return {value} if aggregate == "approx_distinct" else value


def _merge(aggregate: str, one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    if aggregate in ("count", "sum"):
        return one + other
    if aggregate == "approx_distinct":
        return one | other
    return min(one, other) if aggregate == "min" else max(one, other)


def _value_at(event: dict, path: str) -> Any:
    value: Any = event
    for name in path.split("."):
        value = (value or {}).get(name)
    return round(float(value) * 100) if path in HUNDREDTHS and value is not None else value


def _contribution(event: dict, entry: dict) -> Any:
    for path, wanted in entry.get("where", {}).items():
        if _value_at(event, path) not in (wanted if isinstance(wanted, list) else [wanted]):
            return None
    return _value_at(event, entry["field"]) if "field" in entry else 1


def _to_cell(element: tuple[tuple, tuple]) -> tuple[str, str, str, int, str]:
    (row, family, qualifier, start), (aggregate, n, value) = element
    ms = value[0] if family == "s" else start + n
    if aggregate == "last":
        value = value[2]
    encoded = _sketch(value) if aggregate == "approx_distinct" else _encode(value)
    return row, family, qualifier, ms * 1_000, base64.b64encode(encoded).decode()


def _encode(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return struct.pack(">?", value) if isinstance(value, bool) else struct.pack(">q", value)


def _sketch(values: Iterable[Any]) -> bytes:
    one = update_theta_sketch(lg_k=11)
    for value in values:
        one.update(value)
    union = theta_union(lg_k=11)
    union.update(one)
    return union.get_result(ordered=True).serialize()


def run(path: str) -> Callable[[], str]:
    """Read events, drop copies, fold features into cells."""
    # the only way there is: no option reaches the local runner's cache
    worker_handlers.STATE_CACHE_SIZE_MB = 0
    folder = Path(tempfile.mkdtemp())
    with beam.Pipeline("FnApiRunner") as pipeline:
        _ = (
            pipeline
            | beam.io.ReadFromText(path)
            | beam.Map(json.loads)
            | beam.Map(lambda event: (event["event_id"], event))
            | beam.ParDo(FirstOfAnId())
            | beam.ParDo(ToContributions())
            | beam.CombinePerKey(Aggregate())
            | beam.Map(_to_cell)
            | beam.Map(json.dumps)
            | beam.io.WriteToText(str(folder / "cells"))
        )
    return lambda: digest_of_cells(_cells_in(folder))


def _cells_in(folder: Path) -> list[list]:
    """Read the cells back, and remove them."""
    files = sorted(folder.iterdir())
    cells = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    shutil.rmtree(folder)
    return cells


if __name__ == "__main__":
    main(run)
