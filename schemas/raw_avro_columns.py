"""Reads the rows of an Avro object container file of messages, column by column.

What `fastavro` does record by record, in a third of its time: a replay reads every event anew. The
counterpart of `schemas.raw_avro_rows`; it reads the rows of any writer of the same schema.
"""

from typing import NamedTuple

from schemas.packs import RawPack
from schemas.usual_avro_rows import usual_rows, usual_times

__all__ = ["Columns"]

_BITS = 7
_MORE = 1 << _BITS
_LOW = _MORE - 1
_LONGEST = 64
"""In bits, of what Avro calls a long."""
_USUAL = 8
"""In bytes, of a publish time of 1978 to 3111."""


class _Rows(NamedTuple):
    payloads: list[bytes]
    ids: list[str]
    stamps: list[bytes]
    attributes: dict[int, dict[str, str]]
    keys: dict[int, str]


class Columns:
    r"""The columns of the messages read so far.

    >>> columns = Columns()
    >>> columns.read(b"\x02a\x00\x02m\x02\x00", 1)
    >>> columns.pack().payloads, columns.pack().publish_times, columns.pack().attributes
    ([b'a'], [1], None)
    """

    def __init__(self) -> None:
        self._payloads: list[bytes] = []
        self._times: list[int | None] = []
        self._ids: list[str] = []
        self._attributes: dict[int, dict[str, str]] = {}
        self._keys: dict[int, str] = {}

    def pack(self) -> RawPack:
        """Return what was read; a column that holds nothing is None."""
        rows = range(len(self._payloads))
        attributes, keys = self._attributes.get, self._keys.get
        return RawPack(
            self._payloads,
            self._times,
            self._ids if any(self._ids) else None,
            [attributes(row) or {} for row in rows] if self._attributes else None,
            [keys(row, "") for row in rows] if self._keys else None,
        )

    def read(self, block: bytes, count: int) -> None:
        """Read the records of a block, after those of the blocks before it.

        A block that does not hold `count` records, and nothing else, raises `LookupError` or
        `ValueError`. Damage that leaves all lengths as they are goes unnoticed.
        """
        usual = usual_rows(block, count)
        if usual is not None:
            self._payloads += usual.payloads
            self._ids += usual.ids
            self._times += usual.times
            return
        try:
            rows = _scan(block, count, _USUAL)
            times = usual_times(b"".join(rows.stamps), count)
        except (LookupError, ValueError):
            # Damage, or a time of another length, which puts all behind it out of place.
            rows = _scan(block, count, None)
            times = [_time(stamp) for stamp in rows.stamps]
        first = len(self._payloads)
        self._payloads += rows.payloads
        self._times += times
        self._ids += rows.ids
        self._attributes.update((first + row, found) for row, found in rows.attributes.items())
        self._keys.update((first + row, found) for row, found in rows.keys.items())


def _scan(block: bytes, count: int, width: int | None) -> _Rows:
    """Find the records of a block.

    Args:
        block: uncompressed.
        count: how many there are.
        width: in bytes, what each publish time takes; None: they differ.
    """
    rows = _Rows([], [], [], {}, {})
    payload, identity, stamp = rows.payloads.append, rows.ids.append, rows.stamps.append
    place = 0
    for row in range(count):
        # Lengths of one byte or two are read in place: a call for each takes twice as long.
        size, more = block[place], block[place + 1]
        if size < _MORE:
            begin = place + 1
        elif more < _MORE:
            size, begin = size & _LOW | more << _BITS, place + 2
        else:
            size, begin = _number(block, place)
        end = begin + (size >> 1)
        payload(block[begin:end])
        if block[end]:
            found, end = _map(block, end)
            if found:
                rows.attributes[row] = found
        else:
            end += 1
        size = block[end]
        if size < _MORE:
            place = end + 1 + (size >> 1)
            identity(block[end + 1 : place].decode())
        else:
            text, place = _text(block, end)
            identity(text)
        end = place + width if width else _number(block, place)[1]
        stamp(block[place:end])
        if block[end]:
            rows.keys[row], place = _text(block, end)
        else:
            place = end + 1
    if place != len(block):
        msg = f"{count} records take {place} of {len(block)} bytes"
        raise ValueError(msg)
    return rows


def _time(stamp: bytes) -> int:
    zigzag, _ = _number(stamp, 0)
    return (zigzag >> 1) ^ -(zigzag & 1)


def _number(block: bytes, place: int) -> tuple[int, int]:
    """Return a long as its bits stand there, in zigzag, and where it ends."""
    bits = shift = 0
    while True:
        byte = block[place]
        place += 1
        bits |= (byte & _LOW) << shift
        if byte < _MORE:
            if bits >> _LONGEST:
                msg = f"a number of more than {_LONGEST} bits"
                raise ValueError(msg)
            return bits, place
        shift += _BITS
        if shift > _LONGEST:
            msg = "a number of more than ten bytes"
            raise ValueError(msg)


def _text(block: bytes, place: int) -> tuple[str, int]:
    size, begin = _number(block, place)
    end = begin + (size >> 1)
    return block[begin:end].decode(), end


def _map(block: bytes, place: int) -> tuple[dict[str, str], int]:
    found: dict[str, str] = {}
    while True:
        count, place = _number(block, place)
        if not count:
            return found, place
        # A negative count, odd in zigzag, is followed by the bytes of its part of the map.
        if count & 1:
            _, place = _number(block, place)
        for _ in range((count + 1) >> 1):
            name, place = _text(block, place)
            found[name], place = _text(block, place)
