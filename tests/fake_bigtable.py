"""A real gRPC server that speaks Bigtable's MutateRows and fails on demand."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field

import grpc
from google.cloud.bigtable_v2.types import bigtable
from google.rpc import status_pb2

Request = bigtable.MutateRowsRequest.pb()
Response = bigtable.MutateRowsResponse.pb()
Code = grpc.StatusCode
OK = Code.OK


class Cut(Exception):
    """Ends the stream of answers here, with this code, or without an error where it is OK."""

    def __init__(self, code: Code = Code.UNAVAILABLE, applied: bool = False) -> None:
        super().__init__(code)
        self.code, self.applied = code, applied


Script = Callable[[bytes, int], Code]
"""Row key and number of the try -> status of the row; may raise `Cut`."""


def always(code: Code) -> Script:
    return lambda row_key, attempt: code


def by_row(scripts: dict[bytes, list[Code | Cut]]) -> Script:
    """Each row's statuses by try, the last for ever; rows that are not named are written."""

    def answer(row_key: bytes, attempt: int) -> Code:
        steps = scripts.get(row_key, [OK])
        step = steps[min(attempt, len(steps) - 1)]
        if isinstance(step, Cut):
            raise step
        return step

    return answer


@dataclass
class FakeBigtable:
    """Rows as {row key: {(family, qualifier): {time: value}}}, and what was asked for."""

    script: Script = field(default_factory=lambda: always(OK))
    request_script: Callable[[int], Code] = lambda number: OK
    delay: Callable[[int], float] = lambda number: 0.0
    chunk: int = 3
    rows: dict = field(default_factory=dict)
    requests: list = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    metadata: list[dict] = field(default_factory=list)
    tries: dict[bytes, int] = field(default_factory=dict)
    rate_factor: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answers(self, request) -> Iterator:
        """Apply a request; raises `Cut` where its stream is to end early."""
        with self.lock:
            self.requests.append(request)
            self.sizes.append(request.ByteSize())
            number = len(self.requests) - 1
            code = self.request_script(number)
        time.sleep(self.delay(number))
        if code is not OK:
            raise Cut(code)
        response = Response()
        if self.rate_factor is not None:
            response.rate_limit_info.factor = self.rate_factor
            response.rate_limit_info.period.seconds = 10
        for index, entry in enumerate(request.entries):
            try:
                code = self._one(entry)
            except Cut:
                yield response
                raise
            status = status_pb2.Status(code=code.value[0])
            response.entries.add(index=index, status=status)
            if len(response.entries) >= self.chunk:
                yield response
                response = Response()
        yield response

    def _one(self, entry) -> Code:
        attempt = self.tries.get(entry.row_key, 0)
        self.tries[entry.row_key] = attempt + 1
        try:
            code = self.script(entry.row_key, attempt)
        except Cut as cut:
            if cut.applied:
                self._apply(entry)
            raise
        if code is OK:
            self._apply(entry)
        return code

    def _apply(self, entry) -> None:
        with self.lock:
            row = self.rows.setdefault(entry.row_key, {})
            for mutation in entry.mutations:
                if mutation.HasField("set_cell"):
                    put = mutation.set_cell
                    cells = row.setdefault((put.family_name, put.column_qualifier), {})
                    cells[put.timestamp_micros] = put.value
                else:
                    gone = mutation.delete_from_column
                    span = gone.time_range
                    end = span.end_timestamp_micros or 2**63
                    cells = row.get((gone.family_name, gone.column_qualifier), {})
                    for time_ in [t for t in cells if span.start_timestamp_micros <= t < end]:
                        del cells[time_]

    def send(self, entries, timeout: float) -> Iterator[tuple[int, int]]:
        """Stand in for `Connection.send` within the process: the same failures, no wire."""
        request = Request.FromString(b"".join(entries))
        try:
            for response in self.answers(request):
                for entry in response.entries:
                    yield entry.index, entry.status.code
        except Cut as cut:
            if cut.code is not OK:
                raise FakeRpcError(cut.code) from None


class FakeRpcError(grpc.RpcError):
    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self._code = code

    def code(self) -> Code:
        return self._code


def _handler(fake: FakeBigtable) -> grpc.GenericRpcHandler:
    def mutate_rows(request, context):
        fake.metadata.append(dict(context.invocation_metadata()))
        try:
            yield from fake.answers(request)
        except Cut as cut:
            if cut.code is not OK:
                context.abort(cut.code, "on demand")

    method = grpc.unary_stream_rpc_method_handler(
        mutate_rows,
        request_deserializer=Request.FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )
    return grpc.method_handlers_generic_handler(
        "google.bigtable.v2.Bigtable", {"MutateRows": method}
    )


@contextlib.contextmanager
def serving(fake: FakeBigtable, port: int = 0) -> Iterator[str]:
    """Serve a fake on loopback; yields `host:port` for `BIGTABLE_EMULATOR_HOST`."""
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=4),
        handlers=[_handler(fake)],
        options=[("grpc.so_reuseport", 0)],
    )
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{bound}"
    finally:
        server.stop(grace=None).wait()
