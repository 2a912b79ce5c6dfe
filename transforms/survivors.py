"""Which copy of an event survives in batch: the same one for every order and split of the input."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from schemas.packs import EventPack
from transforms.seen_ids import Verdict

__all__ = ["Rank", "rank", "survivors"]

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

    `packs` is read three times, and may be larger than memory; what is held is a digest an id, and
    the rank of the survivor of each id that occurs more than once.

    >>> from schemas.packs import RawPack
    >>> pack = EventPack([b"a", b"a"], [b"same"] * 2, [0, 0], RawPack([b"2", b"1"], [7, 5]))
    >>> [verdict for _, verdict in survivors([pack])]
    [Verdict(unique=[1], duplicates=[0], conflicts=[], distances=[2])]
    """
    best = _best(packs, _repeated(packs))
    taken: set[bytes] = set()
    for pack in packs:
        if best.keys().isdisjoint(pack.ids):
            yield pack, Verdict(list(range(len(pack))), [], [], [])
        else:
            yield pack, _judge(pack, best, taken)


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
        for row, identity in enumerate(pack.ids):
            if identity in repeated:
                candidate = rank(pack, row)
                if candidate < best.get(identity, (2,)):
                    best[identity] = candidate
    return best


def _judge(pack: EventPack, best: dict[bytes, Rank], taken: set[bytes]) -> Verdict:
    verdict = Verdict([], [], [], [])
    for row, identity in enumerate(pack.ids):
        least = best.get(identity)
        if least is None:
            verdict.unique.append(row)
            continue
        candidate = rank(pack, row)
        if identity not in taken and candidate == least:
            taken.add(identity)
            verdict.unique.append(row)
        elif candidate[2] == least[2]:
            verdict.duplicates.append(row)
            # Without publish times nothing is known of the distance.
            verdict.distances.extend([] if candidate[0] else [candidate[1] - least[1]])
        else:
            verdict.conflicts.append(row)
    return verdict
