"""Gathers decoded rows by shard into packs of a bounded size; plain logic, without Beam."""

from typing import TypeVar

from schemas.events import MAX_MICROS
from schemas.packs import EventPack, RawPack

__all__ = ["Full", "PackBuffer"]

_T = TypeVar("_T")

Full = tuple[int, EventPack, int]
"""A shard, a pack of it, and the least of the times of the elements that its rows came in."""


class PackBuffer:
    """Rows of one bundle by shard, in order of arrival.

    >>> buffer = PackBuffer(max_rows=1, max_bytes=100)
    >>> shard, pack, least = buffer.add(3, (b"id", b"content", 7), (RawPack([b"{}"]), 0), 42)
    >>> shard, pack.event_times, least
    (3, [7], 42)
    """

    def __init__(self, max_rows: int, max_bytes: int) -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._open: dict[int, _Rows] = {}

    def add(
        self, shard: int, known: tuple[bytes, bytes, int], place: tuple[RawPack, int], time: int
    ) -> Full | None:
        """Add a row: its (id, content, event time) and its (pack, row); return a pack that is full.

        `time` is that of the element that the row came in.
        """
        rows = self._open.get(shard)
        if rows is None:
            rows = self._open[shard] = _Rows()
        rows.known.append(known)
        rows.places.append(place)
        rows.size += len(place[0].payloads[place[1]])
        rows.least = min(rows.least, time)
        if len(rows.known) < self._max_rows and rows.size < self._max_bytes:
            return None
        del self._open[shard]
        return shard, rows.pack(), rows.least

    def drain(self) -> list[Full]:
        """Return what is left as packs, by shard, and begin anew."""
        rest = [(shard, self._open[shard].pack(), self._open[shard].least) for shard in self._open]
        self._open = {}
        return rest


class _Rows:
    __slots__ = ("known", "least", "places", "size")

    def __init__(self) -> None:
        self.known: list[tuple[bytes, bytes, int]] = []
        self.places: list[tuple[RawPack, int]] = []
        self.size = 0
        self.least = MAX_MICROS

    def pack(self) -> EventPack:
        ids, contents, event_times = zip(*self.known, strict=True)
        return EventPack(list(ids), list(contents), list(event_times), _raws(self.places))


def _raws(places: list[tuple[RawPack, int]]) -> RawPack:
    payloads = [pack.payloads[row] for pack, row in places]
    bare = all(_is_bare(pack) for pack in {id(pack): pack for pack, _ in places}.values())
    if bare:
        return RawPack(payloads)
    return RawPack.of(pack.row(row) for pack, row in places)


def _is_bare(pack: RawPack) -> bool:
    columns = (pack.publish_times, pack.message_ids, pack.attributes, pack.ordering_keys)
    return all(column is None for column in columns)
