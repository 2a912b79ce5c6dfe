"""A Pub/Sub service that loses acknowledgements, so that messages are delivered again.

Every request is passed on as it is, but of the acknowledged messages every `lose_every`-th is left
out, up to a number: the subscriber believes that it is done with them, the server does not.
"""

import threading
from collections.abc import Callable
from concurrent import futures
from types import TracebackType

import grpc
from google.pubsub_v1.types import AcknowledgeRequest

__all__ = ["LossyProxy"]

_ACKNOWLEDGE = "/google.pubsub.v1.Subscriber/Acknowledge"
_THREADS = 32


class LossyProxy(grpc.GenericRpcHandler):
    """Passes unary calls on to a Pub/Sub service on loopback while the block lasts.

    `address` is where it listens; `lost` is the number of acknowledgements it has swallowed.

    Args:
        target: HOST:PORT of the service.
        lose_every: of so many acknowledged messages one is lost.
        at_most: none is lost after so many.
    """

    def __init__(self, target: str, lose_every: int, at_most: int) -> None:
        self.lost = 0
        self._seen = 0
        self._lose_every = lose_every
        self._at_most = at_most
        self._lock = threading.Lock()
        self._channel = grpc.insecure_channel(target)
        self._server = grpc.server(futures.ThreadPoolExecutor(_THREADS), handlers=[self])
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> "LossyProxy":
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop(None).wait()
        self._channel.close()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """Serve any method."""
        return grpc.unary_unary_rpc_method_handler(self._forward(details.method))

    def _forward(self, method: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        call = self._channel.unary_unary(method)

        def forward(request: bytes, context: grpc.ServicerContext) -> bytes:
            if method == _ACKNOWLEDGE:
                request = self._thinned(request)
            try:
                return bytes(call(request, timeout=context.time_remaining()))
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())
                raise

        return forward

    def _thinned(self, request: bytes) -> bytes:
        acknowledged = AcknowledgeRequest.deserialize(request)
        kept = [ack_id for ack_id in acknowledged.ack_ids if not self._loses()]
        thinned = AcknowledgeRequest(subscription=acknowledged.subscription, ack_ids=kept)
        return bytes(AcknowledgeRequest.serialize(thinned))

    def _loses(self) -> bool:
        with self._lock:
            self._seen += 1
            loses = self._seen % self._lose_every == 0 and self.lost < self._at_most
            self.lost += loses
            return loses
