"""A Pub/Sub service that loses acknowledgements, so that messages are delivered again.

Every request is passed on as it is, but of the acknowledged messages every `lose_every`-th is left
out, up to a number: the subscriber believes that it is done with them, the server does not.
"""

import threading

from google.pubsub_v1.types import AcknowledgeRequest

from local.grpc_proxy import GrpcProxy

__all__ = ["LossyProxy"]

_ACKNOWLEDGE = "/google.pubsub.v1.Subscriber/Acknowledge"
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

    def passed(self, method: str, request: bytes) -> bytes:
        """Leave out of acknowledgements what is to be lost."""
        if method != _ACKNOWLEDGE:
            return request
        acknowledged = AcknowledgeRequest.deserialize(request)
        kept = [ack_id for ack_id in acknowledged.ack_ids if not self._loses()]
        thinned = AcknowledgeRequest(subscription=acknowledged.subscription, ack_ids=kept)
        return bytes(AcknowledgeRequest.serialize(thinned))

    def _loses(self) -> bool:
        with self._lock:
            seen = self.lost + self.acknowledged + 1
            loses = seen % self._lose_every == 0 and self.lost < self._at_most
            self.lost += loses
            self.acknowledged += not loses
            return loses
