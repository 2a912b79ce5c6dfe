"""Packed elements: many events as one Beam element, column by column.

Beam Python pays per element, not per byte, so between the edges events travel in packs of up to a
few hundred. A pack is a struct of equally long lists; it is encoded as one MessagePack array.
"""

import operator
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from schemas.events import MIN_MICROS, RawEvent

__all__ = ["EventPack", "RawPack", "without"]

_T = TypeVar("_T")

_RAW_ROW_BYTES = 8
_EVENT_ROW_BYTES = 48
"""Of a row in its columns beside the payload: two digests, a time, and their lengths."""


class RawPack(msgspec.Struct, array_like=True):
    """Undecoded messages. A column that is None holds the default of `RawEvent` in every row."""

    payloads: list[bytes]
    publish_times: list[int | None] | None = None
    message_ids: list[str] | None = None
    attributes: list[dict[str, str]] | None = None
    ordering_keys: list[str] | None = None

    def __len__(self) -> int:
        return len(self.payloads)

    @classmethod
    def join(cls, packs: Iterable["RawPack"]) -> "RawPack":
        """Return one pack with the rows of all, in their order.

        >>> RawPack.join([RawPack([b"a"]), RawPack([b"b"], [5])]).publish_times
        [None, 5]
        """
        given = list(packs)
        sizes = list(map(len, given))
        return cls(
            [payload for pack in given for payload in pack.payloads],
            _joined([pack.publish_times for pack in given], sizes, None),
            _joined([pack.message_ids for pack in given], sizes, ""),
            _joined([pack.attributes for pack in given], sizes, {}),
            _joined([pack.ordering_keys for pack in given], sizes, ""),
        )

    @classmethod
    def of(cls, raws: Iterable[RawEvent]) -> "RawPack":
        """Pack single messages, in their order.

        >>> len(RawPack.of([RawEvent(b"{}"), RawEvent(b"[]")]))
        2
        """
        rows = list(raws)
        return cls(
            [raw.payload for raw in rows],
            _column([raw.publish_time for raw in rows], None),
            _column([raw.message_id for raw in rows], ""),
            _column([raw.attributes for raw in rows], {}),
            _column([raw.ordering_key for raw in rows], ""),
        )

    def estimated_bytes(self) -> int:
        """Return about how many bytes the pack takes encoded."""
        known = sum(map(len, self.payloads))
        known += sum(map(len, self.message_ids or ())) + sum(map(len, self.ordering_keys or ()))
        for attributes in self.attributes or ():
            known += sum(map(len, attributes)) + sum(map(len, attributes.values()))
        return known + _RAW_ROW_BYTES * len(self)

    def row(self, index: int) -> RawEvent:
        """Return one message as it arrived."""
        return RawEvent(
            self.payloads[index],
            self.attributes[index] if self.attributes else {},
            self.message_ids[index] if self.message_ids else "",
            self.publish_times[index] if self.publish_times else None,
            self.ordering_keys[index] if self.ordering_keys else "",
        )

    def take(self, rows: Sequence[int]) -> "RawPack":
        """Return the pack of the given rows, in the given order."""
        return RawPack(
            _chosen(self.payloads, rows),
            _take(self.publish_times, rows),
            _take(self.message_ids, rows),
            _take(self.attributes, rows),
            _take(self.ordering_keys, rows),
        )

    def without(self, rows: Sequence[int]) -> "RawPack":
        """Return the pack of all but the given rows, which ascend."""
        return RawPack(
            without(self.payloads, rows),
            self.publish_times and without(self.publish_times, rows),
            self.message_ids and without(self.message_ids, rows),
            self.attributes and without(self.attributes, rows),
            self.ordering_keys and without(self.ordering_keys, rows),
        )


class EventPack(msgspec.Struct, array_like=True):
    """Decodable messages of one shard with what dedupe has to know of each.

    `ids`: 16-byte digests of the dedupe key. `contents`: 16-byte digests of the decoded content
    with its drift. `event_times`: microseconds since the epoch. `watermark`: what was taken for
    the watermark when the pack reached dedupe, in microseconds; `MIN_MICROS` in batch, where
    nothing is late.
    """

    ids: list[bytes]
    contents: list[bytes]
    event_times: list[int]
    raw: RawPack
    watermark: int = MIN_MICROS

    def __len__(self) -> int:
        return len(self.ids)

    def estimated_bytes(self) -> int:
        """Return about how many bytes the pack takes encoded."""
        return self.raw.estimated_bytes() + _EVENT_ROW_BYTES * len(self)

    def take(self, rows: Sequence[int]) -> "EventPack":
        """Return the pack of the given rows, in the given order."""
        return EventPack(
            _chosen(self.ids, rows),
            _chosen(self.contents, rows),
            _chosen(self.event_times, rows),
            self.raw.take(rows),
            self.watermark,
        )

    def without(self, rows: Sequence[int]) -> "EventPack":
        """Return the pack of all but the given rows, which ascend: quicker for a few than `take`.

        >>> EventPack([b"a", b"b"], [b"", b""], [5, 6], RawPack([b"x", b"y"])).without([0]).ids
        [b'b']
        """
        return EventPack(
            without(self.ids, rows),
            without(self.contents, rows),
            without(self.event_times, rows),
            self.raw.without(rows),
            self.watermark,
        )


def _column(values: list[_T], default: object) -> list[_T] | None:
    return values if any(value != default for value in values) else None


def _joined(columns: list[list[_T] | None], sizes: list[int], default: _T) -> list[_T] | None:
    if all(column is None for column in columns):
        return None
    whole: list[_T] = []
    for column, size in zip(columns, sizes, strict=True):
        whole += [default] * size if column is None else column
    return whole


def _chosen(column: list[_T], rows: Sequence[int]) -> list[_T]:
    # An itemgetter takes half the time of a comprehension; of one row it would give no tuple.
    return [*operator.itemgetter(*rows)(column)] if len(rows) > 1 else [column[row] for row in rows]


def without(column: list[_T], rows: Sequence[int]) -> list[_T]:
    """Return all of a column but the given rows, which ascend.

    >>> without(["a", "b", "c"], [1])
    ['a', 'c']
    """
    rest: list[_T] = []
    begin = 0
    for row in rows:
        rest += column[begin:row]
        begin = row + 1
    return rest + column[begin:]


def _take(column: list[_T] | None, rows: Sequence[int]) -> list[_T] | None:
    return None if column is None else _chosen(column, rows)
