"""What steps share that collect from events by bundle: when what was collected leaves, and when."""

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindow, TimestampedValue
from apache_beam.utils.timestamp import MAX_TIMESTAMP, Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from schemas.contract import Contracts
from schemas.packs import EventPack
from transforms.counters import counter, rejected_counter
from transforms.garbage import settle
from transforms.reread_events import RereadEvents

__all__ = ["REJECTED", "CollectEvents"]

REJECTED = "rejected"
_MOST_EVENTS = 200_000
_MOST_BYTES = 100_000_000


class CollectEvents(beam.DoFn):
    """Reads the events of packs again, and gives out what was collected of a bundle.

    It leaves at the bundle's end, or before, when it is of 200,000 events or 100 MB, with the least
    timestamp of the packs that it was collected from.
    """

    _added: int
    _least: Timestamp

    def __init__(
        self, step: str, contracts: Contracts, pseudonym_key: str | None, max_event_bytes: int
    ) -> None:
        self._step = step
        self._contracts, self._key = contracts, pseudonym_key
        self._max_event_bytes = max_event_bytes
        self._accepted, self._late = counter("accepted"), counter("late")

    def setup(self) -> None:
        """Load the key; what is compiled is made here too."""
        settle()
        self._events = RereadEvents(
            self._contracts, self._key, self._max_event_bytes, self._paths()
        )

    def start_bundle(self) -> None:
        """Forget what a bundle left that failed."""
        self._clear()
        self._begin()

    def process(
        self, pack: EventPack, timestamp: Timestamp = beam.DoFn.TimestampParam
    ) -> Iterator[Any]:
        """Collect from a pack; yield what leaves by another way, and what is too much to hold."""
        self._least = min(self._least, timestamp)
        yield from self._collect(pack)
        self._added += len(pack)
        if self._added >= _MOST_EVENTS or self._events.taken >= _MOST_BYTES:
            for collected in self._take():
                yield TimestampedValue(collected, self._least)
            self._begin()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Yield what is left."""
        for collected in self._take():
            yield WindowedValue(collected, self._least, (GlobalWindow(),))
        self._begin()

    @abstractmethod
    def _paths(self) -> Mapping[str, Collection[str]]:
        """Return what of the events is read, by event type."""

    @abstractmethod
    def _clear(self) -> None:
        """Forget all that was collected."""

    @abstractmethod
    def _collect(self, pack: EventPack) -> Iterator[TaggedOutput]:
        """Collect from a pack; yield those of its events that leave by another way."""

    @abstractmethod
    def _take(self) -> Iterator[tuple[int, Any]]:
        """Yield what was collected, by shard, and forget it."""

    def _begin(self) -> None:
        self._added = self._events.taken = 0
        self._least = MAX_TIMESTAMP

    def _rejected(self, pack: EventPack, row: int) -> TaggedOutput:
        rejected = self._events.rejected(pack, row, self._step)
        rejected_counter(rejected.reason).inc()
        return TaggedOutput(REJECTED, rejected)
