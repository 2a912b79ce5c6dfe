"""What ails the outside for a while: each store asks before it answers."""

import random
from collections import Counter

from chaos.kinds import Kind
from chaos.worker import Clock

__all__ = ["Troubles"]

_SECOND = 1_000_000


class Troubles:
    """The faults of connections, quotas and disks that go on at the moment.

    Args:
        clock: of the simulation.
        random: what is drawn is drawn from it.
    """

    def __init__(self, clock: Clock, random: random.Random) -> None:
        self.clock, self.random = clock, random
        self.struck: Counter[str] = Counter()
        self._left: Counter[Kind] = Counter()
        self._cut_until = 0

    def begin(self, kind: Kind, amount: int) -> None:
        """Let the next requests fail, or where connections are cut all for some seconds."""
        if kind is Kind.CONNECTIONS_CUT:
            self._cut_until = self.clock.now + amount * 10 * _SECOND
        else:
            self._left[kind] += amount

    def strikes(self, kind: Kind) -> bool:
        """Return whether this request, or this write of a file, is struck."""
        if self._left[kind] <= 0:
            return False
        self._left[kind] -= 1
        self.struck[kind.value] += 1
        return True

    def is_cut(self) -> bool:
        """Return whether there is no connection now."""
        if self.clock.now >= self._cut_until:
            return False
        self.struck[Kind.CONNECTIONS_CUT.value] += 1
        return True

    def end(self) -> None:
        """Mend everything."""
        self._left.clear()
        self._cut_until = 0
