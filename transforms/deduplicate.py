"""Remove repeated events, in stream and in batch, and tell copies from conflicts."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindows, TimestampCombiner
from apache_beam.typehints.decorators import no_annotations

from schemas.events import Event
from schemas.packs import EventPack
from schemas.rejected import Reason, Rejected, reject
from transforms.find_copies import CONFLICTS, DUPLICATES, ChooseSurvivors, FindCopies
from transforms.key_packs import KeyPacks
from transforms.pack_elements import ElementRows, PackElements, UnpackElements
from transforms.seen_ids import Retention

__all__ = ["Deduplicate", "DeduplicatePacks", "Deduplicated", "RejectConflicts"]

_MODES = ("auto", "stream", "batch")


class Deduplicated(NamedTuple):
    """What came of the input; every event is in exactly one of the three."""

    unique: PCollection[Any]
    duplicates: PCollection[Any]
    conflicts: PCollection[Any]


@dataclass
class DeduplicatePacks(beam.PTransform[PCollection[tuple[int, EventPack]], Deduplicated]):
    """(shard, `EventPack`) -> packs of unique events, of duplicates and of conflicts.

    An event is a **duplicate** of an earlier one if id and content are the same, and a **conflict**
    if only the id is. Of a conflict one event is kept, and every copy of the others is a conflict
    again. The output is in the global window, without the shards. Counters `duplicate` and
    `conflict`; distribution `duplicate_distance_ms`.

    **Stream.** The first to arrive is kept; in a pack, the first row. Copies are found until the
    watermark has passed the later of the first copy's event time and of the watermark at its
    arrival by `horizon`; after another two ticks (of a 32nd of the horizon, not below 1 ms) a copy
    counts as unique, on a shard without traffic up to half a horizon later (after 32 horizons of
    pause a quarter of what goes beyond, if that is more). Before a shard's first tick, and in a
    bundle in which a timer fired, the watermark is unknown: those ids are anchored when another
    bundle comes, and found until then if the first copy was not more than 8 horizons late. An
    engine that hands out elements before timers that are due shortens a horizon by what the
    watermark went on meanwhile. Content is compared by 4 bytes of its digest. A unique pack gets as
    `watermark` the latest time that the watermark is known to have passed (`WatermarkClock` says
    how exact that is after a pause). The distance is that of the two copies' anchors, exact to a
    tick. A retry or a restart changes nothing.

    **Batch.** All copies are found. The survivor is the one with the least publish time, then the
    least content digest; an event without a publish time comes after all that have one. Order and
    split of the input change nothing, down to the bytes. `watermark` is `MIN_MICROS`, as nothing is
    late. The distance is that of the publish times, where both are known. Packs have the earliest
    timestamp of their shard.

    Both modes keep the same ids, and for ids without conflict the same content.

    Errors: ids that are not 16 bytes, or columns of unequal length, raise `ValueError`.

    Args:
        horizon: seconds between two copies up to which the second is found in a stream.
        shards: how many keys the work is spread over; part of the saved state. Packs with another
            key than the ids say are split and keyed anew.
        mode: `auto` takes `stream` for an unbounded input and else `batch`.
        max_future: seconds; an event time further ahead of the watermark and of the newest publish
            time that its shard has seen counts as that far ahead, so that a wrong clock cannot fill
            the state. Where publish times are known, timestamps ahead of them count as them.
    """

    horizon: float
    shards: int
    mode: str = "auto"
    max_future: float = 86_400.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.horizon) and self.horizon >= 0.001):
            msg = f"horizon={self.horizon}: give seconds, at least 0.001"
            raise ValueError(msg)
        if self.shards < 1:
            msg = f"shards={self.shards}: give at least 1"
            raise ValueError(msg)
        if self.mode not in _MODES:
            msg = f"mode={self.mode!r}: give one of {', '.join(_MODES)}"
            raise ValueError(msg)
        if not (math.isfinite(self.max_future) and self.max_future >= 0):
            msg = f"max_future={self.max_future}: give seconds, not below 0"
            raise ValueError(msg)

    @no_annotations
    def expand(self, packs: PCollection[tuple[int, EventPack]]) -> Deduplicated:
        """Find the copies of each id."""
        keyed = packs | "KeyPacks" >> KeyPacks(self.shards)
        split = self._stream(keyed) if self._is_stream(packs) else _batch(keyed)
        # What batch says about timestamps would make the groupings of others much slower.
        return Deduplicated(
            split.unique | "WindowUnique" >> beam.WindowInto(GlobalWindows()),
            split.duplicates | "WindowDuplicates" >> beam.WindowInto(GlobalWindows()),
            split.conflicts | "WindowConflicts" >> beam.WindowInto(GlobalWindows()),
        )

    def _is_stream(self, packs: PCollection[tuple[int, EventPack]]) -> bool:
        if self.mode == "batch" and not packs.is_bounded:
            msg = "mode='batch' on an unbounded input: its end never comes; give 'stream'"
            raise ValueError(msg)
        return self.mode == "stream" or not (self.mode == "batch" or packs.is_bounded)

    def _stream(self, keyed: PCollection[tuple[int, EventPack]]) -> Any:
        retention = Retention.of(round(self.horizon * 1e6), round(self.max_future * 1e6))
        windowed = keyed | "WindowGlobally" >> beam.WindowInto(GlobalWindows())
        return windowed | "FindCopies" >> _split(FindCopies(retention))


def _batch(keyed: PCollection[tuple[int, EventPack]]) -> Any:
    grouped = (
        keyed
        | "WindowGlobally"
        >> beam.WindowInto(GlobalWindows(), timestamp_combiner=TimestampCombiner.OUTPUT_AT_EARLIEST)
        | "GroupByShard" >> beam.GroupByKey()
    )
    return grouped | "ChooseSurvivors" >> _split(ChooseSurvivors())


def _split(finding: beam.DoFn) -> Any:
    typed = beam.ParDo(finding).with_output_types(
        EventPack, **{DUPLICATES: EventPack, CONFLICTS: EventPack}
    )
    return typed.with_outputs(DUPLICATES, CONFLICTS, main="unique")


@dataclass
class Deduplicate(beam.PTransform[PCollection[Any], Deduplicated]):
    """Single elements -> unique ones, duplicates and conflicts: `DeduplicatePacks` for any type.

    Elements are packed per bundle, so it is about as quick, and the results are the same. They come
    out in the global window with their own timestamps, in any order. Counters, bounds, retries and
    the two ways of choosing are those of `DeduplicatePacks`.

    An `Event` needs no functions. Of other elements the key has to be given; without `content` two
    elements are copies if their values are equal (the order of a dict's keys does not count), and
    times are the element's timestamp.

    Errors: no `key` for elements that are no events raises `ValueError`, or `TypeError` where the
    type is only known at run time. What a given function raises fails the bundle.

    Args:
        key: element -> its id: a `str`, or another value that msgspec can encode.
        horizon: seconds between two copies up to which the second is found in a stream.
        shards: how many keys the work is spread over; part of the saved state.
        event_time: element -> microseconds since the epoch.
        content: element -> bytes that are the same for copies only.
        publish_time: element -> microseconds since the epoch or None; chooses in batch.
        mode: `auto` takes `stream` for an unbounded input and else `batch`.
        max_future: seconds; an event time further ahead of the watermark and of the publish time
            counts as that far ahead.

    >>> with beam.Pipeline(runner="FnApiRunner") as pipeline:
    ...     orders = pipeline | beam.Create([{"order": 7}, {"order": 7}])
    ...     split = orders | Deduplicate(key=lambda order: order["order"], horizon=600, shards=4)
    ...     _ = split.unique | beam.Map(print)
    {'order': 7}
    """

    key: Callable[[Any], object] | None = None
    horizon: float = 3_600.0
    shards: int = 16
    event_time: Callable[[Any], int] | None = None
    content: Callable[[Any], bytes] | None = None
    publish_time: Callable[[Any], int | None] | None = None
    mode: str = "auto"
    max_future: float = 86_400.0

    def __post_init__(self) -> None:
        self._packs = DeduplicatePacks(self.horizon, self.shards, self.mode, self.max_future)

    @no_annotations
    def expand(self, elements: PCollection[Any]) -> Deduplicated:
        """Pack, find the copies of each id, unpack."""
        kind = elements.element_type
        if self.key is None and kind not in (Any, beam.typehints.Any, None, Event):
            msg = f"key=None on elements of type {kind}: give a function from an element to its id"
            raise ValueError(msg)
        rows = ElementRows.of(kind, self.key, self.event_time, self.content, self.publish_time)
        packs = elements | "PackElements" >> PackElements(rows, self.shards)
        split = packs | "DeduplicatePacks" >> self._packs
        return Deduplicated(
            split.unique | "UnpackUnique" >> UnpackElements(rows),
            split.duplicates | "UnpackDuplicates" >> UnpackElements(rows),
            split.conflicts | "UnpackConflicts" >> UnpackElements(rows),
        )


@dataclass
class RejectConflicts(beam.PTransform[PCollection[EventPack], PCollection[Rejected]]):
    """Packs of conflicts -> one `Rejected` a row, with reason `id_conflict`, for the quarantine.

    They are counted as `conflict` where they were found, so no other counter moves here.
    """

    def expand(self, conflicts: PCollection[EventPack]) -> PCollection[Rejected]:
        """Refuse each row."""
        rejected: Any = conflicts | "RejectRows" >> beam.FlatMap(_reject).with_output_types(
            Rejected
        )
        return rejected


def _reject(pack: EventPack) -> Iterator[Rejected]:
    for row, event_time in enumerate(pack.event_times):
        detail = "event_id: already used by an event with other content"
        yield reject(pack.raw.row(row), "Deduplicate", Reason.ID_CONFLICT, detail, event_time)
