"""How the ids of a shard are saved: segments of rows, one after the other.

A segment is a slot's number (zigzag), how many rows it has, and the rows: 16 bytes of id and 4 of
content each. Numbers are varints.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from transforms.id_table import IdRows
from transforms.slot_groups import SlotGroups

__all__ = ["ROW_BYTES", "LogSize", "bytes_of", "log_of", "rows_of", "segment", "segments"]

_ROW = np.dtype([("head", np.uint64), ("tail", np.uint64), ("check", np.uint32)])
_CHUNK_BYTES = 256 * 1024
ROW_BYTES = _ROW.itemsize


@dataclass
class LogSize:
    """Bytes and entries of a log, lengths of entries included."""

    size: int = 0
    entries: int = 0

    def add(self, entry: bytes) -> None:
        """Count one entry."""
        self.size += len(entry) + len(_varint(len(entry)))
        self.entries += 1


def bytes_of(rows: IdRows) -> bytes:
    """Return rows as they are saved, without their groups."""
    packed = np.empty(len(rows.heads), _ROW)
    packed["head"], packed["tail"], packed["check"] = rows.heads, rows.tails, rows.checks
    return packed.tobytes()


def rows_of(packed: bytes) -> IdRows:
    """Return saved rows; their group is 0."""
    rows = np.frombuffer(packed, _ROW)
    return IdRows(rows["head"], rows["tail"], rows["check"], np.zeros(len(rows), np.uint32))


def log_of(rows: IdRows, slots: SlotGroups) -> Iterator[bytes]:
    """Yield the entries of a log that has nothing but these rows, those of a slot together."""
    ranks, places = slots.ranks()
    order = np.argsort(ranks[rows.groups], kind="stable")
    chunk, begin = bytearray(), 0
    for slot, count in places:
        chunk += segment(slot, bytes_of(rows.chosen(order[begin : begin + count])))
        begin += count
        if len(chunk) >= _CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)


def segment(slot: int, rows: bytes) -> bytes:
    """Pack one slot.

    >>> segment(-3, bytes(20)).hex()[:4]
    '0501'
    """
    number = slot << 1 if slot >= 0 else (-slot << 1) - 1
    return _varint(number) + _varint(len(rows) // ROW_BYTES) + rows


def segments(entry: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the slots of an entry with their rows."""
    position = 0
    while position < len(entry):
        number, position = _read_varint(entry, position)
        count, position = _read_varint(entry, position)
        end = position + count * ROW_BYTES
        yield (-(number + 1 >> 1) if number & 1 else number >> 1), entry[position:end]
        position = end


def _varint(number: int) -> bytes:
    """Return a number that is not negative in as few bytes as it takes, 7 bits in each."""
    packed = bytearray()
    while number > 0x7F:
        packed.append(number & 0x7F | 0x80)
        number >>= 7
    packed.append(number)
    return bytes(packed)


def _read_varint(entry: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = entry[position]
        position += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, position
