"""Messages of archived objects one by one: proven, counted, put in order and written again.

What compaction needs where all messages of an hour at once would not fit into memory. A row is a
record of `ARCHIVE_SCHEMA`.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

import fastavro
import msgspec
from fastavro.write import Writer

from schemas.archive_avro import (
    ARCHIVE_SCHEMA,
    CODECS,
    BadObjectError,
    Fault,
    digest_of,
    read_rows,
)
from schemas.manifest import ManifestEntry

__all__ = ["Draft", "Row", "Tally", "draft_objects", "merge_rows", "proven_rows"]

Row = dict[str, Any]
_Placed = tuple[int, Row]
"""A row with the place of the object that it came from among those that are merged."""

_PARSED = fastavro.parse_schema(ARCHIVE_SCHEMA)
_BLOCK_BYTES = 1_000_000
# Of a row in memory beside its bytes: dictionaries, numbers, the key by which it is sorted.
_ROW_BYTES = 800
_MODULUS = 2**128
_encode = msgspec.msgpack.Encoder().encode
_Key = tuple[int, str, int, int]
_Keyed = tuple[_Key, Row]


@dataclass
class Tally:
    """The number of rows, and a digest of them that does not depend on their order.

    The digest is the sum of the rows' BLAKE2b digests modulo 2^128: it tells any row that was lost,
    changed or repeated by accident. It is no protection from somebody who makes rows for it.
    """

    count: int = 0
    total: int = 0

    def add(self, row: Row) -> None:
        """Count a row.

        >>> row = {"payload": b"", "attributes": {}, "message_id": "", "publish_time": 0,
        ...     "ordering_key": ""}
        >>> tally = Tally()
        >>> tally.add(row)
        >>> tally == Tally(), tally.count
        (False, 1)
        """
        content = (
            row["payload"],
            sorted(row["attributes"].items()),
            row["message_id"],
            row["publish_time"],
            row["ordering_key"],
        )
        digest = hashlib.blake2b(_encode(content), digest_size=16).digest()
        self.total = (self.total + int.from_bytes(digest, "big")) % _MODULUS
        self.count += 1


class Draft(NamedTuple):
    """An object that is to be written: its bytes, and what its entry in the manifest will say.

    `places` are those of the objects that its rows came from.
    """

    content: bytes
    marker: bytes
    events: int
    first_publish: int
    last_publish: int
    places: frozenset[int]

    def variant(self, number: int) -> bytes:
        """Return the same messages with other bytes, and so another digest; 0: as they are.

        What stands between the blocks is exchanged, which is as good as random.
        """
        if not number:
            return self.content
        other = hashlib.blake2b(self.marker + number.to_bytes(4, "big"), digest_size=16)
        return self.content.replace(self.marker, other.digest())


def proven_rows(entry: ManifestEntry, content: bytes | None) -> Iterator[Row]:
    """Yield the rows of the object that this is the entry of, decoding block by block.

    The same proof as `ManifestEntry.read`, in the memory of a block: of the digest before the first
    row, of the count after the last one.

    Raises:
        BadObjectError: there is none (None), or it is not the one that was written.
    """
    if content is None or digest_of(content) != entry.digest:
        # Raises, and says what is wrong.
        entry.read(content)
        return
    count = 0
    for row in read_rows(content, entry.codec):
        count += 1
        yield row
    if count != entry.events:
        detail = f"holds {count} messages, but the manifest says {entry.events}"
        raise BadObjectError(Fault.DAMAGED, detail)


def merge_rows(
    spans: Sequence[tuple[int, int]], load: Callable[[int], Iterable[Row]], max_bytes: int
) -> Iterator[_Placed]:
    """Yield (place, row) of all objects by publish time, then message id, then place.

    In passes: each keeps the least rows that fit, yields them, and leaves the rest to the next one,
    which reads again only the objects that reach into it. So memory is bounded whatever the number,
    size, order and overlap of the objects: by `max_bytes` of rows, one object's bytes and a block.

    Args:
        spans: first and last publish time of each object.
        load: gives the rows of the object at a place, the same ones each time, in any order.
        max_bytes: of rows kept at a time, as they are in memory, about.
    """
    low: _Key | None = None
    while True:
        kept, high = _least(spans, load, low, max_bytes)
        kept.reverse()
        # Rows go as they are taken, so that two passes are never in memory at once.
        while kept:
            key, row = kept.pop()
            yield key[2], row
            del row
        if high is None:
            return
        low = high


def draft_objects(
    rows: Iterable[_Placed], codec: str, target_bytes: int, seed: bytes
) -> Iterator[Draft]:
    """Yield objects of about `target_bytes` that hold the rows in their order; the last is smaller.

    Equal rows and seeds give equal bytes. One object at a time is in memory.

    Args:
        rows: by publish time.
        codec: one of `CODECS`.
        target_bytes: an object is closed when it has reached them.
        seed: what the markers between the blocks are made of.
    """
    draft: _Open | None = None
    number = 0
    for place, row in rows:
        if draft is None:
            marker = hashlib.blake2b(seed + number.to_bytes(4, "big"), digest_size=16).digest()
            draft = _Open(codec, min(target_bytes, _BLOCK_BYTES), marker)
            number += 1
        if draft.add(place, row) >= target_bytes:
            yield draft.close()
            draft = None
    if draft is not None:
        yield draft.close()


@dataclass
class _Open:
    """An object that is being written."""

    codec: str
    block_bytes: int
    marker: bytes
    events: int = 0
    first_publish: int = 0
    last_publish: int = 0
    places: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._bytes = io.BytesIO()
        self._file = Writer(
            self._bytes,
            _PARSED,
            codec=CODECS[self.codec],
            sync_interval=self.block_bytes,
            sync_marker=self.marker,
        )

    def add(self, place: int, row: Row) -> int:
        """Write a row; return the size of all complete blocks."""
        self._file.write(row)
        self.last_publish = row["publish_time"]
        if not self.events:
            self.first_publish = self.last_publish
        self.events += 1
        self.places.add(place)
        return self._bytes.tell()

    def close(self) -> Draft:
        """Write the last block."""
        self._file.flush()
        content = self._bytes.getvalue()
        times = self.first_publish, self.last_publish
        return Draft(content, self.marker, self.events, *times, frozenset(self.places))


def _least(
    spans: Sequence[tuple[int, int]],
    load: Callable[[int], Iterable[Row]],
    low: _Key | None,
    max_bytes: int,
) -> tuple[list[_Keyed], _Key | None]:
    """Return the least rows from a key on, in order, and the key of the first that did not fit."""
    kept: list[_Keyed] = []
    size = 0
    high: _Key | None = None
    for place, (first, last) in enumerate(spans):
        if (low and last < low[0]) or (high and first > high[0]):
            continue
        for number, row in enumerate(load(place)):
            key = (row["publish_time"], row["message_id"], place, number)
            if (low and key < low) or (high and key >= high):
                continue
            kept.append((key, row))
            size += _row_bytes(row)
            if size > max_bytes and len(kept) > 1:
                kept, size, high = _shortened(kept, max_bytes * 3 // 4)
    kept.sort(key=itemgetter(0))
    return kept, high


def _shortened(kept: list[_Keyed], max_bytes: int) -> tuple[list[_Keyed], int, _Key]:
    """Return the least rows that fit, at least one, their size, and the key of the next one."""
    kept.sort(key=itemgetter(0))
    size = _row_bytes(kept[0][1])
    for index in range(1, len(kept)):
        more = _row_bytes(kept[index][1])
        if size + more > max_bytes:
            break
        size += more
    return kept[:index], size, kept[index][0]


def _row_bytes(row: Row) -> int:
    attributes = row["attributes"]
    texts = sum(len(name) + len(value) for name, value in attributes.items())
    return _ROW_BYTES + len(row["payload"]) + len(row["message_id"]) + texts + 150 * len(attributes)
