"""Folds changes of entities into the cells of their rows, in streams and in batch alike."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import apache_beam as beam
from apache_beam.coders import BytesCoder
from apache_beam.pvalue import PCollection
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    BagStateSpec,
    ReadModifyWriteStateSpec,
    TimerSpec,
    on_timer,
)
from apache_beam.utils.timestamp import Timestamp

from schemas.cells import RowChange
from schemas.changes import ChangePack
from schemas.coverage import Coverage
from schemas.events import MAX_MICROS, MIN_MICROS
from schemas.feature_set import FeatureSet
from schemas.layouts import shown_layouts
from transforms.counters import counter
from transforms.entity_shard import EntityShard
from transforms.fence import Fence
from transforms.fold_state import FoldHead, encode_head, read_head, read_log
from transforms.garbage import settle
from transforms.row_cells import Definitions, Tally
from transforms.state_log import append_log, has_doubled, rewrite_log

__all__ = ["FoldEntities"]

_TICKS = 32
_LEAST_TICK = 1_000


@dataclass
class FoldEntities(beam.PTransform[PCollection[tuple[int, ChangePack]], PCollection[RowChange]]):
    """PCollection[(shard, ChangePack)] -> PCollection[RowChange].

    In a stream every touched value leaves as often as it changed, each time whole and with its
    version, at the timestamp of the change; in batch every row leaves once. The cells with the
    highest version of each value are the same bytes in both, whatever the order and the split of
    the changes. A change must come once: `ExtractChanges` and the engine's bundles see to that, and
    a bundle that is retried is exact (`Fence`).

    A tile that begins before `covers_from` or ends after `covers_to` is withheld (counter
    `tiles_withheld`, once a tile): the job may not have seen all of it. In a stream a tile is kept
    until the watermark has passed its end by two horizons, and last values for two horizons; what
    comes later still is withheld too (`tiles_reopened`). Other counters: `changes_unknown`,
    `versions_capped`, `sums_saturated`, see `Tally`.

    State of a stream, by shard: a log of changes that is rewritten when it has doubled. A feature
    whose definition changes begins anew; a change of `shards` upstream is an incompatible update.
    Windows: global only.

    A *repair* makes the input authoritative for the tiles wholly inside [`covers_from`,
    `covers_to`). Of each row that the input touches, at whatever event time, it clears them for
    every feature of the row's entity and sets those that the input has, in one change: whatever
    stood there, under whatever version, is gone. Tiles outside are withheld and left alone; last
    values are written as ever. A row is found by the changes that name it: one that owes its tiles
    in the span to events that the input does not have, and is touched by no other, keeps them.

    Args:
        features: what is kept of each entity; as given to `ExtractChanges`.
        horizon: as given to `ExtractChanges`, in seconds.
        covers_from: event time in microseconds from which the input is complete; the least, which
            is the default, means all.
        covers_to: event time in microseconds up to which, itself left out, the input is complete;
            the greatest, which is the default, means all.
        repair: whether the span is to be repaired; both its ends must be given, and the input must
            be bounded.
        mode: `stream`, `batch`, or `auto`: batch iff the input is bounded.
    """

    features: list[FeatureSet]
    horizon: float
    covers_from: int = MIN_MICROS
    covers_to: int = MAX_MICROS
    repair: bool = False
    mode: Literal["auto", "stream", "batch"] = "auto"

    def __post_init__(self) -> None:
        if self.horizon <= 0:
            msg = f"horizon={self.horizon}: give a number of seconds above 0"
            raise ValueError(msg)
        if self.mode not in ("auto", "stream", "batch"):
            msg = f"mode={self.mode!r}: use auto, stream or batch"
            raise ValueError(msg)
        if self.covers_from >= self.covers_to:
            msg = f"covers_to={self.covers_to}: give a time after covers_from={self.covers_from}"
            raise ValueError(msg)
        if self.repair and not Coverage(self.covers_from, self.covers_to).is_closed:
            msg = "repair=True: give covers_from and covers_to, the span that is to be repaired"
            raise ValueError(msg)

    def expand(self, changes: PCollection[tuple[int, ChangePack]]) -> PCollection[RowChange]:
        """Fold by shard."""
        batch = changes.is_bounded if self.mode == "auto" else self.mode == "batch"
        if self.repair and not (batch and changes.is_bounded):
            msg = "repair=True: read a bounded input (files or an archive), in batch"
            raise ValueError(msg)
        if batch:
            folded = (
                changes
                | "GroupByShard" >> beam.GroupByKey()
                | "FoldShards" >> beam.ParDo(_FoldGroup(self)).with_output_types(RowChange)
            )
        else:
            folded = changes | "FoldChanges" >> beam.ParDo(_FoldStream(self)).with_output_types(
                RowChange
            )
        return folded


class _Shards:
    """What both DoFns share: how shards are made, and the counters of their tallies."""

    def __init__(self, given: FoldEntities) -> None:
        self._features = given.features
        self.horizon = round(given.horizon * 1_000_000)
        self._coverage = Coverage(given.covers_from, given.covers_to)
        self._counters = {name: counter(name) for name in Tally.__struct_fields__}
        self._definitions: Definitions | None = None

    def new(self) -> EntityShard:
        """Return an empty shard."""
        if self._definitions is None:
            self._definitions = Definitions(self._features)
        return EntityShard(self._definitions, self.horizon, *self._coverage)

    def count(self, tally: Tally) -> None:
        """Add a tally to the counters."""
        for name, metric in self._counters.items():
            if number := getattr(tally, name):
                metric.inc(number)


class _FoldGroup(beam.DoFn):
    """Batch: all changes of a shard at once. A shard's rows are held in memory."""

    def __init__(self, given: FoldEntities) -> None:
        self._shards = _Shards(given)
        self._repair = given.repair

    def process(self, element: tuple[int, Iterable[ChangePack]]) -> Iterator[RowChange]:
        rows, tally = self._shards.new(), Tally()
        for pack in element[1]:
            tally.changes_unknown += rows.load(pack)
        yield from rows.repairs(tally) if self._repair else rows.rows(tally)
        self._shards.count(tally)


class _FoldStream(beam.DoFn):
    """Stream: carries state, timer and fence to the shards."""

    LOG = BagStateSpec("log", BytesCoder())
    HEAD = ReadModifyWriteStateSpec("head", BytesCoder())
    TICK = TimerSpec("tick", TimeDomain.WATERMARK)
    LOG_PARAM = beam.DoFn.StateParam(LOG)
    HEAD_PARAM = beam.DoFn.StateParam(HEAD)
    TICK_PARAM = beam.DoFn.TimerParam(TICK)

    def __init__(self, given: FoldEntities) -> None:
        self._shards = _Shards(given)

    def display_data(self) -> dict[str, Any]:
        return {"horizon": self._shards.horizon, **shown_layouts(FoldHead, ChangePack)}

    def setup(self) -> None:
        settle()
        self._fence: Fence[EntityShard] = Fence()

    def start_bundle(self) -> None:
        self._bundle = 1 + int.from_bytes(os.urandom(7), "big")

    def process(
        self,
        element: tuple[int, ChangePack],
        timestamp: Timestamp = beam.DoFn.TimestampParam,
        log: Any = LOG_PARAM,
        head: Any = HEAD_PARAM,
        tick: Any = TICK_PARAM,
    ) -> Iterator[RowChange]:
        shard, pack = element
        known, tally = self._read(head), Tally()
        rows = self._take(shard, known, log)
        self._set(tick, known.clock.seen(timestamp.micros, self._bundle))
        kept = rows.absorb(pack, known.clock.lower, tally)
        changes = list(rows.changes(kept, tally))
        if kept.rows:
            append_log(log, known, kept)
        if has_doubled(known):
            rewrite_log(log, known, rows)
        self._commit(shard, known, rows, head)
        self._shards.count(tally)
        yield from changes

    @on_timer(TICK)
    def on_tick(
        self,
        shard: int = beam.DoFn.KeyParam,
        timestamp: Timestamp = beam.DoFn.TimestampParam,
        log: Any = LOG_PARAM,
        head: Any = HEAD_PARAM,
        tick: Any = TICK_PARAM,
    ) -> None:
        known = self._read(head)
        following = known.clock.fired(timestamp.micros, self._bundle)
        rows = self._take(shard, known, log)
        if rows.is_due(known.clock.lower):
            known.dropped += rows.expire(known.clock.lower)
            if known.dropped >= max(1, rows.entries()):
                rewrite_log(log, known, rows)
        if rows:
            self._set(tick, following)
        else:
            # Nothing is left to forget: the next change arms the timer again.
            known.clock.rest()
        self._commit(shard, known, rows, head)

    def _read(self, head: Any) -> FoldHead:
        return read_head(head, max(_LEAST_TICK, self._shards.horizon // _TICKS))

    def _take(self, shard: int, known: FoldHead, log: Any) -> EntityShard:
        """Return the shard's rows and leave no copy behind: an exception must not keep one."""
        rows = self._fence.take(shard, known.nonce)
        if rows is None:
            rows = self._shards.new()
            if read_log(log, rows):
                # A feature that is declared again later must not find what it has missed since.
                rewrite_log(log, known, rows)
        return rows

    def _commit(self, shard: int, known: FoldHead, rows: EntityShard, head: Any) -> None:
        known.nonce = self._fence.put(shard, rows)
        head.write(encode_head(known))

    @staticmethod
    def _set(tick: Any, target: int | None) -> None:
        if target is not None:
            tick.set(Timestamp(micros=target))
