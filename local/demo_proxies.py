"""What stands between the jobs of the demo and their services: it looks, and loses a little."""

import time
from collections.abc import Iterable

from google.pubsub_v1.types import AcknowledgeRequest, PullRequest

from local.bigtable_tap import BigtableTap, Entry
from local.lossy_proxy import LossyProxy
from schemas.cells import STATE_FAMILY

__all__ = ["CellClock", "WatchedPubsub"]

_SUBSCRIBER = "/google.pubsub.v1.Subscriber/"


class WatchedPubsub(LossyProxy):
    """Loses acknowledgements of one subscription, and passes the others' on.

    `asked` has the subscriptions of which somebody has asked for messages, and since when, by the
    monotonic clock.

    Args:
        target: HOST:PORT of the service.
        lose_every: of so many acknowledged messages of that subscription one is lost.
        at_most: none is lost after so many.
        losing: full name of the subscription.
    """

    def __init__(self, target: str, lose_every: int, at_most: int, losing: str) -> None:
        super().__init__(target, lose_every, at_most)
        self.asked: dict[str, float] = {}
        self._losing = losing

    def passed(self, method: str, request: bytes) -> bytes:
        """Take note of who asks, and leave out what is to be lost."""
        if method == f"{_SUBSCRIBER}Pull":
            asking = PullRequest.deserialize(request).subscription
            self.asked.setdefault(asking, time.monotonic())
        elif method == f"{_SUBSCRIBER}Acknowledge" and not self._is_losing(request):
            return request
        return super().passed(method, request)

    def _is_losing(self, request: bytes) -> bool:
        acknowledged = AcknowledgeRequest.deserialize(request)
        return bool(acknowledged.subscription == self._losing)


class CellClock(BigtableTap):
    """A Bigtable service that notes when each last value was first written.

    `first` has the clock's time of each row and event time, in microseconds and milliseconds.
    """

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.first: dict[tuple[bytes, int], int] = {}

    def wrote(self, entries: Iterable[Entry]) -> None:
        """Note the time, and nothing of what was written."""
        now = time.time_ns() // 1_000
        for entry in entries:
            for mutation in entry.mutations:
                cell = mutation.set_cell
                if cell.family_name == STATE_FAMILY:
                    self.first.setdefault((entry.row_key, cell.timestamp_micros // 1_000), now)
