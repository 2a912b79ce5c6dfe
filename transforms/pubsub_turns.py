"""When a message may be acknowledged: one finalizer generation late. Plain logic of one reader.

A reader works in turns, one call of `process` each. Its turns form a chain: the token of the next
turn is the splittable DoFn's restriction, so the engine saves it together with the turn's output.

An engine calls a bundle's finalizer when it has committed the bundle, but Flink calls the
finalizers of *all* outstanding bundles when a checkpoint completes, also of those that ended behind
the checkpoint's barrier and are not in it. So a message is acknowledged by the finalizer of a turn
that *began after* the finalizer of the message's own turn had run: the checkpoint that completes
then was begun after the message's turn had ended. This needs one concurrent checkpoint at a time
(Flink's default), so that a checkpoint begins after the one before it was announced.

A process can survive a restore. Then the engine comes with a token that is not the one expected;
whatever was not acknowledged is dropped, never acknowledged: Pub/Sub delivers it again.
"""

from dataclasses import dataclass, field

__all__ = ["FIRST", "Batch", "Turn", "Turns"]

FIRST = "first"
"""The token of a reader's first turn."""


@dataclass(eq=False)
class Batch:
    """The messages of one answer, held until acknowledged.

    `oldest` is the least of their times in microseconds, `size` their payload bytes, and `deadline`
    the second at which Pub/Sub would deliver them again.
    """

    ack_ids: list[str]
    oldest: int
    size: int
    deadline: float = 0.0


@dataclass(eq=False)
class Turn:
    """One turn: the token that follows it, what it read, and how many finalizers came before."""

    following: str
    after: int
    batches: list[Batch] = field(default_factory=list)


@dataclass(eq=False)
class _Ripe:
    batches: list[Batch]
    since: int
    left: int


class Turns:
    """The turns of one reader that still hold messages.

    `generations` is 1 but in tests; 0 acknowledges in a bundle's own finalizer, which loses
    messages on Flink.

    >>> turns, batch = Turns(), Batch(["ack"], oldest=0, size=1)
    >>> first, _ = turns.begin(FIRST, "second")
    >>> first.batches.append(batch)
    >>> turns.finalized(first)
    []
    >>> second, _ = turns.begin("second", "third")
    >>> turns.finalized(second) == [batch]
    True
    """

    def __init__(self, generations: int = 1) -> None:
        self._generations = generations
        self._expected: str | None = None
        self._unfinalized: list[Turn] = []
        self._ripe: list[_Ripe] = []
        self._count = 0

    def begin(self, token: str, following: str) -> tuple[Turn, list[Batch]]:
        """Begin the turn of this token; return it with the batches that a restore made void."""
        void = self.drop() if self._expected not in (None, token) else []
        turn = Turn(following, self._count)
        self._expected = following
        self._unfinalized.append(turn)
        return turn, void

    def holds(self, turn: Turn) -> bool:
        """Say whether the turn still counts: not finalized, and not made void by a restore."""
        return turn in self._unfinalized

    def finalized(self, turn: Turn) -> list[Batch]:
        """Note that the engine finalized a turn; return what may be acknowledged now."""
        if not self.holds(turn):
            return []
        self._unfinalized.remove(turn)
        self._count += 1
        self._ripe.append(_Ripe(turn.batches, turn.after, self._generations + 1))
        return [batch for ripe in self._ripen(turn.after) for batch in ripe.batches]

    def drop(self) -> list[Batch]:
        """Give up all that is not acknowledged; return it. Later finalizers of it do nothing."""
        batches = [batch for turn in self._unfinalized for batch in turn.batches]
        batches += [batch for ripe in self._ripe for batch in ripe.batches]
        self._unfinalized, self._ripe = [], []
        return batches

    def _ripen(self, after: int) -> list[_Ripe]:
        for ripe in self._ripe:
            if ripe.since <= after:
                ripe.left, ripe.since = ripe.left - 1, self._count
        freed = [ripe for ripe in self._ripe if ripe.left == 0]
        self._ripe = [ripe for ripe in self._ripe if ripe.left > 0]
        return freed
