"""When to look at the watermark, and which looks count. Plain logic, in microseconds.

A DoFn learns of its watermark by event-time timers only. A watermark that jumps to the end of time,
because the source has ended or the job drains, fires them all and says nothing of what was left
unread. So a look that fires is a candidate; it counts once a pause has gone by in which the
sentinel, an event-time timer far beyond any clock, has not fired as well.
"""

from typing import NamedTuple

import msgspec

from schemas.times import DAY, SECOND
from transforms.watermark_clock import END_OF_TIME

__all__ = ["SENTINEL", "Confirmed", "Looks", "next_look"]

SENTINEL = (END_OF_TIME - DAY) // 1_000 * 1_000
"""Where no watermark gets but that of an input that has ended; timers count in milliseconds."""

_CATCH_UP = 2


class Confirmed(NamedTuple):
    """What a pause that is over calls for; None: nothing of the kind."""

    passed: int | None = None
    """The watermark has honestly been here."""
    look: int | None = None
    """When to look next, in event time."""
    again: int | None = None
    """When to ask again, by the engine's clock: it has called too early."""


class Looks(msgspec.Struct, array_like=True):
    """What is pending of one chain of looks; the DoFn sets the timers and saves the struct.

    At any time either a look is pending, or a candidate that waits for its pause to be over. After
    the sentinel nothing is pending any more, and nothing counts.

    >>> looks = Looks(every=60, pause=10)
    >>> looks.seen(100), looks.fired(60, now=105), looks.confirmed(now=115)
    (60, 115, Confirmed(passed=60, look=120, again=None))
    """

    every: int = 60 * SECOND
    pause: int = 10 * SECOND
    look: int | None = None
    candidate: int | None = None
    due: int = 0
    passed: int | None = None
    ended: bool = False
    ahead: int = 0
    """By how much the engine's clock was ahead of ours when it last called."""

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever noted."""
        return self == Looks(self.every, self.pause)

    def seen(self, time: int) -> int | None:
        """Note something at an event time; return the look to set (replacing the pending one)."""
        target = time - time % self.every
        if self.passed is not None:
            target = max(target, self.passed + self.every)
        if self.ended or self.candidate is not None:
            return None
        if self.look is not None and target >= self.look:
            return None
        self.look = target
        return target

    def fired(self, passed: int, now: int) -> int | None:
        """Note that the watermark is at `passed` or beyond; return when to confirm it.

        `now` and `due` are by our clock, what is returned by the engine's.
        """
        if self.ended or self.candidate is not None:
            return None
        self.look, self.candidate, self.due = None, passed, now + self.pause
        return self.due + self.ahead

    def confirmed(self, now: int) -> Confirmed:
        """Note that the pause is over; return what to do."""
        if self.candidate is None:
            return Confirmed()
        # The engine's clock is where it was asked to call, or further. A smaller value counts too:
        # the key may be with another worker by now, whose clock is right.
        self.ahead = max(0, self.due + self.ahead - now)
        if now < self.due - self.pause // 2:
            # Some engines call at once when their input has ended: the sentinel is on its way then.
            return Confirmed(again=self.due + self.ahead)
        passed, self.candidate = self.candidate, None
        self.passed = passed
        self.look = next_look(passed, now, self.every)
        return Confirmed(passed, self.look)

    def end(self) -> None:
        """Note that the sentinel has fired."""
        self.ended, self.look, self.candidate = True, None, None


def next_look(passed: int, now: int, every: int) -> int:
    """Return the next time to wait for the watermark at: a multiple of `every`.

    Far behind the clock it is half-way, so that a jump over months costs some dozen looks. Ahead of
    the clock, which may be slow, it is a step away.

    >>> next_look(60, now=100, every=60), next_look(0, now=6_000, every=60)
    (120, 3000)
    """
    step = max(every, (now - passed) // _CATCH_UP)
    return passed + step - (passed + step) % every
