"""Unique events -> what they add to windows of metrics, merged by bundle; late ones leave whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from schemas.contract import Contracts
from schemas.late import LateEvent
from schemas.metric import Metric
from schemas.packs import EventPack
from schemas.rejected import Rejected
from schemas.window_parts import PartPack
from transforms.collect_events import REJECTED, CollectEvents
from transforms.metric_program import MetricProgram, metric_paths
from transforms.pack_parts import packed_by_shard

__all__ = ["ExtractParts", "ExtractedParts"]

_STEP = "ExtractParts"
_LATE = "late"


class ExtractedParts(NamedTuple):
    """Parts by shard of their metric and key, late events, and those that cannot be read."""

    parts: PCollection[tuple[int, PartPack]]
    late: PCollection[LateEvent]
    rejected: PCollection[Rejected]


@dataclass
class ExtractParts(beam.PTransform[PCollection[EventPack], ExtractedParts]):
    """PCollection[EventPack] -> `ExtractedParts(parts, late, rejected)`.

    Comes right after dedupe: every event is in it once. An event is late for a window iff the
    window's end and the metric's allowed lateness have passed by its pack's watermark. Late for any
    window it could be in, it leaves whole by `late`, once, with the names of those windows, and
    still counts in the others. In batch, where that watermark is the beginning of time, nothing is
    late. Personal values are pseudonymised before anything leaves, except in `rejected`, which
    holds original bytes.

    Parts are merged by metric, key and window over a bundle, at most 200,000 events or 100 MB of
    it, and keyed by `part_shard`; those of one metric and key share a pack. A pack has the least
    timestamp of the elements that it was collected from. A repeated bundle gives the same parts;
    they may come in any order. Metrics of rejects are left out: see `ExtractRejectParts`.

    Windows: global only. Counters: `accepted` (events that are late for no window), `late`,
    `rejected.<reason>`.

    Errors: an event that dedupe let through and the contracts now refuse, as after an update with
    other contracts, goes to `rejected`, where that is seen in its type or in a field that a metric
    reads. The other fields are not looked at again.

    Args:
        contracts: of all event types.
        metrics: what is measured.
        pseudonym_key: where the key is (see `schemas.pseudonym`); None if nothing is personal.
        shards: parallelism of the windows' step; part of its saved state.
        max_event_bytes: as given to the decoder before.
    """

    contracts: Contracts
    metrics: list[Metric]
    pseudonym_key: str | None
    shards: int
    max_event_bytes: int = 1_000_000

    def __post_init__(self) -> None:
        if self.shards < 1:
            msg = f"shards={self.shards}: give at least 1"
            raise ValueError(msg)

    @no_annotations
    def expand(self, packs: PCollection[EventPack]) -> ExtractedParts:
        """Extract by bundle."""
        extract = (
            beam.ParDo(_Extract(self))
            .with_output_types(tuple[int, PartPack], late=LateEvent, rejected=Rejected)
            .with_outputs(_LATE, REJECTED, main="parts")
        )
        outputs = packs | "CollectParts" >> extract
        return ExtractedParts(outputs["parts"], outputs[_LATE], outputs[REJECTED])


class _Extract(CollectEvents):
    """Carries events to the compiled metrics, and what they collected to the next step."""

    def __init__(self, given: ExtractParts) -> None:
        super().__init__(_STEP, given.contracts, given.pseudonym_key, given.max_event_bytes)
        self._metrics = given.metrics
        self._shards = given.shards

    def display_data(self) -> dict[str, Any]:
        return {"shards": self._shards}

    def _paths(self) -> dict[str, set[str]]:
        return {name: metric_paths(self._metrics, name) for name in self._contracts.types}

    def setup(self) -> None:
        super().setup()
        self._program = MetricProgram(self._contracts, self._metrics)

    def _clear(self) -> None:
        self._program.clear()

    def _take(self) -> Iterator[tuple[int, PartPack]]:
        return packed_by_shard(self._program.take(), self._shards)

    def _collect(self, pack: EventPack) -> Iterator[TaggedOutput]:
        """Add all rows of a pack; yield those that leave by another way."""
        add, times, published = self._program.add, pack.event_times, pack.raw.publish_times
        surely_open = pack.watermark - self._program.least_lateness
        late = refused = 0
        for row, record in enumerate(self._events.records(pack)):
            publish_time = published[row] if published else None
            if record is None:
                refused += 1
                yield self._rejected(pack, row)
            elif times[row] >= surely_open:
                add(record, times[row], publish_time)
            elif (whole := self._events.whole(pack, row)) is None:
                refused += 1
                yield self._rejected(pack, row)
            else:
                late_for = self._program.add_late(record, times[row], publish_time, pack.watermark)
                if late_for:
                    late += 1
                    yield TaggedOutput(_LATE, self._events.late(whole, late_for))
        self._late.inc(late)
        self._accepted.inc(len(pack) - late - refused)
