"""A service on loopback that takes every mutation of Bigtable and keeps count, not cells."""

import tempfile
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
from google.cloud.bigtable_v2.types import bigtable

from schemas.cells import TILE_FAMILY

__all__ = ["Counted", "counting_bigtable"]

_REQUEST: Any = bigtable.MutateRowsRequest.pb()
_RESPONSE: Any = bigtable.MutateRowsResponse.pb()
_LENGTH = 4
_TILE_MS = 3_600_000


class Counted:
    """What came: `requests`, `rows` in them (of each as often as it came), and all their bytes.

    The requests are laid by in a file that has no name, to be read after what is timed.
    """

    def __init__(self) -> None:
        self.requests = self.rows = self.bytes = 0
        # Closed with this object: it is read after the service has stopped.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115

    def take(self, request: bytes) -> int:
        """Count a request and lay it by; return how many rows it has."""
        rows = len(_REQUEST.FromString(request).entries)
        self.requests += 1
        self.rows += rows
        self.bytes += len(request)
        self._file.write(len(request).to_bytes(_LENGTH, "big") + request)
        return rows

    def mutations(self) -> int:
        """Return how many mutations came."""
        return sum(len(entry.mutations) for entry in self._entries())

    def events_in_tiles(self, part_of_key: bytes, qualifier: bytes) -> int:
        """Add up, for rows of an entity, how many events the last word on each tile of an hour has.

        The timestamp of a tile's cell is its start plus that number, in milliseconds.
        """
        most: dict[tuple[bytes, int], int] = {}
        for entry in self._entries():
            if part_of_key not in entry.row_key:
                continue
            for mutation in entry.mutations:
                cell = mutation.set_cell
                if cell.column_qualifier == qualifier and cell.family_name == TILE_FAMILY:
                    hour, events = divmod(cell.timestamp_micros // 1_000, _TILE_MS)
                    place = entry.row_key, hour
                    most[place] = max(most.get(place, 0), events)
        return sum(most.values())

    def _entries(self) -> Iterator[Any]:
        self._file.seek(0)
        while length := self._file.read(_LENGTH):
            yield from _REQUEST.FromString(self._file.read(int.from_bytes(length, "big"))).entries


class _MutateRows(grpc.GenericRpcHandler):
    def __init__(self, counted: Counted) -> None:
        self._counted = counted

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_stream_rpc_method_handler(self._answer)

    def _answer(self, request: bytes, _context: grpc.ServicerContext) -> Iterator[bytes]:
        answer = _RESPONSE()
        for index in range(self._counted.take(request)):
            answer.entries.add(index=index)
        yield answer.SerializeToString()


@contextmanager
def counting_bigtable() -> Iterator[tuple[str, Counted]]:
    """Yield its HOST:PORT, for `BIGTABLE_EMULATOR_HOST`, and what it counts."""
    counted = Counted()
    # One thread: what it counts needs no lock.
    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[_MutateRows(counted)])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield address, counted
    finally:
        server.stop(None).wait()
