"""Fuzz targets of small texts: key rings, lines of cells, and records that jobs leave behind."""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import msgspec

from chaos.fuzz_mutations import mutate_bytes, mutate_json, mutate_lines, one_of
from chaos.fuzz_target import CANARY, Target, promise, promise_one_line
from schemas.cell_lines import (
    CellLine,
    ClearLine,
    applied,
    change_json,
    lines_of,
    parse_change,
    parse_line,
)
from schemas.cells import Cell, Clear, RowChange
from schemas.completeness import Completeness
from schemas.key_ring import KeyRing
from schemas.manifest import Replacement
from schemas.pseudonym_key import PseudonymError
from schemas.released import ledger_line, parse_ledger_line
from schemas.repairs import Repair, RepairedTile
from schemas.times import format_rfc3339

__all__ = ["CELL_LINES", "KEY_RINGS", "RECORDS"]

_SECRET = f"{CANARY}-0123456789abcdef"
_OTHER = f"{CANARY}-fedcba9876543210"
_RINGS = (
    _SECRET,
    f"2026:{_SECRET}",
    f"k1:{_SECRET}\n",
    f"k1:{_SECRET}\n2026-03-01T00:00:00Z k2:{_OTHER}\n",
    f"# keys\n\n2025-01-01T00:00:00Z k1:{_SECRET}\r\n2026-03-01T00:00:00+01:00 k2:{_OTHER}\r\n",
    f"2026-03-01T00:00:00Z {_SECRET}",
    f"\ufeff2026-03-01T00:00:00.000001Z k1:{_SECRET}",
)


def _check_ring(content: bytes) -> None:
    try:
        ring = KeyRing.of(content)
    except PseudonymError as error:
        promise_one_line(error)
        promise(CANARY not in str(error), "an error tells no secret")
        return
    promise(len(ring.keys) == len(ring.starts) >= 1, "each key has its time")
    promise(list(ring.starts) == sorted(set(ring.starts)), "each time is later")
    versions = [*zip(ring.starts, ring.keys, strict=True)]
    promise(all(ring.at(start) is key for start, key in versions), "from its time on it is chosen")
    # An id is no secret, and what stands before a colon is an id.
    named = any(CANARY in key.key_id for key in ring.keys)
    promise(named or CANARY not in repr(ring), "a ring shows no secret")
    promise(KeyRing.of(content) == ring, "a text is always the same ring")
    if len(ring.keys) > 1:
        promise(KeyRing.of(_printed(ring)) == ring, "a ring that is written anew is the same")


def _printed(ring: KeyRing) -> bytes:
    lines = []
    for place, (start, key) in enumerate(zip(ring.starts, ring.keys, strict=True)):
        first = b"" if place == 0 and start < -(2**62) else format_rfc3339(start).encode() + b" "
        lines.append(first + key.key_id.encode() + b":" + key.secret)
    return b"\n".join(lines)


def _check_cells(data: bytes) -> None:
    """Read each line as a line of a file, and all as a change."""
    found = [each for line in data.split(b"\n") if (each := _line(line)) is not None]
    for each in found:
        promise(parse_line(msgspec.json.encode(each)) == each, "a line is read as it is written")
    standing = list(applied(found, found))
    again = list(applied(found))
    promise(len(standing) == len(again), "a run applied twice is a run applied once")
    try:
        change = parse_change(data)
    except msgspec.DecodeError as error:
        promise_one_line(error)
        return
    promise(parse_change(change_json(change)) == change, "a change is read as it is written")
    parsed = [parse_line(line) for line in lines_of(change)]
    cells = [each for each in parsed if isinstance(each, CellLine)]
    clears = [each for each in parsed if isinstance(each, ClearLine)]
    promise((len(cells), len(clears)) == (len(change.cells), len(change.clears)), "a line for each")
    promise(all(each.key == change.row_key for each in parsed), "every line is of the change's row")


def _line(line: bytes) -> CellLine | ClearLine | None:
    try:
        return parse_line(line)
    except msgspec.DecodeError as error:
        promise_one_line(error)
        return None


def _cell_seeds() -> Iterator[bytes]:
    cells = [Cell("s", "plan", 1_000, b"x"), Cell("t", "views", 7_200_000_000, b"\0\xff", 10)]
    for key in (b"bb#user#u1", b"\xff\0"):
        change = RowChange(key, cells, (Clear("t", "views", 0, 3_600_000_000),))
        yield change_json(change)
        yield b"\n".join(lines_of(change))


def _check_records(data: bytes) -> None:
    for read, written, error in _RECORDS:
        try:
            record = read(data)
        except error as refused:
            promise_one_line(refused)
            continue
        promise(read(written(record)) == record, "a record is read as it is written")


_Read = Callable[[bytes], Any]
_RECORDS: tuple[tuple[_Read, Callable[[Any], bytes], type[Exception]], ...] = (
    (Completeness.from_json, lambda record: record.to_json(), ValueError),
    (Replacement.from_json, lambda record: record.to_json(), msgspec.DecodeError),
    (Repair.from_json, lambda record: record.to_json(), ValueError),
    (parse_ledger_line, ledger_line, ValueError),
)


def _record_seeds() -> Iterator[bytes]:
    yield Completeness(5).to_json()
    yield Replacement(("c" * 32,), ("a" * 32, "b" * 32)).to_json()
    yield Repair(table="t", run="r", started_at=5, start=0, end=3_600_000_000).to_json()
    tile = RepairedTile(b"bb#user#u1", "views", 0, 3_600_000_000)
    yield Repair(table="t", run="r", started_at=5, tiles=[tile]).to_json()
    yield ledger_line(bytes(16))
    yield b'{"complete_to": 5, "later": ' + b"[" * 2_000 + b"]" * 2_000 + b"}"
    yield json.dumps({"outputs": [], "replaces": []}).encode()


def _lines_of_json(data: bytes, random: Random) -> bytes:
    lines = data.split(b"\n")
    place = random.randrange(len(lines))
    lines[place] = mutate_json(lines[place], random)
    return b"\n".join(lines)


KEY_RINGS = Target(
    "key_rings",
    "a text is a ring with rising times, or refused in a line that tells no secret",
    _check_ring,
    lambda: (text.encode() for text in _RINGS),
    one_of((2, mutate_lines), (3, mutate_bytes)),
    weight=300,
    max_bytes=2_048,
)
CELL_LINES = Target(
    "cell_lines",
    "a line is a cell, a clear or refused; what is read is written back the same",
    _check_cells,
    _cell_seeds,
    one_of((4, _lines_of_json), (1, mutate_lines), (2, mutate_bytes)),
    weight=250,
    max_bytes=4_096,
)
RECORDS = Target(
    "records",
    "markers, records of compactions and repairs, and lines of ledgers are read or refused",
    _check_records,
    _record_seeds,
    one_of((3, mutate_json), (2, mutate_bytes)),
    weight=220,
    max_bytes=4_096,
)
