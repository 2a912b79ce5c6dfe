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
from typing import NamedTuple, TypeAlias

from transforms.bulk_write import PARTS, BulkWrite, NothingWrittenError, Patience, Work

__all__ = ["PROBE", "BulkInsert", "Fault", "InsertFailedError", "RowError", "Send"]

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
_Inserts: TypeAlias = Work[bytes, str]


class BulkInsert(BulkWrite[bytes, str]):
    """Inserts batches into one table.

    Args:
        table: its name, for what is raised.
        send: sends one request.
        patience: how long to try.
    """

    def __init__(self, table: str, send: Send, patience: Patience | None = None) -> None:
        super().__init__(patience)
        self._table, self._send = table, send

    def _request(self, work: _Inserts, part: list[int]) -> None:
        try:
            errors = self._send([work.rows[row] for row in part], self._timeout(work))
        except InsertFailedError as failure:
            self._failed(work, part, failure)
            return
        for position, error in errors.items():
            self._answered(work, part[position], error)
        if len(errors) < len(part) or any(error.final for error in errors.values()):
            work.end = self._end()

    def _answered(self, work: _Inserts, row: int, error: RowError) -> None:
        """Take what an answer says of one row."""
        work.told[row] = error.told
        if error.final:
            work.refused[row] = error.told
            return
        work.blamed.add(row)
        work.wait = True
        work.pending.append(row)

    def _failed(self, work: _Inserts, part: list[int], error: InsertFailedError) -> None:
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

    def _smaller(self, work: _Inserts) -> int:
        return -(-min(work.size, len(work.pending)) // PARTS)

    def _judge(self, work: _Inserts) -> None:
        left = [row for row in work.pending if row not in work.blamed]
        if work.judged and left:
            raise self._nothing(work.told[left[-1]])
        self._refuse(work, [row for row in work.pending if row in work.blamed])
        work.pending, work.judged = left, True
        work.size, work.end = 1, self._end()

    def _probe(self) -> bool:
        try:
            self._send([PROBE], self._patience.attempt_timeout)
        except InsertFailedError:
            return False
        return True

    def _nothing(self, told: str) -> NothingWrittenError:
        msg = f"nothing can be written to {self._table}, {told}: the bundle will be tried again"
        return NothingWrittenError(msg)
