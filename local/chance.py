"""Random choices that come out the same on every machine and Python version.

Only `random()` and `getrandbits()` are promised to be stable between Python versions, and only
additions and divisions between processors, so nothing here uses more than those.
"""

import bisect
import random
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["Chance", "Zipf"]

_T = TypeVar("_T")


class Chance:
    """A seeded stream of choices.

    >>> Chance(1).hex(8) == Chance(1).hex(8)
    True
    """

    def __init__(self, seed: int) -> None:
        source = random.Random(seed)
        self.random = source.random
        self._bits = source.getrandbits

    def below(self, limit: int) -> int:
        """Return an integer from 0 to `limit` - 1."""
        return int(self.random() * limit)

    def between(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        return low + int(self.random() * (high - low + 1))

    def of(self, choices: Sequence[_T]) -> _T:
        """Return one of the choices."""
        return choices[int(self.random() * len(choices))]

    def hex(self, digits: int) -> str:
        """Return that many hexadecimal digits."""
        return f"{self._bits(4 * digits):0{digits}x}"

    def fork(self) -> "Chance":
        """Return a stream of its own, so that one part's draws do not shift another's."""
        return Chance(self._bits(64))


class Zipf:
    """Ranks 0 to n - 1, rank r drawn in proportion to 1 / (r + 1).

    >>> Zipf(1).draw(Chance(0))
    0
    """

    def __init__(self, ranks: int) -> None:
        total = 0.0
        self._sums = [total := total + 1 / (rank + 1) for rank in range(ranks)]

    def draw(self, chance: Chance) -> int:
        """Return one rank."""
        return bisect.bisect_right(self._sums, chance.random() * self._sums[-1])
