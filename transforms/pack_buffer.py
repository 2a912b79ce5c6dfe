"""Gathers decoded rows by shard into packs of a bounded size; plain logic, without Beam."""

from collections.abc import Iterator
from itertools import chain

from schemas.events import MAX_MICROS
from schemas.packs import EventPack, RawPack

__all__ = ["Full", "PackBuffer"]

Full = tuple[int, EventPack, int]
"""A shard, a pack of it, and the least of the times of the elements that its rows came in."""


class PackBuffer:
    """Rows of one bundle by shard, in order of arrival.

    >>> buffer = PackBuffer(max_rows=2, max_bytes=100)
    >>> part = EventPack([b"a", b"b", b"c"], [b"", b"", b""], [7, 8, 9], RawPack([b"{}"] * 3))
    >>> [(pack.event_times, least) for _, pack, least in buffer.add(3, part, 42)]
    [([7, 8], 42)]
    >>> [pack.event_times for _, pack, _ in buffer.drain()]
    [[9]]
    """

    def __init__(self, max_rows: int, max_bytes: int) -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._open: dict[int, _Rows] = {}

    def add(self, shard: int, part: EventPack, time: int) -> Iterator[Full]:
        """Add rows of a shard, at least one; yield packs that are full.

        A pack is full with its last row: of as many rows as it may have, or of as many bytes.
        `time` is that of the element that the rows came in.
        """
        rows = self._rows(shard)
        size = sum(map(len, part.raw.payloads))
        if rows.count + len(part) < self._max_rows and rows.size + size < self._max_bytes:
            rows.count += len(part)
            rows.size += size
            rows.take(part, time)
            return
        begin = 0
        for end, payload in enumerate(part.raw.payloads, 1):
            rows = self._rows(shard)
            rows.count += 1
            rows.size += len(payload)
            if rows.count >= self._max_rows or rows.size >= self._max_bytes:
                rows.take(part.take(range(begin, end)), time)
                yield shard, self._open.pop(shard).pack(), rows.least
                begin = end
        if begin < len(part):
            rows.take(part.take(range(begin, len(part))), time)

    def drain(self) -> list[Full]:
        """Return what is left as packs, by shard, and begin anew."""
        rest = [(shard, rows.pack(), rows.least) for shard, rows in self._open.items()]
        self._open = {}
        return rest

    def _rows(self, shard: int) -> "_Rows":
        rows = self._open.get(shard)
        if rows is None:
            rows = self._open[shard] = _Rows()
        return rows


class _Rows:
    __slots__ = ("count", "least", "parts", "size")

    def __init__(self) -> None:
        self.parts: list[EventPack] = []
        self.count = self.size = 0
        self.least = MAX_MICROS

    def take(self, part: EventPack, time: int) -> None:
        self.parts.append(part)
        self.least = min(self.least, time)

    def pack(self) -> EventPack:
        parts = self.parts
        return EventPack(
            [*chain.from_iterable(part.ids for part in parts)],
            [*chain.from_iterable(part.contents for part in parts)],
            [*chain.from_iterable(part.event_times for part in parts)],
            RawPack.join(part.raw for part in parts),
        )
