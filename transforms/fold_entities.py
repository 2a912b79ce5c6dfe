"""Folds changes of entities into the cells of their rows, in streams and in batch alike."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import apache_beam as beam
import msgspec
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
from schemas.events import MIN_MICROS
from schemas.feature_set import FeatureSet
from transforms.counters import counter
from transforms.entity_shard import EntityShard
from transforms.fence import Fence
from transforms.garbage import settle
from transforms.row_cells import Definitions, Tally
from transforms.watermark_clock import WatermarkClock

__all__ = ["FoldEntities"]

_TICKS = 32
_LEAST_TICK = 1_000
_SLACK_BYTES = 64 * 1024

_encode = msgspec.msgpack.Encoder().encode
_decode_pack = msgspec.msgpack.Decoder(ChangePack).decode


@dataclass
class FoldEntities(beam.PTransform[PCollection[tuple[int, ChangePack]], PCollection[RowChange]]):
    """PCollection[(shard, ChangePack)] -> PCollection[RowChange].

    In a stream every touched value leaves as often as it changed, each time whole and with its
    version, at the timestamp of the change; in batch every row leaves once. The cells with the
    highest version of each value are the same bytes in both, whatever the order and the split of
    the changes. A change must come once: `ExtractChanges` and the engine's bundles see to that, and
    a bundle that is retried is exact (`Fence`).

    A tile that begins before `covers_from` is withheld (counter `tiles_withheld`, once a tile): the
    job may not have seen all of it. In a stream a tile is kept until the watermark has passed its
    end by two horizons, and last values for two horizons; what comes later still is withheld too
    (`tiles_reopened`). Other counters: `changes_unknown`, `versions_capped`, `sums_saturated`, see
    `Tally`.

    State of a stream, by shard: a log of changes that is rewritten when it has doubled. A feature
    whose definition changes begins anew; a change of `shards` upstream is an incompatible update.
    Windows: global only.

    Args:
        features: what is kept of each entity; as given to `ExtractChanges`.
        horizon: as given to `ExtractChanges`, in seconds.
        covers_from: event time in microseconds from which the input is complete; the least, which
            is the default, means all.
        mode: `stream`, `batch`, or `auto`: batch iff the input is bounded.
    """

    features: list[FeatureSet]
    horizon: float
    covers_from: int = MIN_MICROS
    mode: Literal["auto", "stream", "batch"] = "auto"

    def __post_init__(self) -> None:
        if self.horizon <= 0:
            msg = f"horizon={self.horizon}: give a number of seconds above 0"
            raise ValueError(msg)
        if self.mode not in ("auto", "stream", "batch"):
            msg = f"mode={self.mode!r}: use auto, stream or batch"
            raise ValueError(msg)

    def expand(self, changes: PCollection[tuple[int, ChangePack]]) -> PCollection[RowChange]:
        """Fold by shard."""
        batch = changes.is_bounded if self.mode == "auto" else self.mode == "batch"
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
        self._covers_from = given.covers_from
        self._counters = {name: counter(name) for name in Tally.__struct_fields__}
        self._definitions: Definitions | None = None

    def new(self) -> EntityShard:
        """Return an empty shard."""
        if self._definitions is None:
            self._definitions = Definitions(self._features)
        return EntityShard(self._definitions, self.horizon, self._covers_from)

    def count(self, tally: Tally) -> None:
        """Add a tally to the counters."""
        for name, metric in self._counters.items():
            if number := getattr(tally, name):
                metric.inc(number)


class _FoldGroup(beam.DoFn):
    """Batch: all changes of a shard at once. A shard's rows are held in memory."""

    def __init__(self, given: FoldEntities) -> None:
        self._shards = _Shards(given)

    def process(self, element: tuple[int, Iterable[ChangePack]]) -> Iterator[RowChange]:
        rows, tally = self._shards.new(), Tally()
        for pack in element[1]:
            tally.changes_unknown += rows.load(pack)
        yield from rows.rows(tally)
        self._shards.count(tally)


class _Head(msgspec.Struct, array_like=True):
    """The small part of a shard's state, written with every change.

    `nonce` is the fence's; `logged` and `rewritten` are the bytes of the log now and when it was
    last rewritten, `dropped` the values forgotten since.
    """

    clock: WatermarkClock
    nonce: bytes = b""
    logged: int = 0
    rewritten: int = 0
    dropped: int = 0


_decode_head = msgspec.msgpack.Decoder(_Head).decode


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
            _append(log, known, kept)
        if known.logged > 2 * known.rewritten + _SLACK_BYTES:
            _rewrite(log, known, rows)
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
                _rewrite(log, known, rows)
        if rows:
            self._set(tick, following)
        else:
            # Nothing is left to forget: the next change arms the timer again.
            known.clock.rest()
        self._commit(shard, known, rows, head)

    def _read(self, head: Any) -> _Head:
        encoded = head.read()
        if encoded is None:
            tick = max(_LEAST_TICK, self._shards.horizon // _TICKS)
            return _Head(WatermarkClock(tick))
        return _decode_head(encoded)

    def _take(self, shard: int, known: _Head, log: Any) -> EntityShard:
        """Return the shard's rows and leave no copy behind: an exception must not keep one."""
        rows = self._fence.take(shard, known.nonce)
        if rows is None:
            rows = self._shards.new()
            if sum(rows.load(_decode_pack(encoded)) for encoded in log.read()):
                # A feature that is declared again later must not find what it has missed since.
                _rewrite(log, known, rows)
        return rows

    def _commit(self, shard: int, known: _Head, rows: EntityShard, head: Any) -> None:
        known.nonce = self._fence.put(shard, rows)
        head.write(_encode(known))

    @staticmethod
    def _set(tick: Any, target: int | None) -> None:
        if target is not None:
            tick.set(Timestamp(micros=target))


def _append(log: Any, known: _Head, pack: ChangePack) -> None:
    encoded = _encode(pack)
    log.add(encoded)
    known.logged += len(encoded)


def _rewrite(log: Any, known: _Head, rows: EntityShard) -> None:
    log.clear()
    known.logged = known.dropped = 0
    for pack in rows.snapshot():
        _append(log, known, pack)
    known.rewritten = known.logged
