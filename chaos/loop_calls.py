"""gRPC services that refuse calls, hold an answer back, or make every message come twice."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.cloud.bigtable_v2.types import MutateRowsRequest

from local.grpc_proxy import GrpcProxy

__all__ = ["HeldBigtable", "Refusing"]

_BIGTABLE = "/google.bigtable.v2.Bigtable/"
_MUTATE_ROWS = f"{_BIGTABLE}MutateRows"
_STREAMS = frozenset({_MUTATE_ROWS, f"{_BIGTABLE}ReadRows", f"{_BIGTABLE}SampleRowKeys"})
_REQUEST: Any = MutateRowsRequest.pb()
_THREADS = 24
_HELD_SECONDS = 60.0
_CODES = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)


class Refusing(GrpcProxy):
    """Passes calls on to a service on loopback while the block lasts, but for bursts of refusals.

    `refused` is the number of calls that were refused.

    Args:
        target: HOST:PORT of the service.
    """

    def __init__(self, target: str) -> None:
        super().__init__(target, _THREADS)
        self.refused = 0
        self._burst = 0
        self._lock = threading.Lock()

    def refuse(self, calls: int) -> None:
        """Answer so many calls, from now on, that there are too many or that nobody is there."""
        with self._lock:
            self._burst += calls

    def refusal(self) -> grpc.StatusCode | None:
        """Return how the next call is refused, None where it is passed on."""
        with self._lock:
            if not self._burst:
                return None
            self._burst -= 1
            self.refused += 1
            return _CODES[self.refused % len(_CODES)]


class HeldBigtable(Refusing):
    """A Bigtable service of which one answer to a write is kept back: the write is done.

    `held` is set when the service has done what was asked and nobody has been told.
    """

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.held = threading.Event()
        self._armed = False
        self._let_go = threading.Event()

    def hold_next(self) -> None:
        """Keep back the answer to the next write."""
        self.held.clear()
        self._let_go.clear()
        self._armed = True

    def let_go(self) -> None:
        """Keep back nothing any more."""
        self._armed = False
        self._let_go.set()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """Serve any method."""
        if details.method in _STREAMS:
            return grpc.unary_stream_rpc_method_handler(self._streaming(details.method))
        return super().service(details)

    def _streaming(self, method: str) -> Callable[[bytes, grpc.ServicerContext], Iterator[bytes]]:
        call = self.channel.unary_stream(method)

        def forward(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            code = self.refusal() if method == _MUTATE_ROWS else None
            if code is not None:
                context.abort(code, "a burst")
            try:
                # A client that is gone already gets no answer, and what it asked for is done.
                answers = [bytes(each) for each in call(request, timeout=context.time_remaining())]
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())
                raise
            if method == _MUTATE_ROWS:
                self._wait()
            yield from answers

        return forward

    def _wait(self) -> None:
        with self._lock:
            holds, self._armed = self._armed, False
        if holds:
            self.held.set()
            self._let_go.wait(_HELD_SECONDS)
