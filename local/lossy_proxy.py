"""A Pub/Sub service that loses acknowledgements, so that messages are delivered again.

Every request is passed on as it is, but of the acknowledged messages every `lose_every`-th is left
out, up to a number, and its deadline ends there and then: the subscriber believes that it is done
with it, the server does not. Were the deadline left to itself, when the message comes again would
depend on whether the subscriber had extended it, which a slow one does.
"""

import threading

from google.pubsub_v1.types import AcknowledgeRequest, ModifyAckDeadlineRequest

from local.grpc_proxy import GrpcProxy

__all__ = ["LossyProxy"]

_ACKNOWLEDGE = "/google.pubsub.v1.Subscriber/Acknowledge"
_MODIFY = "/google.pubsub.v1.Subscriber/ModifyAckDeadline"
_SECONDS = 10.0
_THREADS = 32


class LossyProxy(GrpcProxy):
    """Passes calls on to a Pub/Sub service on loopback while the block lasts.

    `lost` is the number of acknowledgements that it has swallowed, `acknowledged` of those that it
    has passed on.

    Args:
        target: HOST:PORT of the service.
        lose_every: of so many acknowledged messages one is lost.
        at_most: none is lost after so many.
    """

    def __init__(self, target: str, lose_every: int, at_most: int) -> None:
        super().__init__(target, _THREADS)
        self.lost = self.acknowledged = 0
        self._lose_every = lose_every
        self._at_most = at_most
        self._lock = threading.Lock()
        self._modify = self.channel.unary_unary(
            _MODIFY, request_serializer=ModifyAckDeadlineRequest.serialize
        )

    def passed(self, method: str, request: bytes) -> bytes:
        """Leave out of acknowledgements what is to be lost."""
        if method != _ACKNOWLEDGE:
            return request
        acknowledged = AcknowledgeRequest.deserialize(request)
        lost = {ack_id for ack_id in acknowledged.ack_ids if self._loses()}
        if not lost:
            return request
        subscription = acknowledged.subscription
        expired = ModifyAckDeadlineRequest(
            subscription=subscription, ack_ids=list(lost), ack_deadline_seconds=0
        )
        self._modify(expired, timeout=_SECONDS)
        kept = [ack_id for ack_id in acknowledged.ack_ids if ack_id not in lost]
        thinned = AcknowledgeRequest(subscription=subscription, ack_ids=kept)
        return bytes(AcknowledgeRequest.serialize(thinned))

    def _loses(self) -> bool:
        with self._lock:
            seen = self.lost + self.acknowledged + 1
            loses = seen % self._lose_every == 0 and self.lost < self._at_most
            self.lost += loses
            self.acknowledged += not loses
            return loses
