"""Parts of windows packed by shard: those of one metric and key go one way."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator

from schemas.window_parts import PartPack, WindowPart
from transforms.key_packs import shard_of

__all__ = ["packed_by_shard", "part_shard"]

_PARTS_A_PACK = 1_000


def part_shard(metric: int, key: bytes, shards: int) -> int:
    """Return the shard of all windows of a metric under a key: a stable digest, in saved state.

    >>> part_shard(1, b"", 16)
    3
    """
    digest = hashlib.blake2b(metric.to_bytes(4, "big") + key, digest_size=8).digest()
    return shard_of(digest, shards)


def packed_by_shard(parts: Iterable[WindowPart], shards: int) -> Iterator[tuple[int, PartPack]]:
    """Yield packs of at most 1,000 parts; parts come key by key, so that each is hashed once."""
    by_shard: defaultdict[int, list[WindowPart]] = defaultdict(list)
    last, shard = (-1, b""), 0
    for part in parts:
        if (part.metric, part.key) != last:
            last = part.metric, part.key
            shard = part_shard(*last, shards)
        mine = by_shard[shard]
        mine.append(part)
        if len(mine) >= _PARTS_A_PACK:
            yield shard, PartPack(by_shard.pop(shard))
    for shard, rest in by_shard.items():
        yield shard, PartPack(rest)
