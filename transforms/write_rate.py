"""Batch write flow control: the server says by how much to slow down or to speed up."""

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["WriteRate"]

_FIRST_RATE = 10.0
_RATES = (0.1, 100_000.0)
_FACTORS = (0.7, 1.3)


@dataclass
class WriteRate:
    """Requests a second, as Bigtable's `RateLimitInfo` steers them; unlimited until it speaks.

    The first factor applies to 10 requests a second. A factor is taken once a period, and bounded
    to 0.7 to 1.3, as the field's documentation asks of clients. Not thread-safe.

    >>> rate = WriteRate(clock=lambda: 5.0, sleep=print)
    >>> rate.adjust(factor=0.5, period=10)
    >>> rate.requests_per_second
    7.0
    >>> rate.acquire(), round(rate.next_at, 3)
    (None, 5.143)
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    requests_per_second: float | None = None
    next_at: float = 0.0
    adjustable_at: float = 0.0

    def acquire(self) -> None:
        """Wait until the next request may be sent."""
        if self.requests_per_second is None:
            return
        now = self.clock()
        if self.next_at > now:
            self.sleep(self.next_at - now)
        self.next_at = max(now, self.next_at) + 1 / self.requests_per_second

    def adjust(self, factor: float, period: float) -> None:
        """Take the server's word; ignored until the last period is over."""
        now = self.clock()
        if now < self.adjustable_at:
            return
        lowest, highest = _FACTORS
        rate = (self.requests_per_second or _FIRST_RATE) * min(max(factor, lowest), highest)
        self.requests_per_second = min(max(rate, _RATES[0]), _RATES[1])
        self.adjustable_at = now + period
