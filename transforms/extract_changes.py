"""Unique events -> what they change in each entity, merged by bundle; late events leave whole."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from schemas.changes import ChangePack, RowPart
from schemas.contract import Contracts
from schemas.coverage import Coverage
from schemas.feature_set import FeatureSet
from schemas.late import LateEvent
from schemas.packs import EventPack
from schemas.rejected import Rejected
from transforms.collect_events import REJECTED, CollectEvents
from transforms.feature_program import FeatureProgram, feature_paths
from transforms.key_packs import shard_of

__all__ = ["ExtractChanges", "Extracted", "row_shard"]

_STEP = "ExtractChanges"
_LATE = "late"
_ROWS_A_PACK = 1_000


class Extracted(NamedTuple):
    """Changes by shard of their row, late events, and events that can no longer be read."""

    changes: PCollection[tuple[int, ChangePack]]
    late: PCollection[LateEvent]
    rejected: PCollection[Rejected]


def row_shard(row_key: bytes, shards: int) -> int:
    """Return the shard of a row: a stable digest, which is part of saved state.

    >>> row_shard(b"bb#user#u1", 16)
    0
    """
    digest = hashlib.blake2b(row_key, digest_size=8).digest()
    return shard_of(digest, shards)


@dataclass
class ExtractChanges(beam.PTransform[PCollection[EventPack], Extracted]):
    """PCollection[EventPack] -> `Extracted(changes, late, rejected)`.

    Comes right after dedupe: every event is in it once. An event is late iff its event time is
    before its pack's watermark less the horizon; it leaves whole by `late` and changes last values
    only. In batch, where that watermark is the beginning of time, nothing is late. Personal values
    are pseudonymised before anything leaves, except in `rejected`, which holds original bytes.

    Changes are merged by row over a bundle, at most 200,000 events or 100 MB of it, and keyed by
    `row_shard`.
    A pack of changes has the least timestamp of the elements that it was collected from. The
    merged changes of a repeated bundle are the same; changes may come in any order.

    Windows: global only. Counters: `accepted` (events that are not late), `late`,
    `rejected.<reason>`.

    Errors: an event that dedupe let through and the contracts now refuse, as after an update with
    other contracts, goes to `rejected`, where that is seen in its type or in a field that a feature
    reads. The other fields are not looked at again.

    Args:
        contracts: of all event types.
        features: what is kept of each entity.
        pseudonym_key: where the key is (see `schemas.pseudonym`); None if nothing is personal.
        horizon: how late an event may be for its tiles, in seconds.
        shards: parallelism of the entity step; part of its saved state.
        max_event_bytes: as given to the decoder before.
        state_span: event times whose events change last values; None: all. Of a span that was read
            from the archive the events at its edges may not all be known, so that the wrong one of
            two in the same millisecond would have the last word.
    """

    contracts: Contracts
    features: list[FeatureSet]
    pseudonym_key: str | None
    horizon: float
    shards: int
    max_event_bytes: int = 1_000_000
    state_span: Coverage | None = None

    def __post_init__(self) -> None:
        if self.horizon <= 0:
            msg = f"horizon={self.horizon}: give a number of seconds above 0"
            raise ValueError(msg)
        if self.shards < 1:
            msg = f"shards={self.shards}: give at least 1"
            raise ValueError(msg)

    @no_annotations
    def expand(self, packs: PCollection[EventPack]) -> Extracted:
        """Extract by bundle."""
        extract = (
            beam.ParDo(_Extract(self))
            .with_output_types(tuple[int, ChangePack], late=LateEvent, rejected=Rejected)
            .with_outputs(_LATE, REJECTED, main="changes")
        )
        outputs = packs | "CollectChanges" >> extract
        return Extracted(outputs["changes"], outputs[_LATE], outputs[REJECTED])


class _Extract(CollectEvents):
    """Carries events to the compiled features, and what they collected to the next step."""

    def __init__(self, given: ExtractChanges) -> None:
        super().__init__(_STEP, given.contracts, given.pseudonym_key, given.max_event_bytes)
        self._features = given.features
        self._horizon = round(given.horizon * 1_000_000)
        self._shards = given.shards
        self._state_span = given.state_span

    def display_data(self) -> dict[str, Any]:
        return {"shards": self._shards}

    def _paths(self) -> dict[str, set[str]]:
        return {name: feature_paths(self._features, name) for name in self._contracts.types}

    def setup(self) -> None:
        super().setup()
        self._program = FeatureProgram(self._contracts, self._features, self._state_span)

    def _clear(self) -> None:
        self._program.clear()

    def _collect(self, pack: EventPack) -> Iterator[TaggedOutput]:
        """Add all rows of a pack; yield those that leave by another way."""
        late_before = pack.watermark - self._horizon
        late = refused = 0
        records, times = self._events.records(pack), pack.event_times
        if None not in records and min(times, default=late_before) >= late_before:
            self._program.add_all(records, times)
        else:
            for row, (record, event_time) in enumerate(zip(records, times, strict=True)):
                is_late = event_time < late_before
                whole = self._events.whole(pack, row) if is_late else None
                if record is None or (is_late and whole is None):
                    refused += 1
                    yield self._rejected(pack, row)
                    continue
                self._program.add(record, event_time, is_late)
                if whole is not None:
                    late += 1
                    yield TaggedOutput(_LATE, self._events.late(whole))
        self._late.inc(late)
        self._accepted.inc(len(pack) - late - refused)

    def _take(self) -> Iterator[tuple[int, ChangePack]]:
        by_shard: defaultdict[int, list[RowPart]] = defaultdict(list)
        for part in self._program.take():
            shard = row_shard(part.row_key, self._shards)
            by_shard[shard].append(part)
            if len(by_shard[shard]) >= _ROWS_A_PACK:
                yield shard, ChangePack(by_shard.pop(shard))
        for shard, rows in by_shard.items():
            yield shard, ChangePack(rows)
