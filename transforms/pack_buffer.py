"""Gathers decoded rows by shard into packs of a bounded size; plain logic, without Beam."""

from typing import TypeVar

from schemas.events import MAX_MICROS
from schemas.packs import EventPack, RawPack

__all__ = ["Full", "PackBuffer"]

_T = TypeVar("_T")
_NONE: dict[str, str] = {}

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
        identity, content, event_time = known
        rows.ids.append(identity)
        rows.contents.append(content)
        rows.event_times.append(event_time)
        rows.places.append(place)
        payload = place[0].payloads[place[1]]
        rows.payloads.append(payload)
        rows.size += len(payload)
        rows.least = min(rows.least, time)
        if len(rows.ids) < self._max_rows and rows.size < self._max_bytes:
            return None
        del self._open[shard]
        return shard, rows.pack(), rows.least

    def drain(self) -> list[Full]:
        """Return what is left as packs, by shard, and begin anew."""
        rest = [(shard, self._open[shard].pack(), self._open[shard].least) for shard in self._open]
        self._open = {}
        return rest


class _Rows:
    __slots__ = ("contents", "event_times", "ids", "least", "payloads", "places", "size")

    def __init__(self) -> None:
        self.ids: list[bytes] = []
        self.contents: list[bytes] = []
        self.event_times: list[int] = []
        self.payloads: list[bytes] = []
        self.places: list[tuple[RawPack, int]] = []
        self.size = 0
        self.least = MAX_MICROS

    def pack(self) -> EventPack:
        return EventPack(self.ids, self.contents, self.event_times, self._raws())

    def _raws(self) -> RawPack:
        sources = {id(pack): pack for pack, _ in self.places}
        if all(map(_is_bare, sources.values())):
            return RawPack(self.payloads)
        places = self.places
        return RawPack(
            self.payloads,
            _column([_at(pack.publish_times, row, None) for pack, row in places], None),
            _column([_at(pack.message_ids, row, "") for pack, row in places], ""),
            _column([_at(pack.attributes, row, _NONE) for pack, row in places], _NONE),
            _column([_at(pack.ordering_keys, row, "") for pack, row in places], ""),
        )


def _at(column: list[_T] | None, row: int, default: _T) -> _T:
    return default if column is None else column[row]


def _column(values: list[_T], default: object) -> list[_T] | None:
    return values if any(value != default for value in values) else None


def _is_bare(pack: RawPack) -> bool:
    columns = (pack.publish_times, pack.message_ids, pack.attributes, pack.ordering_keys)
    return all(column is None for column in columns)
