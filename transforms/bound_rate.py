"""Bounds how many elements a second go on, over all workers."""

import math
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection

from schemas.cells import RowChange

__all__ = ["BoundRate", "Pace"]

_LARGEST_SHARE = 10_000.0
_CATCH_UP = 0.01


class Pace:
    """Lets elements pass at a rate: within any second at most a hundredth more, and one.

    >>> pace = Pace(2.0, clock=lambda: 5.0, sleep=lambda seconds: print(round(seconds, 2)))
    >>> pace.wait(), pace.wait()
    0.49
    (None, None)
    """

    def __init__(
        self, rate: float, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._step = 1 / rate
        self._clock, self._sleep = clock, sleep
        self._next = -math.inf

    def wait(self) -> None:
        """Wait until the next element may pass."""
        now = self._clock()
        if self._next > now:
            self._sleep(self._next - now)
            now = self._clock()
        # A sleep that took a little too long is made up for, or the rate would be far below what
        # was asked; one that took much too long is not, or what it held up would pass at once.
        self._next = max(self._next, now - _CATCH_UP) + self._step


@dataclass
class BoundRate(beam.PTransform[PCollection[RowChange], PCollection[RowChange]]):
    """PCollection[RowChange] -> the same, at most `rate` a second over all workers.

    The changes are grouped by a few fixed keys, a digest of the row, and each key lets them pass at
    its share of the rate. One key is one thread's work at a time, whatever the number of workers,
    so the sum holds; keys that wait for a free thread leave their share unused. There are as many
    keys as shares of 10,000 a second are needed, which is about what one writer takes. Bounded
    input in the global window, held by the grouping; order is not kept, and nothing needs it.

    Args:
        rate: elements a second, above 0.
        clock: seconds, of any origin.
        sleep: waits as many seconds.
    """

    rate: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        super().__init__()
        if not self.rate > 0:
            msg = f"rate={self.rate}: give a number a second above 0"
            raise ValueError(msg)

    @property
    def keys(self) -> int:
        """Over how many keys the rate is shared."""
        return math.ceil(self.rate / _LARGEST_SHARE)

    def expand(self, changes: PCollection[RowChange]) -> PCollection[RowChange]:
        """Share out and pace."""
        keyed = beam.Map(_keyed, keys=self.keys).with_output_types(tuple[int, RowChange])
        paced: Any = (
            changes
            | "ShareOut" >> keyed
            | "GroupByShare" >> beam.GroupByKey()
            | "Pace" >> beam.ParDo(_Paced(self)).with_output_types(RowChange)
        )
        return paced


class _Paced(beam.DoFn):
    """A key comes as one group, so its pace need not outlive it."""

    def __init__(self, given: BoundRate) -> None:
        self._share = given.rate / given.keys
        self._clock, self._sleep = given.clock, given.sleep

    def process(self, element: tuple[int, Iterable[RowChange]]) -> Iterator[RowChange]:
        pace = Pace(self._share, self._clock, self._sleep)
        for change in element[1]:
            pace.wait()
            yield change


def _keyed(change: RowChange, keys: int) -> tuple[int, RowChange]:
    return zlib.crc32(change.row_key) % keys, change
