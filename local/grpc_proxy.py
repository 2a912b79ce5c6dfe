"""A service on loopback through which every call goes on to another one, as it is."""

from collections.abc import Callable
from concurrent import futures
from types import TracebackType
from typing import TypeVar

import grpc

__all__ = ["GrpcProxy"]

_Proxy = TypeVar("_Proxy", bound="GrpcProxy")


class GrpcProxy(grpc.GenericRpcHandler):
    """Passes unary calls on to a service on loopback while the block lasts.

    `address` is where it listens. A subclass looks at requests, or changes them, in `passed`.

    Args:
        target: HOST:PORT of the service.
        threads: how many calls at the same time.
    """

    def __init__(self, target: str, threads: int) -> None:
        self.channel = grpc.insecure_channel(target)
        self._server = grpc.server(futures.ThreadPoolExecutor(threads), handlers=[self])
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self: _Proxy) -> _Proxy:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop(None).wait()
        self.channel.close()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """Serve any method."""
        return grpc.unary_unary_rpc_method_handler(self._forward(details.method))

    def passed(self, method: str, request: bytes) -> bytes:
        """Return what is sent on in a request's place."""
        return request

    def _forward(self, method: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        call = self.channel.unary_unary(method)

        def forward(request: bytes, context: grpc.ServicerContext) -> bytes:
            sent = self.passed(method, request)
            try:
                return bytes(call(sent, timeout=context.time_remaining()))
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())
                raise

        return forward
