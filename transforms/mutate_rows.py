"""Writes encoded rows in bulk until each is written or refused, or nothing can be written.

Per request Bigtable answers with one status a row; the stream of answers may end early, and then
the rows without an answer are unknown. Every row is idempotent, so what is unknown is sent again.

- A status that blames the row (`INVALID_ARGUMENT`, ...) refuses it at once.
- A transient status is tried again, with exponential backoff and jitter, until no row was settled
  for as long as the deadline.
- A request that fails as a whole is tried again in smaller ones, so that one row which breaks every
  request it is in is found, and the others are written.
- What is left then is refused **if the table takes a write at this moment** (a probe that changes
  nothing, on a row that was written before); otherwise nothing can be written, which is no row's
  fault: `NothingWrittenError` is raised and the engine repeats the bundle.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from grpc import RpcError, StatusCode

from transforms.mutation_batch import EncodedRow, encode_probe

__all__ = ["BulkMutation", "NothingWrittenError", "Patience", "Send"]

Send = Callable[[Iterable[bytes], float], Iterator[tuple[int, int]]]
"""Sends entries with a timeout in seconds; yields (position, status) as the answers come, and
raises `grpc.RpcError` where the request or its stream fails."""

_CODES = {code.value[0]: code for code in StatusCode}
_ROWS_FAULT = {StatusCode.INVALID_ARGUMENT, StatusCode.OUT_OF_RANGE, StatusCode.ALREADY_EXISTS}
_TRANSIENT = {
    StatusCode.UNAVAILABLE,
    StatusCode.DEADLINE_EXCEEDED,
    StatusCode.RESOURCE_EXHAUSTED,
    StatusCode.ABORTED,
    StatusCode.CANCELLED,
}
# A cut connection often shows as one of these; so does a row that a server cannot digest.
_UNCERTAIN = {StatusCode.INTERNAL, StatusCode.UNKNOWN, StatusCode.DATA_LOSS}
_TABLES_FAULT = {
    StatusCode.NOT_FOUND,
    StatusCode.PERMISSION_DENIED,
    StatusCode.UNAUTHENTICATED,
    StatusCode.UNIMPLEMENTED,
}
_UNCERTAIN_TRIES = 4
_PROBE_TRIES = 3
_PARTS = 8


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
class _Work:
    """One batch on its way: rows by their number in it.

    `proven`: rows that failed by themselves, not only as a part of a request that failed.
    """

    rows: Sequence[EncodedRow]
    end: float
    size: int
    pending: list[int]
    proven: set[int] = field(default_factory=set)
    codes: dict[int, StatusCode] = field(default_factory=dict)
    tries: int = 0
    wait: bool = False
    failed: bool = False
    suspects: list[int] = field(default_factory=list)
    refused: dict[int, StatusCode] = field(default_factory=dict)


class BulkMutation:
    """Writes batches to one table; remembers one row that was written, to probe with."""

    def __init__(self, send: Send, patience: Patience | None = None) -> None:
        self._send = send
        self._patience = patience or Patience()
        self._witness: bytes | None = None
        self.retries = 0

    def write(self, rows: Sequence[EncodedRow]) -> dict[int, StatusCode]:
        """Write a batch; return the status of each refused row by its position.

        Rows are written in no order, and a row may be written more than once.

        Raises:
            NothingWrittenError: neither the rows that are left nor a probe were accepted.
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
        work.wait = work.failed = False
        work.tries += 1
        pending, work.pending = work.pending, []
        for start in range(0, len(pending), work.size):
            part = pending[start : start + work.size]
            if self._patience.clock() >= work.end:
                work.pending += part
            else:
                self._request(work, part)
        self.retries += len(work.pending)
        if work.failed:
            work.size = max(1, -(-len(work.pending) // _PARTS))

    def _request(self, work: _Work, part: list[int]) -> None:
        unknown = set(range(len(part)))
        pending = len(work.pending)
        failure = StatusCode.UNAVAILABLE
        timeout = min(self._patience.attempt_timeout, max(0.05, work.end - self._patience.clock()))
        try:
            for position, status in self._send([work.rows[row].entry for row in part], timeout):
                if position in unknown:
                    unknown.remove(position)
                    self._answered(work, part[position], _CODES.get(status, StatusCode.UNKNOWN))
        except RpcError as error:
            failure = error.code() or StatusCode.UNKNOWN
        if unknown:
            left = [part[position] for position in sorted(unknown)]
            self._unanswered(work, left, failure, alone=len(part) == 1)
        if len(work.pending) - pending < len(part):
            work.end = self._end()

    def _answered(self, work: _Work, row: int, code: StatusCode) -> None:
        """Take the status of one row."""
        work.codes[row] = code
        work.proven.add(row)
        if code is StatusCode.OK:
            self._witness = self._witness or self._probe_of(work.rows[row])
        elif code in _ROWS_FAULT:
            work.refused[row] = code
        elif code in _TRANSIENT or (code in _UNCERTAIN and work.tries < _UNCERTAIN_TRIES):
            work.wait = True
            work.pending.append(row)
        else:
            work.suspects.append(row)

    def _unanswered(self, work: _Work, rows: list[int], failure: StatusCode, alone: bool) -> None:
        """Take the failure of a request for the rows whose own status is not known."""
        if failure in _TABLES_FAULT:
            raise NothingWrittenError(_nothing(failure))
        work.codes.update(dict.fromkeys(rows, failure))
        passing = failure in _TRANSIENT or failure in _UNCERTAIN
        if alone:
            work.proven.update(rows)
        if alone and not passing:
            work.suspects += rows
            return
        work.failed = True
        work.wait = work.wait or passing
        work.pending += rows

    def _rest(self, work: _Work) -> None:
        """Wait before the next round."""
        patience = self._patience
        longest = min(patience.longest_wait, patience.first_wait * 2.0 ** min(work.tries - 1, 20))
        left = max(0.0, work.end - patience.clock())
        patience.sleep(min(left, longest * (0.5 + patience.jitter() / 2)))

    def _judge(self, work: _Work) -> None:
        """Out of time: refuse what failed by itself; what only failed in company is tried alone."""
        proven = [row for row in work.pending if row in work.proven]
        work.pending = [row for row in work.pending if row not in work.proven]
        if proven:
            self._refuse(work, proven)
        work.size, work.end = 1, self._end()

    def _refuse(self, work: _Work, rows: list[int]) -> None:
        """Refuse rows if others can be written now; else it is no row's fault."""
        if not self._takes_writes():
            raise NothingWrittenError(_nothing(work.codes[rows[-1]]))
        work.refused.update({row: work.codes[row] for row in rows})

    def _takes_writes(self) -> bool:
        if self._witness is None:
            return False
        for attempt in range(_PROBE_TRIES):
            if attempt:
                self._patience.sleep(self._patience.first_wait)
            try:
                answers = [*self._send([self._witness], self._patience.attempt_timeout)]
            except RpcError:
                continue
            if answers == [(0, 0)]:
                return True
        return False

    @staticmethod
    def _probe_of(row: EncodedRow) -> bytes:
        change = row.change
        return encode_probe(change.row_key, (change.cells or change.clears)[0].family)


def _nothing(code: StatusCode) -> str:
    remedy = {
        StatusCode.NOT_FOUND: "create the table and its families, or mend its name",
        StatusCode.PERMISSION_DENIED: "grant roles/bigtable.user to the job's service account",
        StatusCode.UNAUTHENTICATED: "give the job credentials",
    }.get(code, "the bundle will be tried again")
    return f"nothing can be written, {code.name}: {remedy}"
