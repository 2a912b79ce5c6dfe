"""A worker process in the model of an engine: its DoFns, its memory and its clock."""

from collections.abc import Callable

from chaos.calls import Live
from chaos.graph import Step

__all__ = ["Clock", "Worker"]

_SECOND = 1_000_000


class Clock:
    """The simulation's time in microseconds; it moves when it is told to."""

    def __init__(self, now: int) -> None:
        self.now = now

    def seconds(self) -> float:
        """Return the time in seconds since the epoch."""
        return self.now / _SECOND

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * _SECOND)


class Worker:
    """Makes the DoFns that it needs; `die` takes all that it has in memory.

    Args:
        clock: of the simulation.
        warm: DoFns without memory of their own by contract, whose making is dear: they are given
            on from seed to seed. Each bundle begins them anew.
    """

    def __init__(self, clock: Clock, warm: dict[int, Live]) -> None:
        self._clock, self._warm = clock, warm
        self._live: dict[int, Live] = {}
        self.skew = 0.0

    def live(self, step: Step) -> Live:
        """Return the DoFn of a step at work here."""
        kept = self._warm if step.is_warm else self._live
        if step.number not in kept:
            assert step.made is not None
            assert step.asked is not None
            kept[step.number] = Live(step.made(), step.asked, step.args, self._tells())
        return kept[step.number]

    def die(self) -> None:
        """Lose all that is in memory."""
        self._live.clear()

    def _tells(self) -> Callable[[], float]:
        return lambda: self._clock.seconds() + self.skew
