"""Which copy of an event survives in batch: the same one for every order and split of the input."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from typing import Any

from schemas.packs import EventPack
from transforms.seen_ids import Verdict

__all__ = ["Rank", "rank", "survivors"]

_HELD_BYTES = 64_000_000
_ROW_BYTES = 200
"""Of a row in memory, beside its bytes."""

Rank = tuple[Any, ...]


def rank(pack: EventPack, row: int) -> Rank:
    """Return what decides between two rows with the same id: the least one survives.

    Publish time, then content; a row without a publish time comes after all that have one. What
    follows only chooses between copies of the same content.
    """
    raw = pack.raw.row(row)
    return (
        raw.publish_time is None,
        raw.publish_time or 0,
        pack.contents[row],
        raw.message_id,
        pack.event_times[row],
        sorted(raw.attributes.items()),
        raw.ordering_key,
        raw.payload,
    )


def survivors(packs: Iterable[EventPack]) -> Iterator[tuple[EventPack, Verdict]]:
    """Sort the rows of all packs of one shard, which together hold every copy of their ids.

    `packs` is read three times where it is larger than 64 MB, else once. What is held besides is a
    digest an id, and the rank of the survivor of each id that occurs more than once.

    >>> from schemas.packs import RawPack
    >>> pack = EventPack([b"a", b"a"], [b"same"] * 2, [0, 0], RawPack([b"2", b"1"], [7, 5]))
    >>> [verdict for _, verdict in survivors([pack])]
    [Verdict(unique=[1], duplicates=[0], conflicts=[], distances=[2])]
    """
    packs = _held(packs)
    best = _best(packs, _repeated(packs))
    taken: set[bytes] = set()
    for pack in packs:
        if best.keys().isdisjoint(pack.ids):
            yield pack, Verdict(list(range(len(pack))), [], [], [])
        else:
            yield pack, _judge(pack, best, taken)


def _held(packs: Iterable[EventPack]) -> Iterable[EventPack]:
    """Return the packs in memory if they are small: to read one again is to decode it again."""
    held: list[EventPack] = []
    size = 0
    for pack in packs:
        held.append(pack)
        size += _ROW_BYTES * len(pack) + pack.estimated_bytes()
        if size > _HELD_BYTES:
            return packs
    return held


def _repeated(packs: Iterable[EventPack]) -> set[bytes]:
    seen: set[bytes] = set()
    repeated: set[bytes] = set()
    for pack in packs:
        ids = set(pack.ids)
        repeated |= seen & ids
        seen |= ids
        if len(ids) < len(pack):
            repeated |= _repeated_within(pack)
    return repeated


def _repeated_within(pack: EventPack) -> set[bytes]:
    return {identity for identity, count in Counter(pack.ids).items() if count > 1}


def _best(packs: Iterable[EventPack], repeated: set[bytes]) -> dict[bytes, Rank]:
    best: dict[bytes, Rank] = {}
    for pack in packs:
        for row in _rows_of(pack, repeated):
            candidate = rank(pack, row)
            if candidate < best.get(pack.ids[row], (2,)):
                best[pack.ids[row]] = candidate
    return best


def _rows_of(pack: EventPack, ids: Container[bytes]) -> list[int]:
    return [row for row, identity in enumerate(pack.ids) if identity in ids]


def _judge(pack: EventPack, best: dict[bytes, Rank], taken: set[bytes]) -> Verdict:
    verdict = Verdict([], [], [], [])
    for row in _rows_of(pack, best):
        identity = pack.ids[row]
        candidate, least = rank(pack, row), best[identity]
        if identity not in taken and candidate == least:
            taken.add(identity)
        elif candidate[2] == least[2]:
            verdict.duplicates.append(row)
            # Without publish times nothing is known of the distance.
            verdict.distances.extend([] if candidate[0] else [candidate[1] - least[1]])
        else:
            verdict.conflicts.append(row)
    gone = {*verdict.duplicates, *verdict.conflicts}
    verdict.unique.extend(row for row in range(len(pack)) if row not in gone)
    return verdict
