"""One turn of one reader: the splittable DoFn, its restriction, and nothing that has to be clever.

The restriction is the token of the turn to come; see `transforms.pubsub_turns`. It is never split,
so the number of readers stays what it was asked to be, and it is cut off when a job drains.
"""

import time
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam.io.iobase import RestrictionTracker
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Duration, Timestamp

from transforms.counters import counter
from transforms.pubsub_messages import pack_messages, row_times
from transforms.pubsub_session import Session, SessionKey, acquire, release
from transforms.pubsub_turns import FIRST, Turn

__all__ = ["OVER", "PullPacks", "TurnProvider", "TurnTracker"]

OVER = "over"
"""The restriction of which nothing is left."""

_RECEIVED = counter("pubsub.received")
_SHORT_TURN = 1.0
_IDLE_WAIT = 0.5
_NEXT_WAIT = 0.02


class TurnTracker(RestrictionTracker):
    """Tracks the one claim of a turn: the token of the turn that follows, or `OVER`."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._following = token
        self._cut = False

    def current_restriction(self) -> str:
        """Return the token of this turn."""
        return self._token

    def try_claim(self, position: str) -> bool:
        """Claim the turn; False once the engine has taken what follows."""
        if self._cut:
            return False
        self._following = position
        return True

    def try_split(self, fraction_of_remainder: float) -> tuple[str, str] | None:
        """Give away what follows at a checkpoint (fraction 0); a reader is never made two."""
        if fraction_of_remainder != 0 or self._cut or self._following == OVER:
            return None
        self._cut = True
        return OVER, self._following

    def check_done(self) -> None:
        """Raise where a turn neither ended the reading nor handed it on."""
        if not self._cut and self._following != OVER:
            message = "a turn ended without handing its reader on"
            raise ValueError(message)

    def current_progress(self) -> None:
        """Return None, which is "unknown": of reading without end nothing is ever done.

        A number would be multiplied by the mean size of what is handed on, and in a bundle from
        which Beam has taken no sample yet that is NaN, which fails the job when Prism splits it.
        """

    def is_bounded(self) -> bool:
        """Return False: a stream has no end of its own."""
        return False


class TurnProvider(RestrictionProvider):
    """Begins every reader with its first turn."""

    def initial_restriction(self, element: str) -> str:
        """Return the token of the first turn."""
        return FIRST

    def create_tracker(self, restriction: str) -> TurnTracker:
        """Track one turn."""
        return TurnTracker(restriction)

    def restriction_size(self, element: str, restriction: str) -> float:
        """All readers weigh the same."""
        return 1.0

    def truncate(self, element: str, restriction: str) -> None:
        """Drain: read nothing more. What was not acknowledged stays in the subscription."""
        return


_RESTRICTION = beam.DoFn.RestrictionParam(TurnProvider())
_ESTIMATOR = beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider())


class PullPacks(beam.DoFn):
    """Readers -> RawPacks with the least of their rows' times; see `ReadMessages`."""

    def __init__(
        self,
        key: SessionKey,
        timestamp_attribute: str | None,
        stop_after_idle: float | None,
        turn_seconds: float = _SHORT_TURN,
    ) -> None:
        self._key = key
        self._turn_seconds = turn_seconds
        self._attribute = timestamp_attribute
        self._stop_after_idle = stop_after_idle
        self._session: Session | None = None

    def setup(self) -> None:
        """Join the process's session."""
        self._session = acquire(self._key)

    def teardown(self) -> None:
        """Leave it; the last one closes it."""
        if self._session is not None:
            self._session = None
            release(self._key)

    # Beam takes the finalizer by position: it must stand before the restriction.
    @beam.DoFn.unbounded_per_element()
    def process(
        self,
        element: str,
        finalizer: Any = beam.DoFn.BundleFinalizerParam,
        tracker: Any = _RESTRICTION,
        estimator: Any = _ESTIMATOR,
    ) -> Iterator[Any]:
        """Run one turn: read, hand on, report the watermark."""
        session, reader = self._running(), element
        token, following = tracker.current_restriction(), uuid.uuid4().hex
        if not tracker.try_claim(following):
            return
        turn = session.begin(reader, token, following)
        finalizer.register(partial(session.finalized, reader, turn))
        try:
            # The first turn only makes the reader known, so that no other follows the clock.
            if token != FIRST:
                yield from self._read(session, reader, turn, tracker)
            _advance(estimator, session.lease.watermark())
            self._hand_on(session, reader, tracker)
        finally:
            session.lease.rest(reader)

    def _running(self) -> Session:
        if self._session is None:
            message = "process before setup"
            raise RuntimeError(message)
        return self._session

    def _read(
        self, session: Session, reader: str, turn: Turn, tracker: Any
    ) -> Iterator[TimestampedValue]:
        end, wait = time.monotonic() + self._turn_seconds, _IDLE_WAIT
        while (left := end - time.monotonic()) > 0 and tracker.try_claim(turn.following):
            messages = session.puller(reader).take(min(wait, left))
            if not messages and not self._gathers(session, turn):
                return
            packs = list(pack_messages(messages))
            oldest = [min(row_times(pack, self._attribute)) for pack in packs]
            if messages and not session.hold(reader, turn, messages, min(oldest)):
                return
            _RECEIVED.inc(len(messages))
            for pack, earliest in zip(packs, oldest, strict=True):
                yield TimestampedValue(pack, Timestamp(micros=earliest))
            wait = _NEXT_WAIT if messages else _IDLE_WAIT

    def _gathers(self, session: Session, turn: Turn) -> bool:
        # A short turn ends with the first silence; a long one was asked for to fill a bundle, but
        # where there is no room, nothing comes before the bundle's end.
        longs = self._turn_seconds > _SHORT_TURN and bool(turn.batches)
        return longs and not session.lease.full

    def _hand_on(self, session: Session, reader: str, tracker: Any) -> None:
        if self._stop_after_idle is not None and session.ended(reader, self._stop_after_idle):
            tracker.try_claim(OVER)
        else:
            # Different pauses keep Prism from putting the readers into one bundle for ever.
            tracker.defer_remainder(Duration(micros=1_000 + 20_000 * int(reader)))


def _advance(estimator: Any, watermark: int | None) -> None:
    if watermark is not None:
        known = estimator.current_watermark()
        reached = Timestamp(micros=watermark)
        if known is None or reached > known:
            estimator.set_watermark(reached)
