"""Inserts encoded rows in bulk until each is written or refused, or nothing can be written.

A request that BigQuery answers tells which of its rows it refused, and why; the others are written.
Rows carry insert ids, so what may have been written already can be sent again: BigQuery drops most
repetitions of the last minute, and the views count a row once however often it is there.

- A row with a permanent error (`invalid`) is refused at once; `stopped` says that none was tried.
- What is transient (429, 500, 502, 503, no answer in time) is tried again, with exponential backoff
  and jitter, until no row was settled for as long as the deadline.
- A request that is refused whole (400, 413), or breaks the server (500), is sent again in smaller
  ones, so that the row which is to blame is found and the others are written.
- What is left then is tried alone, and refused **if the table takes rows at this moment** (a probe,
  which is a row that no table takes, is answered); otherwise nothing can be written, which is no
  row's fault: `NothingWrittenError`, and the engine repeats the bundle. A quota is no row's fault.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from transforms.mutate_rows import NothingWrittenError, Patience

__all__ = ["PROBE", "BulkInsert", "Fault", "InsertFailedError", "RowError", "Send"]

_PARTS = 8
_PROBE_TRIES = 3
PROBE = b'{"insertId":"penstock-probe","json":{"penstock_probe":true}}'
"""A row with a column that no table has: it is answered, and never written."""


class Fault(enum.Enum):
    """What a request that failed as a whole failed of."""

    ROW = "row"
    """Perhaps of one of its rows, and then for good."""
    SERVER = "server"
    """Perhaps of one of its rows; it may pass, too."""
    DOWN = "down"
    """As a rule of no row; it will pass."""
    QUOTA = "quota"
    """Of no row; it will pass."""


_SPLITS = (Fault.ROW, Fault.SERVER)


class InsertFailedError(RuntimeError):
    """A request failed as a whole; the text names the status, never a value."""

    def __init__(self, fault: Fault, told: str) -> None:
        super().__init__(told)
        self.fault = fault


class RowError(NamedTuple):
    """What an answer says of one row: whether it is for good, and why, without a value of it."""

    final: bool
    told: str


Send = Callable[[Sequence[bytes], float], Mapping[int, RowError]]
"""Sends entries with a timeout in seconds; returns the errors by position, and all others are
written. Raises `InsertFailedError`, and `NothingWrittenError` where the table is to blame."""


@dataclass
class _Work:
    """One batch on its way: rows by their number in it.

    `blamed`: failed by themselves, not only as a part of a request that failed. `suspects`: those
    of them that are not worth another try.
    """

    rows: Sequence[bytes]
    end: float
    size: int
    pending: list[int]
    blamed: set[int] = field(default_factory=set)
    suspects: list[int] = field(default_factory=list)
    told: dict[int, str] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    tries: int = 0
    wait: bool = False
    split: bool = False
    judged: bool = False


class BulkInsert:
    """Inserts batches into one table.

    Args:
        table: its name, for what is raised.
        send: sends one request.
        patience: how long to try.
    """

    def __init__(self, table: str, send: Send, patience: Patience | None = None) -> None:
        self._table, self._send = table, send
        self._patience = patience or Patience()
        self.retries = 0

    def write(self, rows: Sequence[bytes]) -> dict[int, str]:
        """Insert a batch; return why, by position, for each refused row.

        Raises:
            NothingWrittenError: neither the rows that are left nor a probe were answered.
        """
        work = _Work(rows, self._end(), len(rows), list(range(len(rows))))
        while work.pending:
            self._round(work)
            if work.pending and self._patience.clock() >= work.end:
                self._judge(work)
            elif work.pending and work.wait:
                self._rest(work)
        if work.suspects:
            self._refuse(work, work.suspects)
        return work.refused

    def _end(self) -> float:
        return self._patience.clock() + self._patience.deadline

    def _round(self, work: _Work) -> None:
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
            work.size = max(1, -(-min(work.size, len(work.pending)) // _PARTS))

    def _request(self, work: _Work, part: list[int]) -> None:
        left = max(0.05, work.end - self._patience.clock())
        try:
            timeout = min(self._patience.attempt_timeout, left)
            errors = self._send([work.rows[row] for row in part], timeout)
        except InsertFailedError as failure:
            self._failed(work, part, failure)
            return
        for position, error in errors.items():
            self._answered(work, part[position], error)
        if len(errors) < len(part) or any(error.final for error in errors.values()):
            work.end = self._end()

    def _answered(self, work: _Work, row: int, error: RowError) -> None:
        """Take what an answer says of one row."""
        work.told[row] = error.told
        if error.final:
            work.refused[row] = error.told
            return
        work.blamed.add(row)
        work.wait = True
        work.pending.append(row)

    def _failed(self, work: _Work, part: list[int], error: InsertFailedError) -> None:
        """Take the failure of a request for all of its rows."""
        work.told.update(dict.fromkeys(part, str(error)))
        alone = len(part) == 1
        if alone and error.fault is Fault.ROW:
            work.suspects += part
            return
        if alone and error.fault is not Fault.QUOTA:
            work.blamed.update(part)
        work.pending += part
        work.wait = work.wait or error.fault is not Fault.ROW
        work.split = work.split or error.fault in _SPLITS

    def _rest(self, work: _Work) -> None:
        """Wait before the next round."""
        patience = self._patience
        longest = min(patience.longest_wait, patience.first_wait * 2.0 ** min(work.tries - 1, 20))
        left = max(0.0, work.end - patience.clock())
        patience.sleep(min(left, longest * (0.5 + patience.jitter() / 2)))

    def _judge(self, work: _Work) -> None:
        """Out of time: refuse what failed by itself; what only failed in company is tried alone."""
        left = [row for row in work.pending if row not in work.blamed]
        if work.judged and left:
            raise self._nothing(work.told[left[-1]])
        self._refuse(work, [row for row in work.pending if row in work.blamed])
        work.pending, work.judged = left, True
        work.size, work.end = 1, self._end()

    def _refuse(self, work: _Work, rows: list[int]) -> None:
        """Refuse rows if the table takes others now; else it is no row's fault."""
        if not self._takes_rows():
            raise self._nothing(work.told[(rows or work.pending)[-1]])
        work.refused.update({row: work.told[row] for row in rows})

    def _takes_rows(self) -> bool:
        for attempt in range(_PROBE_TRIES):
            if attempt:
                self._patience.sleep(self._patience.first_wait)
            try:
                self._send([PROBE], self._patience.attempt_timeout)
            except InsertFailedError:
                continue
            return True
        return False

    def _nothing(self, told: str) -> NothingWrittenError:
        msg = f"nothing can be written to {self._table}, {told}: the bundle will be tried again"
        return NothingWrittenError(msg)
