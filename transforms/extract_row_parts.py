"""Records of curated rows -> what their events add to windows of metrics, each event once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.typehints.decorators import no_annotations

from schemas.contract import Contracts
from schemas.curated_records import CuratedRecord, CuratedRecords, Paths, published_of, rank_of
from schemas.metric import Metric
from schemas.times import micros
from schemas.unfilled import Unfilled
from schemas.window_parts import PartPack
from transforms.counters import counter
from transforms.garbage import settle
from transforms.metric_program import MetricProgram, metric_paths
from transforms.pack_parts import packed_by_shard

__all__ = ["ExtractRowParts", "UnfilledRowError", "row_paths"]

_MOST_EVENTS = 200_000


class UnfilledRowError(RuntimeError):
    """Rows lack values that their events had, and only the drift table has: one line."""


def row_paths(metrics: Iterable[Metric]) -> Paths:
    """Return what metrics of events read, by event type."""
    kept = list(metrics)
    types = {event_type for metric in kept for event_type in metric.event_types}
    return {event_type: metric_paths(kept, event_type) for event_type in sorted(types)}


@dataclass
class ExtractRowParts(
    beam.PTransform[PCollection[tuple[int, bytes]], PCollection[tuple[int, PartPack]]]
):
    """(shard, records) as of `ReadCurated` -> PCollection[(shard, PartPack)], as `ExtractParts`.

    Of several rows of an event the current one counts, by the rule of the `_current` views. Rows
    are pseudonymised, as the events are that a metric measures, so the parts are the same. Nothing
    is late. Bounded, global window; a shard's records are in memory.

    Counters: `accepted` (events), `duplicate` and `conflict` (their other rows, of the same content
    and of another).

    Raises, at run time: `UnfilledRowError`, a value that is measured is in the drift table only; of
    the rows that count alone, so not of one that was filled since.

    Args:
        contracts: of all event types.
        metrics: what is measured; none of rejects, of which there are no rows.
        shards: parallelism of the windows' step.
    """

    contracts: Contracts
    metrics: list[Metric]
    shards: int

    @no_annotations
    def expand(self, records: PCollection[tuple[int, bytes]]) -> PCollection[tuple[int, PartPack]]:
        """Choose and extract by shard."""
        extracting = beam.ParDo(_Extract(self)).with_output_types(tuple[int, PartPack])
        return records | "GroupByEvent" >> beam.GroupByKey() | "CollectParts" >> extracting


class _Extract(beam.DoFn):
    """Carries the chosen records to the compiled metrics."""

    def __init__(self, given: ExtractRowParts) -> None:
        self._contracts, self._metrics = given.contracts, given.metrics
        self._shards = given.shards

    def setup(self) -> None:
        settle()
        self._records = CuratedRecords(self._contracts, row_paths(self._metrics))
        self._program = MetricProgram(self._contracts, self._metrics)

    def process(self, element: tuple[int, Iterable[bytes]]) -> Iterator[tuple[int, PartPack]]:
        self._program.clear()
        chosen = self._chosen(element[1])
        counter("accepted").inc(len(chosen))
        for number, record in enumerate(chosen.values(), 1):
            if unfilled := self._records.unfilled(record):
                raise UnfilledRowError(_remedy(unfilled))
            self._program.add(record, micros(record.event_timestamp), published_of(record))
            if number % _MOST_EVENTS == 0:
                yield from packed_by_shard(self._program.take(), self._shards)
        yield from packed_by_shard(self._program.take(), self._shards)

    def _chosen(self, packs: Iterable[bytes]) -> dict[str, CuratedRecord]:
        chosen: dict[str, CuratedRecord] = {}
        others: list[CuratedRecord] = []
        for pack in packs:
            for record in self._records.unpack(pack):
                held = chosen.setdefault(record.event_id, record)
                if held is not record:
                    first, last = sorted((held, record), key=rank_of)
                    chosen[record.event_id] = first
                    others.append(last)
        copies = sum(
            other.content_digest == chosen[other.event_id].content_digest for other in others
        )
        counter("duplicate").inc(copies)
        counter("conflict").inc(len(others) - copies)
        return chosen


def _remedy(unfilled: Unfilled) -> str:
    sure, masked = "is in the drift only", "may be in the drift only, under a masked name"
    return (
        f"{unfilled.path} of some rows {masked if unfilled.masked else sure};"
        " run pipelines.fill_from_drift or, for what that does not fill, read --input_archive"
    )
