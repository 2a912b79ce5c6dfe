"""What writers of rows in bulk share: rounds of requests until each row is written or refused.

A round sends all that is pending. What is transient is tried again, with exponential backoff and
jitter, until no row was settled for as long as the deadline; then whoever knows the service judges
what is left. A row is refused only **if the table takes others at this moment**; otherwise nothing
can be written, which is no row's fault: `NothingWrittenError`, and the engine repeats the bundle.
"""

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

__all__ = ["PARTS", "BulkWrite", "NothingWrittenError", "Patience", "Work"]

PARTS = 8
"""Into how many requests one is cut that is to blame."""
_PROBE_TRIES = 3

_Row = TypeVar("_Row")
_Told = TypeVar("_Told")


class NothingWrittenError(RuntimeError):
    """The table takes no writes at all; the text is one line that names the status."""


@dataclass(frozen=True)
class Patience:
    """How long to try, in seconds: without any progress, for one request, and between rounds."""

    deadline: float = 60.0
    attempt_timeout: float = 20.0
    first_wait: float = 0.1
    longest_wait: float = 8.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


@dataclass
class Work(Generic[_Row, _Told]):
    """One batch on its way: rows by their number in it.

    `size` is that of a request. `blamed`: rows that failed by themselves, not only as a part of a
    request that failed. `suspects`: rows that are not worth another try. `told` is why a row failed
    last, `refused` why it failed for good. `wait` and `split` are what the next round begins with.
    `judged`: the deadline has passed once.
    """

    rows: Sequence[_Row]
    end: float
    size: int
    pending: list[int]
    blamed: set[int] = field(default_factory=set)
    suspects: list[int] = field(default_factory=list)
    told: dict[int, _Told] = field(default_factory=dict)
    refused: dict[int, _Told] = field(default_factory=dict)
    tries: int = 0
    wait: bool = False
    split: bool = False
    judged: bool = False


class BulkWrite(ABC, Generic[_Row, _Told]):
    """Writes batches to one table."""

    def __init__(self, patience: Patience | None) -> None:
        self._patience = patience or Patience()
        self.retries = 0

    def write(self, rows: Sequence[_Row]) -> dict[int, _Told]:
        """Write a batch; return why, by position, for each refused row.

        Rows are written in no order, and a row may be written more than once.

        Raises:
            NothingWrittenError: neither the rows that are left nor a probe were accepted.
        """
        work = Work[_Row, _Told](rows, self._end(), len(rows), list(range(len(rows))))
        while work.pending:
            self._round(work)
            if work.pending and self._patience.clock() >= work.end:
                self._judge(work)
            elif work.pending and work.wait:
                self._rest(work)
        if work.suspects:
            self._refuse(work, work.suspects)
        return work.refused

    @abstractmethod
    def _request(self, work: Work[_Row, _Told], part: list[int]) -> None:
        """Send some rows once, and take what is said of them."""

    @abstractmethod
    def _smaller(self, work: Work[_Row, _Told]) -> int:
        """Return the size of the next requests, after some that are to be cut."""

    @abstractmethod
    def _judge(self, work: Work[_Row, _Told]) -> None:
        """Out of time: refuse what failed by itself; what only failed in company is tried alone."""

    @abstractmethod
    def _probe(self) -> bool:
        """Return whether the table answers at this moment, without changing anything."""

    @abstractmethod
    def _nothing(self, told: _Told) -> NothingWrittenError:
        """Return what is raised where nothing can be written."""

    def _end(self) -> float:
        return self._patience.clock() + self._patience.deadline

    def _timeout(self, work: Work[_Row, _Told]) -> float:
        left = max(0.05, work.end - self._patience.clock())
        return min(self._patience.attempt_timeout, left)

    def _round(self, work: Work[_Row, _Told]) -> None:
        """Send all that is pending once, in requests of at most `work.size` rows."""
        work.wait = work.split = False
        work.tries += 1
        pending, work.pending = work.pending, []
        for start in range(0, len(pending), work.size):
            part = pending[start : start + work.size]
            if self._patience.clock() >= work.end:
                work.pending += part
            else:
                self._request(work, part)
        self.retries += len(work.pending)
        if work.split:
            work.size = max(1, self._smaller(work))

    def _rest(self, work: Work[_Row, _Told]) -> None:
        """Wait before the next round."""
        patience = self._patience
        longest = min(patience.longest_wait, patience.first_wait * 2.0 ** min(work.tries - 1, 20))
        left = max(0.0, work.end - patience.clock())
        patience.sleep(min(left, longest * (0.5 + patience.jitter() / 2)))

    def _refuse(self, work: Work[_Row, _Told], rows: list[int]) -> None:
        """Refuse rows if the table takes others now; else it is no row's fault."""
        if not self._takes_rows():
            raise self._nothing(work.told[(rows or work.pending)[-1]])
        work.refused.update({row: work.told[row] for row in rows})

    def _takes_rows(self) -> bool:
        for attempt in range(_PROBE_TRIES):
            if attempt:
                self._patience.sleep(self._patience.first_wait)
            if self._probe():
                return True
        return False
