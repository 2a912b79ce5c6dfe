"""A Bigtable service that remembers what was written, so that it can be written again otherwise."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import grpc
from google.cloud.bigtable_v2.types import MutateRowsRequest

from local.chance import Chance
from local.errors import ServiceError
from local.grpc_proxy import GrpcProxy
from schemas.bigtable_table import TableName
from schemas.cells import STATE_FAMILY
from transforms.bigtable_connection import Connection

__all__ = ["BigtableTap", "Entry", "apply", "interleaved", "tied_rows"]

_BIGTABLE = "/google.bigtable.v2.Bigtable/"
_MUTATE_ROWS = f"{_BIGTABLE}MutateRows"
_STREAMS = frozenset({_MUTATE_ROWS, f"{_BIGTABLE}ReadRows", f"{_BIGTABLE}SampleRowKeys"})
_REQUEST: Any = MutateRowsRequest.pb()
_THREADS = 16
_ENTRIES_A_REQUEST = 200
_PATIENCE = 30.0

Entry = Any
"""`MutateRowsRequest.Entry` as a protocol buffer: the key of a row and its mutations."""


class BigtableTap(GrpcProxy):
    """Passes calls on to a Bigtable service on loopback while the block lasts.

    `entries` is what was written through it, in order.

    Args:
        target: HOST:PORT of the service.
    """

    def __init__(self, target: str) -> None:
        super().__init__(target, _THREADS)
        self.entries: list[Entry] = []
        self._lock = threading.Lock()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """Serve any method."""
        if details.method in _STREAMS:
            return grpc.unary_stream_rpc_method_handler(self._streaming(details.method))
        return super().service(details)

    def wrote(self, entries: Iterable[Entry]) -> None:
        """Take note of what is written; one request at a time."""
        self.entries.extend(entries)

    def _streaming(self, method: str) -> Callable[[bytes, grpc.ServicerContext], Iterator[bytes]]:
        call = self.channel.unary_stream(method)

        def forward(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            # Before the answer: a client that is killed after a write does not wait for it.
            if method == _MUTATE_ROWS:
                with self._lock:
                    self.wrote(_REQUEST.FromString(request).entries)
            try:
                yield from call(request, timeout=context.time_remaining())
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())

        return forward


def interleaved(writers: Sequence[Sequence[Entry]], chance: Chance) -> list[Entry]:
    """Return all entries of all writers in one random order.

    Only in rows in which a writer has changed its mind about a last value of one millisecond, its
    own entries keep their order: of equal timestamps the last one written stands.
    """
    drawn = [(writer, n) for writer, entries in enumerate(writers) for n in range(len(entries))]
    drawn.sort(key=lambda _place: chance.random())
    kept = [tied_rows(entries) for entries in writers]
    waiting: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for writer, n in sorted(drawn, reverse=True):
        waiting[writer, writers[writer][n].row_key].append(n)
    found = []
    for writer, n in drawn:
        row_key = writers[writer][n].row_key
        place = waiting[writer, row_key].pop() if row_key in kept[writer] else n
        found.append(writers[writer][place])
    return found


def tied_rows(entries: Sequence[Entry]) -> set[bytes]:
    """Return the rows in which a last value was written twice under one timestamp, with changes."""
    values: dict[tuple[bytes, bytes, int], set[bytes]] = defaultdict(set)
    for entry in entries:
        for mutation in entry.mutations:
            cell = mutation.set_cell
            if cell.family_name == STATE_FAMILY:
                place = (entry.row_key, cell.column_qualifier, cell.timestamp_micros)
                values[place].add(cell.value)
    return {place[0] for place, different in values.items() if len(different) > 1}


def apply(table: TableName, entries: Sequence[Entry]) -> None:
    """Write entries to a table one after another.

    Raises:
        ServiceError: one of them is refused.
    """
    connection = Connection(table)
    try:
        for batch in _batches(entries):
            refused = [code for _, code in connection.send(batch, _PATIENCE) if code]
            if refused:
                msg = f"{table}: {len(refused)} mutations refused with status {refused[0]}"
                raise ServiceError(msg)
    finally:
        connection.close()


def _batches(entries: Sequence[Entry]) -> Iterator[list[bytes]]:
    """Encode entries; a row is in a request once, since there they are in no order."""
    batch: list[bytes] = []
    rows: set[bytes] = set()
    for entry in entries:
        if entry.row_key in rows or len(batch) == _ENTRIES_A_REQUEST:
            yield batch
            batch, rows = [], set()
        batch.append(_REQUEST(entries=[entry]).SerializeToString())
        rows.add(entry.row_key)
    if batch:
        yield batch
