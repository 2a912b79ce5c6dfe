"""What the peers' pipelines send through shuffles, keep and write for an event, by their own steps.

The steps are those of `peers/`; values are encoded by Beam's default coders, as there. In a stream
each contribution changes its cell, and each cell that changes is one mutation.
"""

import base64
import io
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import fastavro
from apache_beam.coders import BooleanCoder, StrUtf8Coder, TimestampCoder
from apache_beam.transforms.window import IntervalWindow
from apache_beam.utils.timestamp import Timestamp

from benchmarks.peers import window_measures, write_avro
from benchmarks.peers.curate_naive import _curated
from benchmarks.peers.hot_path_naive import Aggregate, ToContributions, _to_cell
from benchmarks.streamed import encoded_bytes
from schemas.cells import Cell, RowChange
from transforms.mutation_batch import encode_row

__all__ = ["naive"]

_MINUTES = (1, 5)
_WINDOW = IntervalWindow(1_767_225_600, 1_767_225_660)


def naive(lines: list[bytes]) -> dict[str, float]:
    """Return the figures an event, under the names that the suite's have."""
    events = [json.loads(line) for line in lines]
    first = list({event["event_id"]: event for event in events}.values())
    tally: Counter[str] = Counter()
    _count_ids(events, tally)
    _count_contributions(first, tally)
    _count_windows(first, tally)
    size = encoded_bytes(tuple[str, None])
    tally["distinct_shuffle"] = sum(size((line.decode(), None)) for line in lines)
    tally["curated_row"] = sum(len(json.dumps(_curated(event))) for event in first)
    tally["archive"] = _avro_bytes(lines)
    return {name: round(total / len(lines), 3) for name, total in sorted(tally.items())}


def _count_ids(events: list[dict[str, Any]], tally: Counter[str]) -> None:
    """Count (id, event) through a shuffle, and per id a flag and the timer that would end it."""
    size = encoded_bytes(tuple[str, dict])
    key, flag = StrUtf8Coder(), len(BooleanCoder().encode(value=True))
    timer = len(TimestampCoder().encode(Timestamp(0)))
    for event in events:
        tally["ids_shuffle"] += size((event["event_id"], event))
    for event_id in {event["event_id"] for event in events}:
        held = len(key.encode(event_id))
        # The key stands with the flag, and again with the timer, which has a name and two times.
        tally["ids_state"] += held + len("seen") + flag + held + len("expire") + 2 * timer


def _count_contributions(events: list[dict[str, Any]], tally: Counter[str]) -> None:
    size, keep = encoded_bytes(tuple[tuple, tuple]), Aggregate()
    split = ToContributions()
    split.setup()
    for event in events:
        for key, value in split.process(dict(event)):
            tally["changes_shuffle"] += size((key, value))
            row, family, qualifier, time, encoded = _to_cell(
                (key, keep.add_input(keep.create_accumulator(), value))
            )
            cell = Cell(family, qualifier, time, base64.b64decode(encoded))
            written = encode_row(RowChange(row.encode(), [cell]))
            tally["rows"] += 1
            tally["row_bytes"] += len(written.entry)
            tally["mutations"] += written.mutations
            # What the aggregate keeps is written back whole, beside its key.
            tally["changes_state"] += size((key, value))


def _count_windows(events: list[dict[str, Any]], tally: Counter[str]) -> None:
    size = encoded_bytes(tuple[tuple, tuple])
    for event in events:
        stamped = window_measures._first((event["event_id"], [event]))
        tally["parts_shuffle"] += len(_MINUTES) * size(stamped.value, _WINDOW)


def _avro_bytes(lines: list[bytes]) -> int:
    file = io.BytesIO()
    fastavro.writer(file, write_avro.SCHEMA, _records(lines), codec="deflate")
    return file.tell()


def _records(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        yield write_avro._parsed(line.decode())
