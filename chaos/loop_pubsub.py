"""A Pub/Sub service that knows what each subscription still owes, and makes messages come twice."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import grpc
from google.pubsub_v1 import types

from chaos.loop_calls import Refusing

__all__ = ["Delivered", "WatchedPubsub"]

_SUBSCRIBER = "/google.pubsub.v1.Subscriber/"
_PULL, _ACKNOWLEDGE, _MODIFY = (
    f"{_SUBSCRIBER}{name}" for name in ("Pull", "Acknowledge", "ModifyAckDeadline")
)
_SECONDS = 10.0
_SECOND = 1_000_000


class Delivered(NamedTuple):
    """A message as readers get it; `published` is in microseconds."""

    message_id: str
    published: int
    payload: bytes
    attributes: Mapping[str, str]


class WatchedPubsub(Refusing):
    """Passes calls on to a Pub/Sub service on loopback while the block lasts.

    `messages` is what was delivered, by message id; `asked` the subscriptions of which somebody has
    asked; `delivered` and `again` the deliveries, and those of them for a second acknowledgement.

    Args:
        target: HOST:PORT of the service.
        twice: of each delivery the first acknowledgement is lost, and its lease ended.
    """

    def __init__(self, target: str, *, twice: bool = False) -> None:
        super().__init__(target)
        self.messages: dict[str, Delivered] = {}
        self.asked: set[str] = set()
        self.delivered = self.again = 0
        self.told: dict[str, int] = {}
        self._twice = twice
        self._leases: dict[str, dict[str, str]] = defaultdict(dict)
        self._done: dict[str, set[str]] = defaultdict(set)
        self._lost: dict[str, set[str]] = defaultdict(set)
        self._book = threading.Lock()
        self._send_back = self.channel.unary_unary(
            _MODIFY, request_serializer=types.ModifyAckDeadlineRequest.serialize
        )

    def done(self, subscription: str) -> int:
        """Return how many messages of a subscription are acknowledged."""
        return len(self._done[subscription])

    def end_leases(self, subscription: str) -> None:
        """End what a job that is dead had leased, as its deadlines would in time."""
        with self._book:
            ids = list(self._leases.pop(subscription, {}))
        self._nack(subscription, ids)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """Serve any method."""
        if details.method not in (_PULL, _ACKNOWLEDGE):
            return super().service(details)
        serve = self._pull if details.method == _PULL else self._acknowledge
        return grpc.unary_unary_rpc_method_handler(self._refusing(serve, details.method))

    def _refusing(
        self, serve: Callable[[bytes, Any, grpc.ServicerContext], bytes], method: str
    ) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        call = self.channel.unary_unary(method)

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            if (code := self.refusal()) is not None:
                context.abort(code, "a burst")
            try:
                return serve(request, call, context)
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())
                raise

        return answer

    def _pull(self, request: bytes, call: Any, context: grpc.ServicerContext) -> bytes:
        subscription = types.PullRequest.pb().FromString(request).subscription
        self.asked.add(subscription)
        response = types.PullResponse.pb().FromString(
            call(request, timeout=context.time_remaining())
        )
        for received in response.received_messages:
            self._note(received.message)
        leased = {each.ack_id: each.message.message_id for each in response.received_messages}
        if not context.is_active():
            # Nobody reads the answer: its reader was killed meanwhile.
            self._nack(subscription, list(leased))
            return b""
        with self._book:
            self._leases[subscription].update(leased)
            self.delivered += len(leased)
        return bytes(response.SerializeToString())

    def _note(self, message: Any) -> None:
        stamp, message_id = message.publish_time, message.message_id
        if message_id in self.told:
            stamp.FromMicroseconds(self.told[message_id])
        published = stamp.seconds * _SECOND + stamp.nanos // 1_000
        self.messages.setdefault(
            message_id, Delivered(message_id, published, message.data, dict(message.attributes))
        )

    def _acknowledge(self, request: bytes, call: Any, context: grpc.ServicerContext) -> bytes:
        asked = types.AcknowledgeRequest.pb().FromString(request)
        kept, lost = self._parted(asked.subscription, asked.ack_ids)
        self._nack(asked.subscription, lost)
        if kept:
            del asked.ack_ids[:]
            asked.ack_ids.extend(kept)
            call(asked.SerializeToString(), timeout=context.time_remaining())
        with self._book:
            leases, done = self._leases[asked.subscription], self._done[asked.subscription]
            done.update(leases[each] for each in kept if each in leases)
            for ack_id in (*kept, *lost):
                leases.pop(ack_id, None)
        return b""

    def _parted(self, subscription: str, ack_ids: Iterable[str]) -> tuple[list[str], list[str]]:
        """Tell acknowledgements to pass on from those to lose."""
        if not self._twice:
            return list(ack_ids), []
        kept, lost = [], []
        with self._book:
            leases, once = self._leases[subscription], self._lost[subscription]
            for ack_id in ack_ids:
                message_id = leases.get(ack_id)
                if message_id is None or message_id in once:
                    kept.append(ack_id)
                else:
                    once.add(message_id)
                    lost.append(ack_id)
            self.again += len(lost)
        return kept, lost

    def _nack(self, subscription: str, ack_ids: list[str]) -> None:
        if ack_ids:
            request = types.ModifyAckDeadlineRequest(
                subscription=subscription, ack_ids=ack_ids, ack_deadline_seconds=0
            )
            self._send_back(request, timeout=_SECONDS)
