"""Which copy of an event survives in batch: the same one for every order and split of the input."""

from collections.abc import Iterable, Iterator
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.packs import EventPack
from transforms.key_packs import heads_of
from transforms.seen_ids import Verdict

__all__ = ["Rank", "rank", "survivors"]

_HELD_BYTES = 64_000_000
_ROW_BYTES = 200
"""Of a row in memory, beside its bytes."""
_HINT_BITS = 16

Rank = tuple[Any, ...]
_Heads = NDArray[np.uint64]
_NO_HEADS: _Heads = np.zeros(0, dtype=np.uint64)


def rank(pack: EventPack, row: int) -> Rank:
    """Return what decides between two rows with the same id: the least one survives.

    Publish time, then content; a row without a publish time comes after all that have one. What
    follows only chooses between copies of the same content.
    """
    raw = pack.raw
    published = raw.publish_times[row] if raw.publish_times else None
    return (
        published is None,
        published or 0,
        pack.contents[row],
        raw.message_ids[row] if raw.message_ids else "",
        pack.event_times[row],
        sorted(raw.attributes[row].items()) if raw.attributes else [],
        raw.ordering_keys[row] if raw.ordering_keys else "",
        raw.payloads[row],
    )


def survivors(packs: Iterable[EventPack]) -> Iterator[tuple[EventPack, Verdict]]:
    """Sort the rows of all packs of one shard, which together hold every copy of their ids.

    `packs` is read three times where it is larger than 64 MB, else once. What is held besides is
    half a digest an id, and the rank of the survivor of each id that occurs more than once.

    >>> from schemas.packs import RawPack
    >>> pack = EventPack([bytes(16)] * 2, [b"same"] * 2, [0, 0], RawPack([b"2", b"1"], [7, 5]))
    >>> [verdict for _, verdict in survivors([pack])]
    [Verdict(unique=[1], duplicates=[0], conflicts=[], distances=[2])]
    """
    packs = _held(packs)
    repeated = _Repeated(packs)
    best = _best(packs, repeated)
    taken: set[bytes] = set()
    for pack in packs:
        yield pack, _judge(pack, repeated.rows_of(pack), best, taken)


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


class _Repeated:
    """The ids that occur more than once, by their first halves: in numbers, not in sets of bytes.

    Two ids with the same first half are both among them; whoever looks closer finds them different.
    """

    def __init__(self, packs: Iterable[EventPack]) -> None:
        heads = np.sort(np.concatenate([_NO_HEADS, *(heads_of(pack.ids) for pack in packs)]))
        again = heads[1:] == heads[:-1]
        self._heads = heads[1:][again]
        # Most rows are passed over by the first bits of their ids, which takes no search.
        self._hints = np.zeros(1 << _HINT_BITS, dtype=np.bool_)
        self._hints[_hint(self._heads)] = True

    def rows_of(self, pack: EventPack) -> list[int]:
        """Return the rows of a pack whose ids are among them, in their order."""
        heads = heads_of(pack.ids)
        rows = np.flatnonzero(self._hints[_hint(heads)])
        if not len(rows):
            return []
        wanted = heads[rows]
        places = np.searchsorted(self._heads, wanted)
        places[places == len(self._heads)] = 0
        found: list[int] = rows[self._heads[places] == wanted].tolist()
        return found


def _hint(heads: _Heads) -> _Heads:
    hints: _Heads = heads >> np.uint64(64 - _HINT_BITS)
    return hints


def _best(packs: Iterable[EventPack], repeated: _Repeated) -> dict[bytes, Rank]:
    best: dict[bytes, Rank] = {}
    for pack in packs:
        for row in repeated.rows_of(pack):
            candidate = rank(pack, row)
            if candidate < best.get(pack.ids[row], (2,)):
                best[pack.ids[row]] = candidate
    return best


def _judge(pack: EventPack, rows: list[int], best: dict[bytes, Rank], taken: set[bytes]) -> Verdict:
    verdict = Verdict([], [], [], [])
    stays = bytearray(b"\1") * len(pack)
    for row in rows:
        identity = pack.ids[row]
        candidate, least = rank(pack, row), best[identity]
        if identity not in taken and candidate == least:
            taken.add(identity)
            continue
        stays[row] = False
        if candidate[2] == least[2]:
            verdict.duplicates.append(row)
            # Without publish times nothing is known of the distance.
            verdict.distances.extend([] if candidate[0] else [candidate[1] - least[1]])
        else:
            verdict.conflicts.append(row)
    verdict.unique.extend(compress(range(len(pack)), stays))
    return verdict
