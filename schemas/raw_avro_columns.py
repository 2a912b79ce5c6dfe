"""Reads the rows of an Avro object container file of messages, column by column.

What `fastavro` does record by record, in a third of its time: a replay reads every event anew. The
counterpart of `schemas.raw_avro_rows`; it reads the rows of any writer of the same schema.
"""

from typing import NamedTuple

import numpy as np

from schemas.packs import RawPack

__all__ = ["Columns"]

_BITS = 7
_MORE = 1 << _BITS
_LOW = _MORE - 1
_LONGEST = 64
"""In bits, of what Avro calls a long."""
_USUAL = 8
"""In bytes, of a publish time of 1978 to 3111."""
_TOP_BITS = np.uint64(0x8080808080808080)
_GOES_ON = np.uint64(0x0080808080808080)
"""The top bits of a number of eight bytes: all but the last say that there is more."""
_SQUEEZE = tuple(
    (np.uint64(stays), np.uint64(shift), np.uint64(comes))
    for stays, shift, comes in (
        (0x007F007F007F007F, 1, 0x3F803F803F803F80),
        (0x00003FFF00003FFF, 2, 0x0FFFC0000FFFC000),
        (0x000000000FFFFFFF, 4, 0x00FFFFFFF0000000),
    )
)
"""How groups of 7 bits move together: what stays, by how much the rest moves, and where it goes."""


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
        try:
            rows = _scan(block, count, _USUAL)
            times = _usual_times(rows.stamps)
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


def _usual_times(stamps: list[bytes]) -> list[int]:
    """Read numbers of eight bytes, all at once; `ValueError`: that is not what they are."""
    bits = np.frombuffer(b"".join(stamps), "<u8")
    if len(bits) != len(stamps) or bool(((bits & _TOP_BITS) != _GOES_ON).any()):
        msg = "numbers of other lengths"
        raise ValueError(msg)
    bits = bits & ~_TOP_BITS
    for stays, shift, comes in _SQUEEZE:
        bits = bits & stays | bits >> shift & comes
    signs = -(bits & np.uint64(1)).astype(np.int64)
    times: list[int] = ((bits >> np.uint64(1)).astype(np.int64) ^ signs).tolist()
    return times


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
