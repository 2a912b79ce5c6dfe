"""Bytes and writes that an event causes, by the size of packs, beside those of a naive pipeline.

What docs/cost.md and `penstock cost` reckon with. Nothing is timed but the processor seconds of the
steps that keep state, and nothing but those depends on the machine.
"""

import os
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.inputs import Input, prepared
from benchmarks.naive_bytes import naive
from benchmarks.streamed import SHARDS, Streamed
from pipelines import curate_events, window_metrics
from schemas.cells import STATE_FAMILY
from schemas.changes import ChangePack
from schemas.contract import load_contracts
from schemas.events import MIN_MICROS
from schemas.feature_set import load_features
from schemas.packs import RawPack
from schemas.times import DAY
from transforms.entity_shard import EntityShard
from transforms.row_cells import Definitions, Tally
from transforms.seen_ids import Anchor, Retention, SeenIds

__all__ = ["measure", "told"]

_EVENTS = 16_384
_PACKS = (1, 4, 16, 64, 256)
_ROWS_OF = 4_096
_HOUR = 3_600_000_000
_IDS = 100_000
_MOMENT = 1_740_960_000_000_000
"""Before all events of the inputs, so that the watermark has passed none of their tiles."""
_FIRST_ID = 10**16
_KEY = "BENCHMARK_KEY"
_CELL_OVERHEAD = 8
"""A cell's timestamp; key, family and qualifier are counted as they are."""
_PANES = "panes_"


def measure(events: int = _EVENTS, packs: tuple[int, ...] = _PACKS) -> dict[str, Any]:
    """Return the document of the benchmark."""
    os.environ[_KEY] = "k1:pseudonyms-of-invented-people"
    lines = prepared(Input(events)).read_bytes().splitlines()[:events]
    measured = [_streamed(lines, size) for size in packs]
    return {
        "name": "event_bytes",
        "title": "bytes and writes an event causes, by the size of packs",
        "events": events,
        "shards": SHARDS,
        "payload": round(sum(map(len, lines)) / len(lines), 2),
        "packs": [figures for figures, _ in measured],
        "kept": {**_kept(measured[-1][1]), "memory_an_id": _memory_an_id()},
        "sinks": _sinks(lines[:_ROWS_OF]),
        "naive": naive(lines),
    }


def told(document: dict[str, Any]) -> str:
    """Return the figures as a sentence."""
    few, many, other = document["packs"][0], document["packs"][-1], document["naive"]
    return (
        f"Bytes an event through shuffles and state of the streaming hot path: {_moved(few):,.0f} "
        f"in packs of one, {_moved(many):,.0f} in packs of {many['events_a_pack']}; written by a "
        f"naive pipeline: {_moved(other):,.0f}. Rows written to Bigtable an event: "
        f"{few['rows']:.2f}, {many['rows']:.2f}; {other['rows']:.2f}."
    )


def _moved(figures: dict[str, float]) -> float:
    names = ("ids_shuffle", "ids_state", "changes_shuffle", "changes_state")
    return sum(figures[name] for name in names)


def _streamed(lines: list[bytes], size: int) -> tuple[dict[str, float], Streamed]:
    streamed = Streamed(f"env:{_KEY}")
    count = size * SHARDS
    for first in range(0, len(lines), count):
        part = lines[first : first + count]
        ids = [str(_FIRST_ID + first + row) for row in range(len(part))]
        streamed.run(RawPack(part, [_MOMENT + DAY] * len(part), ids), _MOMENT)
    each = {name: round(total / len(lines), 3) for name, total in streamed.tally.items()}
    busy = {f"{name}_cpu_us": total / len(lines) * 1e6 for name, total in streamed.busy.items()}
    figures = {**each, **{name: round(value, 2) for name, value in busy.items()}}
    return {"events_a_pack": size, **dict(sorted(figures.items()))}, streamed


def _kept(streamed: Streamed) -> dict[str, float]:
    """Tell what state, memory and table keep of a row and of an hour in which it had events."""
    definitions = Definitions(load_features(None, load_contracts(None)))
    packs = [msgspec.msgpack.decode(entry, type=ChangePack) for entry in streamed.logs("changes")]
    tracemalloc.start()
    shard = EntityShard(definitions, DAY, MIN_MICROS)
    for pack in packs:
        shard.load(pack)
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    rows = list(shard.rows(Tally()))
    sizes: Counter[str] = Counter()
    hours = set()
    for row in rows:
        for cell in row.cells:
            name = cell.qualifier.encode()
            taken = len(row.row_key) + 1 + len(name) + _CELL_OVERHEAD + len(cell.value)
            sizes[cell.family] += taken
            if cell.family != STATE_FAMILY:
                hours.add((row.row_key, cell.timestamp // _HOUR))
    return {
        "entities": len(rows),
        "entity_hours": len(hours),
        "table_bytes_an_entity": round(sizes[STATE_FAMILY] / len(rows), 2),
        "table_bytes_an_entity_hour": round(sizes["t"] / len(hours), 2),
        "memory_an_entity_hour": round(memory / len(hours), 2),
        "state_an_entity_hour": round(streamed.state_bytes()["changes"] / len(hours), 2),
    }


def _memory_an_id() -> float:
    tracemalloc.start()
    seen = SeenIds(Retention.of(DAY, max_future=0))
    anchor = Anchor(_MOMENT, dated=True)
    for first in range(0, _IDS, 500):
        ids = [blake2b(b"%d" % row, digest_size=16).digest() for row in range(first, first + 500)]
        seen.admit(ids, ids, [_MOMENT] * len(ids), anchor)
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return round(memory / len(seen), 2)


def _sinks(lines: list[bytes]) -> dict[str, float]:
    """Tell the bytes of a row of curated events and of a pane, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "events.ndjson").write_bytes(b"\n".join(lines) + b"\n")
        for job in (curate_events, window_metrics):
            job.run(
                [
                    f"--input_files={path / 'events.ndjson'}",
                    f"--rows_output={path / 'rows'}",
                    f"--quarantine_output={path / 'quarantine'}",
                    f"--pseudonym_key=env:{_KEY}",
                    "--shards=4",
                ]
            )
        rows = list(_lines_under(path / "rows"))
    panes = [line for table, line in rows if _PANES in table]
    curated = [line for table, line in rows if table.startswith("silver")]
    return {
        "curated_row": round(sum(map(len, curated)) / len(curated), 2),
        "pane_row": round(sum(map(len, panes)) / len(panes), 2),
    }


def _lines_under(folder: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(folder.rglob("*.ndjson")):
        for line in file.read_bytes().splitlines():
            yield file.parent.name, line
