"""Folds parts of windows into panes: whole values by window and key, in streams and in batch."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

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

from schemas.coverage import Coverage
from schemas.events import MAX_MICROS, MIN_MICROS
from schemas.layouts import shown_layouts
from schemas.metric import Metric
from schemas.times import MILLISECOND
from schemas.window_parts import Pane, PartPack
from transforms.counters import counter
from transforms.fence import Fence
from transforms.garbage import settle
from transforms.state_log import append_log, has_doubled, rewrite_log
from transforms.window_rules import WindowRules, WindowTally
from transforms.window_shard import WindowShard
from transforms.window_state import WindowHead, WindowLog, decode_log, encode_head, read_head

__all__ = ["FoldWindows"]

_Saved: TypeAlias = tuple[Any, Any, Any]


@dataclass
class FoldWindows(beam.PTransform[PCollection[tuple[int, PartPack]], PCollection[Pane]]):
    """PCollection[(shard, PartPack)] -> PCollection[Pane]: absolute values, never differences.

    The windows are those of the parts; Beam's are the global one. In a stream a window under a key
    leaves as its metric's triggers say: `early` by processing time, `speculative_every` after its
    first change that was not told; `on_time` when the watermark has passed its end; `late` with
    each pack that changes it after that. In batch it leaves once, as `on_time`. Whatever the order
    and the split of the parts, the pane with the most events is the same, and its value that of
    batch. A window without events has no pane. A part must come once: `ExtractParts` and the
    engine's bundles see to that, and a bundle that is retried is exact (`Fence`). Panes of a window
    are counted by `index` from 0; after a loss of state they begin anew, with lower counts.

    A window that is not wholly inside [`covers_from`, `covers_to`) is withheld (counter
    `windows_withheld`, once a window and key). In a stream a window is kept until the watermark has
    passed its end by the allowed lateness and a horizon (up to a 32nd of it longer); what comes
    later is withheld too (`windows_reopened`; rejects: `rejects_too_late`). `parts_unknown`: parts
    of metrics that are no longer declared. `panes_early`, `panes_on_time`, `panes_late`: what left.

    State of a stream, by shard: a log of parts and marks that is rewritten when it has doubled. A
    metric whose slot changes begins anew; a change of `shards` upstream is an incompatible update.
    Windows: global only. Panes have the time of what caused them.

    Args:
        metrics: as given to `ExtractParts`, those of rejects with them.
        horizon: as given to dedupe, in seconds.
        covers_from: event time in microseconds from which the input is complete; the least, which
            is the default, means all.
        covers_to: event time in microseconds up to which, itself left out, the input is complete.
        generation: of the panes; 0 of a live job.
        mode: `stream`, `batch`, or `auto`: batch iff the input is bounded.
        clock: seconds since the epoch, for speculative panes.
    """

    metrics: list[Metric]
    horizon: float
    covers_from: int = MIN_MICROS
    covers_to: int = MAX_MICROS
    generation: int = 0
    mode: Literal["auto", "stream", "batch"] = "auto"
    clock: Callable[[], float] = time.time

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

    def expand(self, parts: PCollection[tuple[int, PartPack]]) -> PCollection[Pane]:
        """Fold by shard."""
        batch = parts.is_bounded if self.mode == "auto" else self.mode == "batch"
        if batch:
            folding = beam.ParDo(_FoldGroup(self)).with_output_types(Pane)
            return parts | "GroupByShard" >> beam.GroupByKey() | "FoldShards" >> folding
        return parts | "FoldParts" >> beam.ParDo(_FoldStream(self)).with_output_types(Pane)


class _Shards:
    """What both DoFns share: how shards are made, and the counters of their tallies."""

    def __init__(self, given: FoldWindows) -> None:
        self._metrics = given.metrics
        self._horizon = round(given.horizon * 1_000_000)
        self._coverage = Coverage(given.covers_from, given.covers_to)
        self._generation = given.generation
        self._counters = {name: counter(name) for name in WindowTally.__struct_fields__}
        self._rules: dict[int, WindowRules] | None = None

    def new(self) -> WindowShard:
        """Return an empty shard."""
        if self._rules is None:
            self._rules = WindowRules.of(self._metrics)
        return WindowShard(self._rules, self._horizon, self._coverage, self._generation)

    def count(self, tally: WindowTally) -> None:
        """Add a tally to the counters."""
        for name, metric in self._counters.items():
            if number := getattr(tally, name):
                metric.inc(number)


class _FoldGroup(beam.DoFn):
    """Batch: all parts of a shard at once. A shard's windows are held in memory."""

    def __init__(self, given: FoldWindows) -> None:
        self._shards = _Shards(given)

    def process(self, element: tuple[int, Iterable[PartPack]]) -> Iterator[Pane]:
        windows, tally = self._shards.new(), WindowTally()
        for pack in element[1]:
            windows.absorb(pack, MIN_MICROS, tally)
        yield from windows.whole(tally)
        self._shards.count(tally)


class _FoldStream(beam.DoFn):
    """Stream: carries state, timers and fence to the shards."""

    LOG = BagStateSpec("log", BytesCoder())
    HEAD = ReadModifyWriteStateSpec("head", BytesCoder())
    CLOSE = TimerSpec("close", TimeDomain.WATERMARK)
    SPECULATE = TimerSpec("speculate", TimeDomain.REAL_TIME)
    LOG_PARAM = beam.DoFn.StateParam(LOG)
    HEAD_PARAM = beam.DoFn.StateParam(HEAD)
    CLOSE_PARAM = beam.DoFn.TimerParam(CLOSE)
    SPECULATE_PARAM = beam.DoFn.TimerParam(SPECULATE)

    def __init__(self, given: FoldWindows) -> None:
        self._shards = _Shards(given)
        self._clock = given.clock
        self._every = {
            each.slot: every
            for each in given.metrics
            if (every := each.triggers.speculative_every) is not None
        }

    def display_data(self) -> dict[str, Any]:
        return shown_layouts(WindowHead, WindowLog, PartPack)

    def setup(self) -> None:
        settle()
        self._fence: Fence[WindowShard] = Fence()

    def process(
        self,
        element: tuple[int, PartPack],
        log: Any = LOG_PARAM,
        head: Any = HEAD_PARAM,
        close: Any = CLOSE_PARAM,
        speculate: Any = SPECULATE_PARAM,
    ) -> list[Pane]:
        shard, pack = element
        known, tally = read_head(head), WindowTally()
        windows = self._take(shard, known, log)
        kept = windows.absorb(pack, known.lower, tally)
        panes = windows.late(kept, known.lower, tally)
        self._look_again(known, windows.changed(kept, known.lower), speculate)
        self._save(shard, known, windows, kept, (log, head, close))
        self._shards.count(tally)
        return panes

    @on_timer(CLOSE)
    def on_close(
        self,
        shard: int = beam.DoFn.KeyParam,
        timestamp: Timestamp = beam.DoFn.TimestampParam,
        log: Any = LOG_PARAM,
        head: Any = HEAD_PARAM,
        close: Any = CLOSE_PARAM,
    ) -> list[Pane]:
        known, tally = read_head(head), WindowTally()
        windows, kept = self._take(shard, known, log), WindowLog([], [])
        known.lower, known.closing = max(known.lower, timestamp.micros), None
        panes = windows.close(known.lower, kept, tally)
        known.dropped += windows.expire(known.lower)
        self._save(shard, known, windows, kept, (log, head, close))
        self._shards.count(tally)
        return panes

    @on_timer(SPECULATE)
    def on_speculate(
        self,
        shard: int = beam.DoFn.KeyParam,
        log: Any = LOG_PARAM,
        head: Any = HEAD_PARAM,
        close: Any = CLOSE_PARAM,
        speculate: Any = SPECULATE_PARAM,
    ) -> list[Pane]:
        known, tally = read_head(head), WindowTally()
        windows, kept = self._take(shard, known, log), WindowLog([], [])
        panes = windows.speculate(known.take_due(), kept, tally)
        if known.speculating:
            speculate.set(Timestamp(micros=min(known.speculating.values())))
        self._save(shard, known, windows, kept, (log, head, close))
        self._shards.count(tally)
        return panes

    def _look_again(self, known: WindowHead, slots: set[int], speculate: Any) -> None:
        """Set the timer for metrics that have begun to change."""
        begun = slots - known.speculating.keys()
        if not begun:
            return
        now = int(self._clock() * 1_000) * MILLISECOND
        known.speculating |= {slot: now + self._every[slot] for slot in begun}
        speculate.set(Timestamp(micros=min(known.speculating.values())))

    def _take(self, shard: int, known: WindowHead, log: Any) -> WindowShard:
        """Return the shard's windows and leave no copy behind: an exception must not keep one."""
        windows = self._fence.take(shard, known.nonce)
        if windows is None:
            windows = self._shards.new()
            if windows.load(map(decode_log, log.read()), known.lower):
                # A metric that is declared again later must not find what it has missed since.
                rewrite_log(log, known, windows)
        return windows

    def _save(
        self, shard: int, known: WindowHead, windows: WindowShard, kept: WindowLog, saved: _Saved
    ) -> None:
        """Log what came and was told, set the timer, and commit."""
        log, head, close = saved
        if kept:
            append_log(log, known, kept)
        if has_doubled(known) or known.dropped > len(windows):
            rewrite_log(log, known, windows)
        due = windows.next_due()
        if due is not None and (known.closing is None or due < known.closing):
            close.set(Timestamp(micros=due))
            known.closing = due
        known.nonce = self._fence.put(shard, windows)
        head.write(encode_head(known))
