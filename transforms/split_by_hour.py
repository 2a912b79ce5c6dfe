"""Splits packs of messages by hour of publishing and shard, and gathers what belongs together."""

import operator
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from schemas.archive_layout import hour_of
from schemas.events import MAX_MICROS, MIN_MICROS
from schemas.packs import RawPack

__all__ = ["Gathered", "HourBuffer", "Key", "cut", "published", "size_of", "split_by_hour"]

# Of a message in memory beside its bytes: without it, a batch of empty ones would have no bound.
_ROW_BYTES = 64
# What a key may come to hold more than it may: a pack is not put in as a whole.
_PIECE_BYTES = 1_000_000

Key = tuple[int, int]
"""Start of the hour in microseconds, shard."""


class Gathered(NamedTuple):
    """Messages of one key, their size, and the least of the timestamps that they came with."""

    key: Key
    pack: RawPack
    size: int
    oldest: int


class HourBuffer:
    """Messages by hour and shard until a key, or all together, hold as much as they may.

    >>> buffer = HourBuffer(shards=1, most_of_key=1_000, most=1_000)
    >>> list(buffer.add(RawPack([b"a"], [5]), 7)), [each.oldest for each in buffer.drain()]
    ([], [7])
    """

    def __init__(self, shards: int, most_of_key: int, most: int) -> None:
        self._shards, self._most_of_key, self._most = shards, most_of_key, most
        self._open: dict[Key, _Open] = {}
        self._size = 0

    def add(self, pack: RawPack, stamp: int) -> Iterator[Gathered]:
        """Add messages that came with a timestamp; yield what is full."""
        for key, part in split_by_hour(published(pack, stamp), self._shards):
            for piece in cut(part, min(self._most_of_key, _PIECE_BYTES)):
                self._put(key, piece, stamp)
                if self._open[key].size >= self._most_of_key:
                    yield self._give(key)
        if self._size >= self._most:
            yield from self.drain()

    def drain(self) -> Iterator[Gathered]:
        """Yield what is left, and begin anew."""
        for key in list(self._open):
            yield self._give(key)

    def _put(self, key: Key, pack: RawPack, stamp: int) -> None:
        known = self._open.setdefault(key, _Open())
        size = size_of(pack)
        known.packs.append(pack)
        known.size += size
        known.oldest = min(known.oldest, stamp)
        self._size += size

    def _give(self, key: Key) -> Gathered:
        known = self._open.pop(key)
        self._size -= known.size
        return Gathered(key, RawPack.join(known.packs), known.size, known.oldest)


class _Open:
    __slots__ = ("oldest", "packs", "size")

    def __init__(self) -> None:
        self.packs: list[RawPack] = []
        self.size = 0
        self.oldest = MAX_MICROS


def size_of(pack: RawPack) -> int:
    """Return what counts as the size of a pack: payloads, attributes, ids, keys, and each row.

    >>> size_of(RawPack([b"", b"abc"]))
    131
    """
    return sum(_row_sizes(pack))


def published(pack: RawPack, stamp: int) -> RawPack:
    """Return the pack with `stamp` for each publish time that is missing or is no 64-bit number.

    >>> published(RawPack([b"a", b"b"], [7, None]), 9).publish_times
    [7, 9]
    """
    times = pack.publish_times or [None] * len(pack)
    kept = [
        time if time is not None and MIN_MICROS <= time <= MAX_MICROS else stamp for time in times
    ]
    return pack if kept == times else msgspec.structs.replace(pack, publish_times=kept)


def split_by_hour(pack: RawPack, shards: int) -> Iterator[tuple[Key, RawPack]]:
    """Yield the messages of each hour and shard as a pack; every one has its publish time.

    The shard is a hash of the message id, of the payload where there is none: it is the same for
    each copy of a message, whatever it comes with.

    >>> [key for key, _ in split_by_hour(RawPack([b"a", b"b"], [1, 3_600_000_000]), shards=1)]
    [(0, 0), (3600000000, 0)]
    """
    times = [time for time in pack.publish_times or [] if time is not None]
    if not times:
        return
    first = hour_of(min(times))
    if first == hour_of(max(times)) and shards == 1:
        yield (first, 0), pack
        return
    rows: dict[Key, list[int]] = {}
    for row, time in enumerate(times):
        rows.setdefault((hour_of(time), _shard(pack, row, shards)), []).append(row)
    for key, chosen in rows.items():
        yield key, pack if len(chosen) == len(times) else pack.take(chosen)


def cut(pack: RawPack, most: int) -> Iterator[RawPack]:
    """Yield the messages in their order as packs, each ended by the message that brings it to most.

    >>> [len(each) for each in cut(RawPack([b"a" * 100, b"b", b"c"]), 150)]
    [1, 2]
    """
    sizes = _row_sizes(pack)
    if sum(sizes) <= most:
        if sizes:
            yield pack
        return
    first = size = 0
    for row, more in enumerate(sizes):
        size += more
        if size >= most:
            yield pack.take(range(first, row + 1))
            first, size = row + 1, 0
    if first < len(pack):
        yield pack.take(range(first, len(pack)))


def _shard(pack: RawPack, row: int, shards: int) -> int:
    if shards == 1:
        return 0
    identity = pack.message_ids[row].encode() if pack.message_ids else b""
    return zlib.crc32(identity or pack.payloads[row]) % shards


def _row_sizes(pack: RawPack) -> list[int]:
    sizes = [_ROW_BYTES + len(payload) for payload in pack.payloads]
    for texts in (pack.message_ids, pack.ordering_keys):
        if texts is not None:
            sizes = list(map(operator.add, sizes, map(len, texts)))
    if pack.attributes is not None:
        sizes = list(map(operator.add, sizes, map(_attributes_size, pack.attributes)))
    return sizes


def _attributes_size(attributes: dict[str, str]) -> int:
    return sum(map(len, attributes)) + sum(map(len, attributes.values()))
