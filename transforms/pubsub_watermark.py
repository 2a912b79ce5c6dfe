"""What Pub/Sub readers can say of the watermark. Plain logic of one process, in microseconds.

Pub/Sub does not say how old its oldest undelivered message is. What is known is what came lately,
what is not acknowledged yet, and that a server asked in vain had nothing.
"""

from collections import deque
from collections.abc import Callable

from schemas.events import MIN_MICROS

__all__ = ["SourceWatermark"]


class SourceWatermark:
    """The watermark of all readers of one subscription in one process; it never goes back.

    It follows the oldest of: messages not acknowledged (they may be delivered again), messages that
    came within the last `slack` (a backlog comes in no order), and the time now; less `slack`. With
    nothing of the first two it follows the clock, but only while *every* reader has asked in vain
    since it last had a message or an error: an empty answer to one reader says nothing while
    another waits for a backlog, and a broken connection is no empty answer.

    It is shared by the process's readers because Prism takes the report of whichever bundle ended
    last for the whole stage, not the least of all readers.

    For `grace` from its beginning on it is unknown: messages that a dead job had leased are hidden
    until their deadline, and are older than the time now. It stands for as long after every error,
    since an answer that was lost on the way has leased its messages too.

    >>> now = 100
    >>> watermark = SourceWatermark(slack=10, clock=lambda: now)
    >>> watermark.came("a", oldest=70), watermark.current(outstanding=70)
    (None, 60)
    >>> now = 120; watermark.asked_in_vain("a"); watermark.current(outstanding=None)
    110
    """

    def __init__(self, slack: int, clock: Callable[[], int], grace: int = 0) -> None:
        self._slack = slack
        self._clock = clock
        self._grace = grace
        self._silent_until = clock() + grace
        self._at = MIN_MICROS
        self._recent: deque[tuple[int, int]] = deque()
        self._quiet: dict[str, bool] = {}

    @property
    def quiet(self) -> bool:
        """Whether every reader has asked in vain since it last had a message or an error."""
        return bool(self._quiet) and all(self._quiet.values())

    def joined(self, reader: str) -> None:
        """Wait for this reader's first answer before following the clock."""
        self._quiet.setdefault(reader, False)

    def left(self, reader: str) -> None:
        """Wait for this reader no longer: it has ended, or asks for nothing."""
        self._quiet.pop(reader, None)

    def came(self, reader: str, oldest: int) -> None:
        """Note messages, the oldest of this time."""
        self._quiet[reader] = False
        self._recent.append((self._clock(), oldest))

    def asked_in_vain(self, reader: str) -> None:
        """Note that the server had nothing for this reader."""
        self._quiet[reader] = True

    def failed(self, reader: str) -> None:
        """Note that the server could not be asked."""
        self._quiet[reader] = False
        self._silent_until = self._clock() + self._grace

    def restored(self, oldest: int) -> None:
        """Note that the engine went back to an earlier state, and messages will come again."""
        self._at = MIN_MICROS
        self._recent.append((self._clock(), oldest))

    def current(self, outstanding: int | None) -> int | None:
        """Return the watermark, given the oldest unacknowledged time; None while unknown."""
        now = self._clock()
        low = self._low(now, outstanding)
        if low is not None and now >= self._silent_until:
            self._at = max(self._at, low - self._slack)
        return None if self._at == MIN_MICROS else self._at

    def _low(self, now: int, outstanding: int | None) -> int | None:
        while self._recent and self._recent[0][0] < now - self._slack:
            self._recent.popleft()
        known = [oldest for _, oldest in self._recent]
        known += [] if outstanding is None else [outstanding]
        if not known and not self.quiet:
            return None
        return min(known, default=now) if not known else min(now, *known)
