"""Sorts more cells than fit into memory: sorted runs in a temporary file, merged on the way out."""

import heapq
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, TypeAlias

import msgspec

__all__ = ["KeyedCell", "sorted_cells"]

KeyedCell: TypeAlias = tuple[bytes, str, str, int, bytes]
"""Row key, family, qualifier, timestamp in microseconds, value."""

_RUN_BYTES = 64 * 1024 * 1024
_CELL_BYTES = 300
_CELLS_A_BLOCK = 200
_LENGTH_BYTES = 8

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[KeyedCell]).decode


def sorted_cells(cells: Iterable[KeyedCell], run_bytes: int = _RUN_BYTES) -> Iterator[KeyedCell]:
    """Yield cells by row key, then by family, qualifier and time.

    Memory: about `run_bytes`, and of each run that was written a block of 200 cells. The rest is in
    a file of the system's temporary folder, which is gone with the iterator.
    """
    with tempfile.TemporaryFile() as file:
        runs: list[tuple[int, int]] = []
        held: list[KeyedCell] = []
        size = 0
        for cell in cells:
            held.append(cell)
            # What a tuple of five takes in Python, and what varies.
            size += _CELL_BYTES + len(cell[0]) + len(cell[4])
            if size >= run_bytes:
                held.sort()
                runs.append(_spill(file, held))
                held, size = [], 0
        held.sort()
        yield from heapq.merge(*(_read(file.fileno(), *run) for run in runs), held)


def _spill(file: IO[bytes], cells: list[KeyedCell]) -> tuple[int, int]:
    """Write a sorted run at the end of the file; return where it begins and ends."""
    begin = file.tell()
    for first in range(0, len(cells), _CELLS_A_BLOCK):
        block = _encode(cells[first : first + _CELLS_A_BLOCK])
        file.write(len(block).to_bytes(_LENGTH_BYTES, "big") + block)
    file.flush()
    return begin, file.tell()


def _read(descriptor: int, place: int, end: int) -> Iterator[KeyedCell]:
    """Read a run back block by block, each from its own place: a file for each were too many."""
    while place < end:
        length = int.from_bytes(_exactly(descriptor, _LENGTH_BYTES, place), "big")
        yield from _decode(_exactly(descriptor, length, place + _LENGTH_BYTES))
        place += _LENGTH_BYTES + length


def _exactly(descriptor: int, count: int, place: int) -> bytes:
    parts = []
    while count:
        parts.append(os.pread(descriptor, count, place))
        count -= len(parts[-1])
        place += len(parts[-1])
    return b"".join(parts)
