"""Messages of archived objects one by one: proven, counted, put in order and written again.

What compaction needs where all messages of an hour at once would not fit into memory. Messages are
read pack by pack, and wait for their turn encoded, as they will be written.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, repeat
from operator import itemgetter

from schemas.archive_avro import BadObjectError, Fault, digest_of, read_blocks
from schemas.archive_blocks import BLOCK_BYTES, ObjectBlocks, in_blocks
from schemas.manifest import ManifestEntry
from schemas.packs import RawPack
from schemas.raw_avro_rows import encoded_rows

__all__ = ["Draft", "Placed", "Tally", "draft_objects", "merge_rows", "proven_packs"]

Placed = tuple[int, str, int, int, bytes]
"""A message, encoded, behind what it is sorted by: publish time, message id, place, number.

The place is that of the object that it came from among those that are merged, the number its own in
there. No two have both in common, so a comparison never comes to the message.
"""

_Key = tuple[int, str, int, int]
# Of a message in memory beside its bytes and the characters of its id: objects and their headers.
_ROW_BYTES = 400
_MODULUS = 2**128
_encoded = itemgetter(4)
_place = itemgetter(2)


@dataclass
class Tally:
    """The number of messages, and a digest of them that does not depend on their order.

    The digest is the sum of the BLAKE2b digests of the encoded messages modulo 2^128: it tells any
    that was lost, changed or repeated by accident. It is no protection from somebody who makes
    messages for it.
    """

    count: int = 0
    total: int = 0

    def add(self, pack: RawPack) -> None:
        """Count the messages of a pack.

        >>> tally = Tally()
        >>> tally.add(RawPack([b"a", b"b"], [1, 2]))
        >>> tally == Tally(), tally.count
        (False, 2)
        """
        for row in encoded_rows(pack):
            digest = hashlib.blake2b(row, digest_size=16).digest()
            self.total += int.from_bytes(digest, "big")
        self.total %= _MODULUS
        self.count += len(pack)


@dataclass(frozen=True)
class Draft:
    """An object that is to be written: its blocks, and what its entry in the manifest will say.

    `places` are those of the objects that its messages came from.
    """

    blocks: ObjectBlocks
    mark: bytes
    events: int
    first_publish: int
    last_publish: int
    places: frozenset[int]

    def content(self, variant: int = 0) -> bytes:
        """Return the object; another variant gives the same messages other bytes and digest."""
        return self.blocks.content(self.mark + variant.to_bytes(4, "big"))


def proven_packs(entry: ManifestEntry, content: bytes | None) -> Iterator[RawPack]:
    """Yield the messages of the object that this is the entry of, decoding block by block.

    The same proof as `ManifestEntry.read`, in the memory of a block: of the digest before the first
    message, of the count after the last one.

    Raises:
        BadObjectError: there is none (None), or it is not the one that was written.
    """
    if content is None or digest_of(content) != entry.digest:
        # Raises, and says what is wrong.
        entry.read(content)
        return
    events = 0
    for pack in read_blocks(content, entry.codec):
        events += len(pack)
        yield pack
    if events != entry.events:
        detail = f"holds {events} messages, but the manifest says {entry.events}"
        raise BadObjectError(Fault.DAMAGED, detail)


def merge_rows(
    spans: Sequence[tuple[int, int]], load: Callable[[int], Iterable[RawPack]], max_bytes: int
) -> Iterator[Placed]:
    """Yield the messages of all objects by publish time, then message id, then place.

    In passes: each keeps the least messages that fit, yields them, and leaves the rest to the next
    one, which reads again only the objects that reach into it. So memory is bounded whatever the
    number, size, order and overlap of the objects: by `max_bytes` of messages, and one object's
    bytes and a pack.

    Args:
        spans: first and last publish time of each object.
        load: gives the messages of the object at a place, the same ones each time, in any order,
            each with its publish time.
        max_bytes: of messages kept at a time, as they are in memory, about.
    """
    low: _Key | None = None
    while True:
        kept, high = _least(spans, load, low, max_bytes)
        kept.reverse()
        # Messages go as they are taken, so that two passes are never in memory at once.
        while kept:
            yield kept.pop()
        if high is None:
            return
        low = high


def draft_objects(
    rows: Iterable[Placed], codec: str, target_bytes: int, seed: bytes
) -> Iterator[Draft]:
    """Yield objects of about `target_bytes` that hold the messages in their order, the last less.

    Equal messages and seeds give equal bytes. No two objects of a seed have the same, nor those of
    any other writer, whatever copies of messages there are: the blocks may be equal, and what
    stands between them is not. One object at a time is in memory.

    Args:
        rows: by publish time.
        codec: one of `CODECS`.
        target_bytes: an object is closed by the block that brings it to them.
        seed: what the objects differ by.
    """
    blocks, ended, number = ObjectBlocks(codec), list[_Ended](), 0
    for block in in_blocks(rows, _encoded_bytes, min(target_bytes, BLOCK_BYTES)):
        blocks.add(list(map(_encoded, block)))
        ended.append((len(block), block[0][0], block[-1][0], frozenset(map(_place, block))))
        # Or it would be in memory until the next one is full as well.
        del block
        if blocks.size >= target_bytes:
            yield _draft(blocks, ended, seed + number.to_bytes(4, "big"))
            blocks, ended, number = ObjectBlocks(codec), [], number + 1
    if ended:
        yield _draft(blocks, ended, seed + number.to_bytes(4, "big"))


_Ended = tuple[int, int, int, frozenset[int]]
"""Of a block: the number of messages, the first and last publish time, and the places."""


def _draft(blocks: ObjectBlocks, ended: Sequence[_Ended], mark: bytes) -> Draft:
    counts, firsts, lasts, places = zip(*ended, strict=True)
    return Draft(blocks, mark, sum(counts), firsts[0], lasts[-1], frozenset().union(*places))


def _least(
    spans: Sequence[tuple[int, int]],
    load: Callable[[int], Iterable[RawPack]],
    low: _Key | None,
    max_bytes: int,
) -> tuple[list[Placed], _Key | None]:
    """Return the least rows from a key on, in order, and the key of the first that did not fit."""
    kept: list[Placed] = []
    size = 0
    high: _Key | None = None
    for place, (first, last) in enumerate(spans):
        if (low and last < low[0]) or (high and first > high[0]):
            continue
        numbers = count()
        for pack in load(place):
            rows = _between(low, _placed(pack, place, numbers), high)
            kept += rows
            size += sum(map(_row_bytes, rows))
            if size > max_bytes and len(kept) > 1:
                kept, size, high = _shortened(kept, max_bytes * 3 // 4)
    kept.sort()
    return kept, high


def _placed(pack: RawPack, place: int, numbers: Iterator[int]) -> list[Placed]:
    times = [time or 0 for time in pack.publish_times or repeat(0, len(pack))]
    ids = pack.message_ids or repeat("", len(pack))
    # The times come first: at their end, no number is taken that belongs to the next pack.
    return list(zip(times, ids, repeat(place), numbers, encoded_rows(pack)))


def _between(low: _Key | None, rows: list[Placed], high: _Key | None) -> list[Placed]:
    # A key is less than the message that it is the beginning of.
    if low is not None:
        rows = [row for row in rows if low < row]
    return rows if high is None else [row for row in rows if row < high]


def _shortened(kept: list[Placed], max_bytes: int) -> tuple[list[Placed], int, _Key]:
    """Return the least rows that fit, at least one, their size, and the key of the next one."""
    kept.sort()
    size = _row_bytes(kept[0])
    for index in range(1, len(kept)):
        more = _row_bytes(kept[index])
        if size + more > max_bytes:
            break
        size += more
    high = kept[index][:4]
    del kept[index:]
    return kept, size, high


def _row_bytes(row: Placed) -> int:
    return _ROW_BYTES + len(row[1]) + len(row[4])


def _encoded_bytes(row: Placed) -> int:
    return len(row[4])
