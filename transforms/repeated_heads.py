"""Which messages of a shard may be copies of others: told by the heads of their ids alone."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["RepeatedHeads"]

_HEAD = "<u4"
_NONE = np.zeros(0, dtype=_HEAD)


class RepeatedHeads:
    """The heads that occur more than once; two ids may share one by chance.

    >>> RepeatedHeads([bytes(4) + b"abcd", bytes(4)]).places(b"abcd" + bytes(4))
    [1]

    Args:
        packs: the heads of each pack (`schemas.sealed_packs`).
    """

    def __init__(self, packs: Iterable[bytes]) -> None:
        heads = np.sort(np.concatenate([_NONE, *map(_numbers, packs)]))
        self._heads = np.unique(heads[1:][heads[1:] == heads[:-1]])

    def places(self, heads: bytes) -> list[int]:
        """Return the places of such heads in a pack, which ascend."""
        if not len(self._heads):
            return []
        own = _numbers(heads)
        places = np.searchsorted(self._heads, own)
        places[places == len(self._heads)] = 0
        found: list[int] = np.flatnonzero(self._heads[places] == own).tolist()
        return found


def _numbers(heads: bytes) -> NDArray[np.uint32]:
    return np.frombuffer(heads, dtype=_HEAD)
