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

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from grpc import RpcError, StatusCode

from transforms.bulk_write import PARTS, BulkWrite, NothingWrittenError, Patience, Work
from transforms.mutation_batch import EncodedRow, encode_probe

__all__ = ["BulkMutation", "NothingWrittenError", "Patience", "Send"]

Send = Callable[[Iterable[bytes], float], Iterator[tuple[int, int]]]
"""Sends entries with a timeout in seconds; yields (position, status) as the answers come, and
raises `grpc.RpcError` where the request or its stream fails."""
_Mutations: TypeAlias = Work[EncodedRow, StatusCode]

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


class BulkMutation(BulkWrite[EncodedRow, StatusCode]):
    """Writes batches to one table; remembers one row that was written, to probe with."""

    def __init__(self, send: Send, patience: Patience | None = None) -> None:
        super().__init__(patience)
        self._send = send
        self._witness: bytes | None = None

    def _request(self, work: _Mutations, part: list[int]) -> None:
        unknown = set(range(len(part)))
        pending = len(work.pending)
        failure = StatusCode.UNAVAILABLE
        timeout = self._timeout(work)
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

    def _answered(self, work: _Mutations, row: int, code: StatusCode) -> None:
        """Take the status of one row."""
        work.told[row] = code
        work.blamed.add(row)
        if code is StatusCode.OK:
            self._witness = self._witness or self._probe_of(work.rows[row])
        elif code in _ROWS_FAULT:
            work.refused[row] = code
        elif code in _TRANSIENT or (code in _UNCERTAIN and work.tries < _UNCERTAIN_TRIES):
            work.wait = True
            work.pending.append(row)
        else:
            work.suspects.append(row)

    def _unanswered(
        self, work: _Mutations, rows: list[int], failure: StatusCode, alone: bool
    ) -> None:
        """Take the failure of a request for the rows whose own status is not known."""
        if failure in _TABLES_FAULT:
            raise NothingWrittenError(_nothing(failure))
        work.told.update(dict.fromkeys(rows, failure))
        passing = failure in _TRANSIENT or failure in _UNCERTAIN
        if alone:
            work.blamed.update(rows)
        if alone and not passing:
            work.suspects += rows
            return
        work.split = True
        work.wait = work.wait or passing
        work.pending += rows

    def _smaller(self, work: _Mutations) -> int:
        return -(-len(work.pending) // PARTS)

    def _judge(self, work: _Mutations) -> None:
        proven = [row for row in work.pending if row in work.blamed]
        work.pending = [row for row in work.pending if row not in work.blamed]
        if proven:
            self._refuse(work, proven)
        work.size, work.end = 1, self._end()

    def _takes_rows(self) -> bool:
        return self._witness is not None and super()._takes_rows()

    def _probe(self) -> bool:
        assert self._witness is not None
        try:
            answers = [*self._send([self._witness], self._patience.attempt_timeout)]
        except RpcError:
            return False
        return answers == [(0, 0)]

    def _nothing(self, told: StatusCode) -> NothingWrittenError:
        return NothingWrittenError(_nothing(told))

    @staticmethod
    def _probe_of(row: EncodedRow) -> bytes:
        change = row.change
        return encode_probe(change.row_key, (change.cells or change.clears)[0].family)


def _nothing(code: StatusCode) -> str:
    remedy = {
        StatusCode.NOT_FOUND: "make the table by `penstock tables create`, or mend its name",
        StatusCode.PERMISSION_DENIED: "grant roles/bigtable.user to the job's service account",
        StatusCode.UNAUTHENTICATED: "give the job credentials",
    }.get(code, "the bundle will be tried again")
    return f"nothing can be written, {code.name}: {remedy}"
