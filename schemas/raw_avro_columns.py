"""Reads the rows of an Avro object container file of messages, column by column.

What `fastavro` does record by record, in two thirds of its time: a replay reads every event anew.
The counterpart of `schemas.raw_avro_rows`; it reads the rows of any writer of the same schema.
"""

from schemas.packs import RawPack

__all__ = ["Columns"]

_BITS = 7
_MORE = 1 << _BITS
_LOW = _MORE - 1
_LONGEST = 64
"""In bits, of what Avro calls a long."""
_HEAD_BITS = 4 * _BITS
_MOST_UPPERS = 4_096


def _pair(low: int, high: int) -> int:
    """Return the 14 bits of two bytes inside a number; below 0 where the number ends with one."""
    return low & _LOW | (high & _LOW) << _BITS if low & high & _MORE else -1


_PAIRS = [_pair(pair & 255, pair >> 8) for pair in range(1 << 16)]


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
        self._attributes: list[dict[str, str]] = []
        self._keys: list[str] = []
        # The upper half of a publish time, which neighbours have in common, as it was read.
        self._uppers: dict[bytes, int] = {}

    def pack(self) -> RawPack:
        """Return what was read; a column that holds nothing is None."""
        return RawPack(
            self._payloads,
            self._times,
            self._ids if any(self._ids) else None,
            self._attributes if any(self._attributes) else None,
            self._keys if any(self._keys) else None,
        )

    def read(self, block: bytes, count: int) -> None:
        """Read the records of a block, after those of the blocks before it.

        A block that does not hold `count` records, and nothing else, raises `LookupError` or
        `ValueError`. Damage that leaves all lengths as they are goes unnoticed.
        """
        place = 0
        payload, time, identity = self._payloads.append, self._times.append, self._ids.append
        attributes, key = self._attributes.append, self._keys.append
        for _ in range(count):
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
            found, end = _map(block, end) if block[end] else ({}, end + 1)
            attributes(found)
            size = block[end]
            if size < _MORE:
                place = end + 1 + (size >> 1)
                identity(block[end + 1 : place].decode())
            else:
                text, place = _text(block, end)
                identity(text)
            moment, place = self._time(block, place)
            time(moment)
            text, place = _text(block, place) if block[place] else ("", place + 1)
            key(text)
        if place != len(block):
            msg = f"{count} records take {place} of {len(block)} bytes"
            raise ValueError(msg)

    def _time(self, block: bytes, place: int) -> tuple[int, int]:
        """Read a long that is most likely of eight bytes, of which the last four are known."""
        tail = block[place + 4 : place + 8]
        upper = self._uppers.get(tail)
        if upper is not None:
            low = _PAIRS[block[place] | block[place + 1] << 8]
            high = _PAIRS[block[place + 2] | block[place + 3] << 8]
            if low >= 0 and high >= 0:
                zigzag = low | high << 2 * _BITS | upper
                return (zigzag >> 1) ^ -(zigzag & 1), place + 8
        zigzag, end = _number(block, place)
        if end == place + 8:
            if len(self._uppers) >= _MOST_UPPERS:
                self._uppers.clear()
            self._uppers[tail] = zigzag >> _HEAD_BITS << _HEAD_BITS
        return (zigzag >> 1) ^ -(zigzag & 1), end


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
