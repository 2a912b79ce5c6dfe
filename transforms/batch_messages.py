"""Gathers messages into batches for the archive: by hour and shard, up to a size or an age."""

import time
import zlib
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
from apache_beam.transforms.window import GlobalWindows, TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from schemas.archive_layout import HOUR
from schemas.packs import RawPack

__all__ = ["BatchMessages", "split_by_hour"]

_encode = msgspec.msgpack.Encoder().encode
_decode_pack = msgspec.msgpack.Decoder(RawPack).decode

Key = tuple[int, int]
"""Start of the hour in microseconds, shard."""


@dataclass
class BatchMessages(beam.PTransform[PCollection[RawPack], PCollection[tuple[int, RawPack]]]):
    """PCollection[RawPack] -> PCollection[(start of the hour in microseconds, RawPack)].

    A batch holds messages of one hour of publishing. It leaves with the pack that brings it to
    `max_bytes` of payload, or `max_age` seconds after its first pack came, whichever is first,
    whatever the bundles were. Its timestamp is that of its oldest element, and until it leaves the
    watermark is held there. In batch there is no age: the messages of a
    bounded input are grouped, and cut by size.

    Every message needs a publish time. Windows: global only. Order within a batch is that of
    arrival. A bundle that is run again makes the same batches again; after a failure of the engine
    they may be cut anew, so the same message may be in two batches that differ.

    Args:
        max_bytes: size of a batch.
        max_age: seconds that a batch may stay open.
        shards: how many batches of an hour may be open at a time.
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

    def expand(self, packs: PCollection[RawPack]) -> PCollection[tuple[int, RawPack]]:
        """Key by hour and shard, then gather."""
        keyed = packs | "SplitByHour" >> beam.FlatMap(split_by_hour, self.shards).with_output_types(
            tuple[Key, RawPack]
        )
        if packs.is_bounded:
            gathered = (
                keyed
                | "GroupByHour" >> beam.GroupByKey()
                | "CutGroups"
                >> beam.ParDo(_CutGroups(self.max_bytes)).with_output_types(tuple[int, RawPack])
            )
        else:
            windowed = keyed | "WindowGlobally" >> beam.WindowInto(GlobalWindows())
            gather = _GatherBatches(self.max_bytes, self.max_age, self.clock)
            gathered = windowed | "GatherBatches" >> beam.ParDo(gather).with_output_types(
                tuple[int, RawPack]
            )
        return gathered


def split_by_hour(pack: RawPack, shards: int) -> Iterator[tuple[Key, RawPack]]:
    """Yield the rows of each hour of publishing as a pack, keyed by hour and shard.

    The shard is that of the first row, so a pack stays whole and a bundle that is run again puts it
    into the same batch.

    Raises:
        ValueError: a message without a publish time.

    >>> [key for key, _ in split_by_hour(RawPack([b"a", b"b"], [1, HOUR]), shards=1)]
    [(0, 0), (3600000000, 0)]
    """
    rows_by_hour: dict[int, list[int]] = {}
    for row, published in enumerate(pack.publish_times or [None] * len(pack)):
        if published is None:
            msg = "publish_time: a message of the archive needs one"
            raise ValueError(msg)
        rows_by_hour.setdefault(published - published % HOUR, []).append(row)
    for hour, rows in rows_by_hour.items():
        part = pack if len(rows) == len(pack) else pack.take(rows)
        first = part.row(0)
        shard = zlib.crc32(first.message_id.encode() or first.payload) % shards
        yield (hour, shard), part


def _size_of(pack: RawPack) -> int:
    return sum(map(len, pack.payloads))


class _CutGroups(beam.DoFn):
    """Cuts what was published in an hour into batches by size."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def process(self, group: tuple[Key, Iterable[RawPack]]) -> Iterator[tuple[int, RawPack]]:
        (hour, _), packs = group
        held: list[RawPack] = []
        size = 0
        for pack in packs:
            held.append(pack)
            size += _size_of(pack)
            if size >= self._max_bytes:
                yield hour, RawPack.join(held)
                held, size = [], 0
        if held:
            yield hour, RawPack.join(held)


class _Open(msgspec.Struct, array_like=True):
    """An open batch: its bytes so far, its oldest timestamp and when it is due, in microseconds."""

    size: int
    oldest: int
    due: int


_decode_open = msgspec.msgpack.Decoder(_Open).decode


class _GatherBatches(beam.DoFn):
    """Holds the open batch of a key in state, and the watermark by the timer that it is due by."""

    PACKS = BagStateSpec("packs", BytesCoder())
    OPEN = ReadModifyWriteStateSpec("open", BytesCoder())
    DUE = TimerSpec("due", TimeDomain.REAL_TIME)
    PACKS_PARAM = beam.DoFn.StateParam(PACKS)
    OPEN_PARAM = beam.DoFn.StateParam(OPEN)
    DUE_PARAM = beam.DoFn.TimerParam(DUE)

    def __init__(self, max_bytes: int, max_age: float, clock: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._max_age = round(max_age * 1_000_000)
        self._clock = clock

    def process(
        self,
        element: tuple[Key, RawPack],
        timestamp: Timestamp = beam.DoFn.TimestampParam,
        packs: Any = PACKS_PARAM,
        opened: Any = OPEN_PARAM,
        due: Any = DUE_PARAM,
    ) -> Iterator[TimestampedValue]:
        """Add a pack; give out the batch that is large enough with it."""
        (hour, _), pack = element
        known = self._open(opened.read(), timestamp.micros)
        known.size += _size_of(pack)
        if known.size >= self._max_bytes:
            yield _batch(hour, known, [*map(_decode_pack, packs.read()), pack])
            packs.clear()
            opened.clear()
            due.clear()
            return
        if timestamp.micros <= known.oldest:
            # Set by the oldest element, the timer holds the watermark at its timestamp.
            known.oldest = timestamp.micros
            due.set(Timestamp(micros=known.due))
        packs.add(_encode(pack))
        opened.write(_encode(known))

    @on_timer(DUE)
    def on_due(
        self,
        key: Key = beam.DoFn.KeyParam,
        packs: Any = PACKS_PARAM,
        opened: Any = OPEN_PARAM,
    ) -> Iterator[TimestampedValue]:
        """Give out a batch that is old enough."""
        encoded = opened.read()
        if encoded is not None:
            yield _batch(key[0], _decode_open(encoded), map(_decode_pack, packs.read()))
            packs.clear()
            opened.clear()

    def _open(self, encoded: bytes | None, moment: int) -> _Open:
        if encoded is not None:
            return _decode_open(encoded)
        return _Open(0, moment, round(self._clock() * 1_000_000) + self._max_age)


def _batch(hour: int, known: _Open, packs: Iterable[RawPack]) -> TimestampedValue:
    return TimestampedValue((hour, RawPack.join(packs)), Timestamp(micros=known.oldest))
