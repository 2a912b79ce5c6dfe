"""A Pub/Sub subscriber service that does what a test says: fails, waits, remembers."""

import threading
from collections import deque
from concurrent import futures
from types import TracebackType
from typing import Any

import grpc
from google.pubsub_v1.types import (
    AcknowledgeRequest,
    ModifyAckDeadlineRequest,
    PullRequest,
    PullResponse,
)

__all__ = ["FakePubsub"]


class FakePubsub:
    """Delivers `messages` once each, after the `failures` of the method are used up.

    `refusals` maps a method to the code that it answers for ever. `most_outstanding` is the
    greatest number of messages that were delivered and not acknowledged at one time.
    """

    def __init__(self) -> None:
        self.messages: deque[bytes] = deque()
        self.failures: dict[str, deque[grpc.StatusCode]] = {}
        self.refusals: dict[str, grpc.StatusCode] = {}
        self.acknowledged: set[str] = set()
        self.extended: list[tuple[str, int]] = []
        self.asked: list[int] = []
        self.outstanding: set[str] = set()
        self.most_outstanding = 0
        self._delivered = 0
        self._lock = threading.Lock()
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers([self._handlers()])
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> "FakePubsub":
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.stop(grace=None).wait()

    def _handlers(self) -> Any:
        methods = {
            "Pull": self._method("Pull", self._pull, PullRequest),
            "Acknowledge": self._method("Acknowledge", self._acknowledge, AcknowledgeRequest),
            "ModifyAckDeadline": self._method(
                "ModifyAckDeadline", self._modify, ModifyAckDeadlineRequest
            ),
        }
        return grpc.method_handlers_generic_handler("google.pubsub.v1.Subscriber", methods)

    def _method(self, name: str, answer: Any, request: Any) -> Any:
        def behave(asked: Any, context: grpc.ServicerContext) -> bytes:
            with self._lock:
                waiting = self.failures.get(name)
                code = waiting.popleft() if waiting else self.refusals.get(name)
                if code is not None:
                    context.abort(code, "as the test says")
                return answer(asked)

        return grpc.unary_unary_rpc_method_handler(behave, request.pb().FromString, bytes)

    def _pull(self, request: Any) -> bytes:
        self.asked.append(request.max_messages)
        received = []
        while self.messages and len(received) < request.max_messages:
            self._delivered += 1
            data, ack_id = self.messages.popleft(), str(self._delivered)
            message = {"data": data, "message_id": ack_id, "publish_time": {"seconds": 1}}
            received.append({"ack_id": ack_id, "message": message})
            self.outstanding.add(ack_id)
        self.most_outstanding = max(self.most_outstanding, len(self.outstanding))
        return PullResponse.pb()(received_messages=received).SerializeToString()

    def _acknowledge(self, request: Any) -> bytes:
        self.acknowledged |= set(request.ack_ids)
        self.outstanding -= set(request.ack_ids)
        return b""

    def _modify(self, request: Any) -> bytes:
        self.extended += [(ack_id, request.ack_deadline_seconds) for ack_id in request.ack_ids]
        return b""
