"""What a stateful step can know of the watermark.

A DoFn cannot read its input watermark; it only learns that an event-time timer has fired. The clock
turns one looping timer a shard into two bounds: the watermark is at least `lower` (the last tick
that fired) and was below `bound` (a tick that had not fired when a later bundle began).
"""

import msgspec

from schemas.events import MAX_MICROS, MIN_MICROS
from schemas.times import MILLISECOND

__all__ = ["END_OF_TIME", "WatermarkClock"]

END_OF_TIME = 9223371950454774999
"""The last microsecond of Beam's global window: no timer may be set at or past it."""

_GROWTH = 4
_WIDEST = 16
_PATIENCE = 1_024


class WatermarkClock(msgspec.Struct, array_like=True):
    """Plain logic of one looping event-time timer; the DoFn carries it out and saves the struct.

    Ticks are `tick` microseconds apart while the shard is active. Once it is idle they grow to a
    quarter of the distance since the last element, but not above 16 ticks for the first 1,024 of
    the pause; only after that they grow without bound, by a quarter of what goes beyond, so that a
    watermark that jumps to the end of time costs some hundred timers and not millions.

    So `lower` is at most a tick behind the watermark while elements arrive. When they come again
    after a pause it is behind by at most the greatest of a tick, the lesser of 16 ticks and a fifth
    of the pause, and a fifth of what the pause has above 1,024 ticks: nothing but a timer tells of
    the watermark, and there was none in between. The first element sets the timer back to a tick
    after `lower`, so the clock has caught up, to a fifth of that again, when the next bundle comes.
    After a `rest` it is behind by the whole time since.

    `bound` holds for the bundle it was found in. It is `MAX_MICROS` where nothing is known: in the
    bundle that a shard begins in, and after a tick that fired in the same bundle, because the
    watermark may have passed the next ticks as well.

    >>> clock = WatermarkClock(tick=10)
    >>> clock.seen(1_000, bundle=1), clock.fired(1_000), clock.lower
    (1000, 1010, 1000)
    >>> clock.seen(1_003, bundle=2), clock.bound
    (None, 1010)
    """

    tick: int
    lower: int = MIN_MICROS
    bound: int = MAX_MICROS
    pending: int = MAX_MICROS
    since: int = MIN_MICROS
    armed_in: int = 0
    seen_in: int = 0

    def seen(self, event_time: int, bundle: int) -> int | None:
        """Note an element; return the timer to set (replacing the pending one), or None.

        `bundle` is a number that no two bundles share, above 0. The first tick is set at the first
        event time, and set back by an earlier one.
        """
        if self.seen_in != bundle:
            self.seen_in = bundle
            self.bound = MAX_MICROS if self.armed_in == bundle else self.pending
        known = self.lower > MIN_MICROS
        target = self.lower + self.tick if known else event_time
        self.since = self.lower if known else min(event_time, self.pending)
        return self._arm(target, bundle) if target < self.pending else None

    def fired(self, tick: int, bundle: int = 0) -> int | None:
        """Note that the timer set at `tick` fired; return the next one, or None at the end.

        Engines cut timers to milliseconds. One that fires earlier than that tells nothing of the
        watermark, and is set again: Beam's FnApiRunner hands the timers of one step to another that
        is fused with it, and a clock that took over a time before all events would never catch up.
        """
        if tick + MILLISECOND <= self.pending < MAX_MICROS:
            return self._arm(self.pending, bundle)
        self.lower = max(self.lower, tick)
        self.pending = self.bound = MAX_MICROS
        idle, widest = self.lower - self.since, _WIDEST * self.tick
        step = max(self.tick, min(idle // _GROWTH, widest), (idle - self._patience) // _GROWTH)
        return self._arm(self.lower + step, bundle)

    def is_idle(self) -> bool:
        """Return whether ticks have begun to grow without bound: little is lost by a rest then."""
        return self.lower - self.since >= self._patience

    def rest(self) -> None:
        """Forget the timer, which was not set or has fired; the next element sets it again."""
        self.pending = self.bound = MAX_MICROS

    @property
    def _patience(self) -> int:
        return _PATIENCE * self.tick

    def _arm(self, target: int, bundle: int) -> int | None:
        if target >= END_OF_TIME:
            return None
        self.pending, self.armed_in = target, bundle
        return target
