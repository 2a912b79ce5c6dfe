"""Gathers messages into batches for the archive: by hour and shard, up to a size or an age."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

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
from apache_beam.transforms.window import GlobalWindow, GlobalWindows, TimestampedValue
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from schemas.archive_avro import in_order
from schemas.layouts import shown_layouts
from schemas.packs import RawPack
from schemas.parcels import Parcel
from transforms.split_by_hour import Gathered, HourBuffer, Key, cut

__all__ = ["Batch", "BatchMessages"]

Batch = tuple[int, RawPack]
"""Start of the hour in microseconds, messages of that hour."""

_PARCEL_BYTES = 1_000_000
# What a bundle may hold open when it is of many hours and shards.
_BUNDLE_BYTES = 64_000_000
_encode = msgspec.msgpack.Encoder().encode
_decode_parcel = msgspec.msgpack.Decoder(Parcel).decode


@dataclass
class BatchMessages(beam.PTransform[PCollection[RawPack], PCollection[Batch]]):
    """PCollection[RawPack] -> PCollection[(start of the hour in microseconds, RawPack)].

    A batch holds messages of one hour of publishing (`schemas.archive_layout.hour_of`). Nothing is
    dropped, late or not. A message without a publish time gets the timestamp of its element as its
    publish time.

    **Unbounded input.** A batch leaves as soon as it holds `max_bytes`, or `max_age` seconds after
    its first messages came, or when the input ends, whichever is first, whatever the bundles were.
    Its timestamp is the least of those that its messages came with, and until it leaves the
    watermark behind is held there. Order within it is that of arrival. A bundle that is run again
    makes the same batches again; after a failure of the engine they may be cut anew, so a message
    may be in two batches that differ.

    **Bounded input.** There is no age. The messages are grouped, put in order and cut by size, so
    equal messages in any order and any packs make equal batches; timestamps tell nothing. A worker
    holds all messages of an hour and shard in memory at once: choose `shards` so that it can.

    Size is that of payloads, attributes, ids and keys, and 64 bytes for each message. A batch is at
    most a megabyte, or one message, larger than `max_bytes`. Windows: global only.

    Args:
        max_bytes: size of a batch.
        max_age: seconds that a batch may stay open.
        shards: into how many parts, by message id, an hour is divided.
        clock: seconds since the epoch, for the age.
    """

    max_bytes: int = 32_000_000
    max_age: float = 300.0
    shards: int = 1
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_age", "shards"):
            if getattr(self, name) <= 0:
                msg = f"{name}={getattr(self, name)}: give a number above 0"
                raise ValueError(msg)

    def expand(self, packs: PCollection[RawPack]) -> PCollection[Batch]:
        """Send the messages to their hour and shard, and gather them there."""
        split = _SplitByHour(self.shards, min(self.max_bytes, _PARCEL_BYTES))
        keyed = (
            packs
            | "WindowGlobally" >> beam.WindowInto(GlobalWindows())
            | "SplitByHour" >> beam.ParDo(split).with_output_types(tuple[Key, Parcel])
        )
        if packs.is_bounded:
            cut_group = beam.FlatMap(_cut_group, self.max_bytes).with_output_types(Batch)
            return keyed | "GroupByHour" >> beam.GroupByKey() | "CutGroups" >> cut_group
        gather = _GatherBatches(self.max_bytes, self.max_age, self.clock)
        return keyed | "GatherBatches" >> beam.ParDo(gather).with_output_types(Batch)


class _SplitByHour(beam.DoFn):
    """RawPack -> (key, Parcel): what a bundle has of a key travels together."""

    def __init__(self, shards: int, parcel_bytes: int) -> None:
        self._bounds = (shards, parcel_bytes, _BUNDLE_BYTES)

    def start_bundle(self) -> None:
        """Begin with nothing, also after a bundle that failed."""
        self._buffer = HourBuffer(*self._bounds)

    def process(
        self, pack: RawPack, timestamp: Timestamp = beam.DoFn.TimestampParam
    ) -> Iterator[TimestampedValue]:
        """Put a pack's messages into their parcels; send off those that are full."""
        for full in self._buffer.add(pack, timestamp.micros):
            yield TimestampedValue(_addressed(full), Timestamp(micros=full.oldest))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Send off the rest."""
        for rest in self._buffer.drain():
            yield WindowedValue(_addressed(rest), Timestamp(micros=rest.oldest), (GlobalWindow(),))


def _addressed(gathered: Gathered) -> tuple[Key, Parcel]:
    return gathered.key, Parcel.of(gathered.pack, gathered.size)


def _cut_group(group: tuple[Key, Iterable[Parcel]], max_bytes: int) -> Iterator[Batch]:
    (hour, _), parcels = group
    # In order first: where the cuts are must not depend on how the messages came.
    together = in_order(RawPack.join(parcel.open() for parcel in parcels))
    for batch in cut(together, max_bytes):
        yield hour, batch


class _Open(msgspec.Struct, array_like=True):
    """An open batch: its size so far, its oldest timestamp and when it is due, in microseconds."""

    size: int
    oldest: int
    due: int


_decode_open = msgspec.msgpack.Decoder(_Open).decode


class _GatherBatches(beam.DoFn):
    """Holds the open batch of a key in state, and the watermark by the timer that it is due by."""

    PARCELS = BagStateSpec("parcels", BytesCoder())
    OPEN = ReadModifyWriteStateSpec("open", BytesCoder())
    DUE = TimerSpec("due", TimeDomain.REAL_TIME)
    END = TimerSpec("end", TimeDomain.WATERMARK)
    PARCELS_PARAM = beam.DoFn.StateParam(PARCELS)
    OPEN_PARAM = beam.DoFn.StateParam(OPEN)
    DUE_PARAM = beam.DoFn.TimerParam(DUE)
    END_PARAM = beam.DoFn.TimerParam(END)

    def __init__(self, max_bytes: int, max_age: float, clock: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._max_age = round(max_age * 1_000_000)
        self._clock = clock

    def display_data(self) -> dict[str, Any]:
        """Show what is kept, which the update of a job must be able to read."""
        return shown_layouts(_Open, Parcel, RawPack)

    def process(
        self,
        element: tuple[Key, Parcel],
        timestamp: Timestamp = beam.DoFn.TimestampParam,
        parcels: Any = PARCELS_PARAM,
        opened: Any = OPEN_PARAM,
        due: Any = DUE_PARAM,
        end: Any = END_PARAM,
    ) -> Iterator[TimestampedValue]:
        """Add a parcel; give out the batch that is large enough with it."""
        key, parcel = element
        encoded = opened.read()
        known = _decode_open(encoded) if encoded else self._begin(timestamp.micros)
        known.size += parcel.size
        if encoded is None or timestamp.micros < known.oldest:
            known.oldest = timestamp.micros
            # The timer holds the watermark at the timestamp of the element that sets it: that must
            # be the oldest one.
            due.set(Timestamp(micros=known.due))
        parcels.add(_encode(parcel))
        if known.size >= self._max_bytes:
            yield _batch(key, known, parcels)
            _forget(parcels, opened, due, end)
            return
        if encoded is None:
            end.set(GlobalWindow().max_timestamp())
        opened.write(_encode(known))

    @on_timer(DUE)
    def on_due(
        self,
        key: Key = beam.DoFn.KeyParam,
        parcels: Any = PARCELS_PARAM,
        opened: Any = OPEN_PARAM,
        due: Any = DUE_PARAM,
        end: Any = END_PARAM,
    ) -> Iterator[TimestampedValue]:
        """Give out a batch that is old enough."""
        yield from self._give(key, parcels, opened, due, end)

    @on_timer(END)
    def on_end(
        self,
        key: Key = beam.DoFn.KeyParam,
        parcels: Any = PARCELS_PARAM,
        opened: Any = OPEN_PARAM,
        due: Any = DUE_PARAM,
        end: Any = END_PARAM,
    ) -> Iterator[TimestampedValue]:
        """Give out what is open when the input has ended or is drained, instead of waiting."""
        yield from self._give(key, parcels, opened, due, end)

    def _give(self, key: Key, *state: Any) -> Iterator[TimestampedValue]:
        parcels, opened, *_ = state
        encoded = opened.read()
        if encoded is not None:
            yield _batch(key, _decode_open(encoded), parcels)
            _forget(*state)

    def _begin(self, moment: int) -> _Open:
        return _Open(0, moment, round(self._clock() * 1_000_000) + self._max_age)


def _batch(key: Key, known: _Open, parcels: Any) -> TimestampedValue:
    pack = RawPack.join(_decode_parcel(each).open() for each in parcels.read())
    return TimestampedValue((key[0], pack), Timestamp(micros=known.oldest))


def _forget(*state: Any) -> None:
    for each in state:
        each.clear()
