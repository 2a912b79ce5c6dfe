"""Rejected messages -> what they add to windows of metrics of rejects, merged by bundle."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindow, TimestampedValue
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.timestamp import MAX_TIMESTAMP, Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from schemas.metric import Metric
from schemas.rejected import Rejected
from schemas.window_parts import PartPack
from transforms.counters import counter
from transforms.metric_program import RejectProgram
from transforms.pack_parts import packed_by_shard

__all__ = ["ExtractRejectParts"]

_MOST_REJECTS = 200_000


@dataclass
class ExtractRejectParts(beam.PTransform[PCollection[Rejected], PCollection[tuple[int, PartPack]]]):
    """PCollection[Rejected] -> PCollection[(shard, PartPack)], for the windows of `ExtractParts`.

    Windows are those of the publish time: what was refused may have no event time. A reject without
    publish time, such as a line of a file, is in no window. A message that is delivered twice is
    counted twice, since what cannot be decoded has no id; a recomputation counts it once.

    Parts are merged over a bundle, at most 200,000 rejects of it. A pack has the least timestamp of
    the elements that it was collected from; a repeated bundle gives the same parts. Any windows in,
    global out.

    Counters: `rejects_measured`, `rejects_untimed`.

    Args:
        metrics: what is measured; those of events are left out.
        shards: as given to `ExtractParts`.
    """

    metrics: list[Metric]
    shards: int

    def __post_init__(self) -> None:
        if self.shards < 1:
            msg = f"shards={self.shards}: give at least 1"
            raise ValueError(msg)

    @no_annotations
    def expand(self, rejected: PCollection[Rejected]) -> PCollection[tuple[int, PartPack]]:
        """Extract by bundle."""
        extract = beam.ParDo(_Extract(self)).with_output_types(tuple[int, PartPack])
        packs: PCollection[tuple[int, PartPack]] = rejected | "CollectRejects" >> extract
        return packs


class _Extract(beam.DoFn):
    """Carries rejects to the compiled metrics, and what they collected to the next step."""

    def __init__(self, given: ExtractRejectParts) -> None:
        self._metrics = given.metrics
        self._shards = given.shards
        self._measured = counter("rejects_measured")
        self._untimed = counter("rejects_untimed")

    def display_data(self) -> dict[str, Any]:
        return {"shards": self._shards}

    def setup(self) -> None:
        self._program = RejectProgram(self._metrics)

    def start_bundle(self) -> None:
        self._program.clear()
        self._begin()

    def _begin(self) -> None:
        self._added = 0
        self._least: Timestamp = MAX_TIMESTAMP

    def process(
        self, rejected: Rejected, timestamp: Timestamp = beam.DoFn.TimestampParam
    ) -> Iterator[TimestampedValue]:
        if rejected.publish_time is None:
            self._untimed.inc()
            return
        self._least = min(self._least, timestamp)
        self._program.add(rejected, rejected.publish_time)
        self._measured.inc()
        self._added += 1
        if self._added >= _MOST_REJECTS:
            for parts in packed_by_shard(self._program.take(), self._shards):
                yield TimestampedValue(parts, self._least)
            self._begin()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for parts in packed_by_shard(self._program.take(), self._shards):
            yield WindowedValue(parts, self._least, (GlobalWindow(),))
