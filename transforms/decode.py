"""Decodes messages by their contracts; what cannot be used leaves with its reason."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from schemas.content import content_digest, id_digest
from schemas.contract import Contracts
from schemas.decoder import Decoder, Reading
from schemas.events import Event, RawEvent
from schemas.packs import EventPack, RawPack
from schemas.refusal import Refusal
from schemas.rejected import Reason, Rejected, reject
from schemas.times import DAY
from transforms.counters import counter, rejected_counter
from transforms.garbage import settle
from transforms.key_packs import rekey
from transforms.pack_buffer import Full, PackBuffer

__all__ = ["Decode", "DecodePacks", "Decoded", "DecodedPacks", "event_of"]

STEP = "Decode"
_REJECTED = "rejected"
_MAX_ROWS = 500
_MAX_BYTES = 1_000_000
_SPREAD = 60_000_000
_ANY = -1
"""The key of a pack of no shard."""


class Decoded(NamedTuple):
    """What came of single messages."""

    events: PCollection[Event]
    rejected: PCollection[Rejected]


class DecodedPacks(NamedTuple):
    """What came of packed messages: packs keyed by shard."""

    packs: PCollection[tuple[int, EventPack]]
    rejected: PCollection[Rejected]


def event_of(raw: RawEvent, reading: Reading) -> Event:
    """Return the single form of a decoded message."""
    record, event_time, drift = reading
    return Event(
        event_id=record.event_id,
        event_type=type(record).__struct_config__.tag,
        user_id=record.user_id,
        session_id=record.session_id,
        event_time=event_time,
        source_system=record.source_system,
        details=msgspec.to_builtins(record.event_details),
        drift=drift,
        content=content_digest(record, drift),
        raw=raw,
    )


@dataclass
class Decode(beam.PTransform[PCollection[RawEvent], Decoded]):
    """Decode single messages: RawEvent -> Event, or Rejected with its reason.

    Timestamps and windows stay as they are; an event's own time is in `event_time`. Every message
    leaves once, on one of the two outputs. Counters: `read`, `rejected.<reason>`. Never raises for
    what is in a message.

    Args:
        contracts: the event types that are known.
        max_future: microseconds that an event may lie ahead of its publish time.
        max_event_bytes: the largest payload, as received and inflated.
        now: stands in for the publish time where there is none; None: no bound there.
    """

    contracts: Contracts
    max_future: int = DAY
    max_event_bytes: int = 1_000_000
    now: int | None = None

    def __post_init__(self) -> None:
        super().__init__()
        _check(self.max_future, self.max_event_bytes)

    @no_annotations
    def expand(self, pcoll: PCollection[RawEvent]) -> Decoded:
        """Apply the transform."""
        decoder = Decoder(self.contracts, self.max_future, self.max_event_bytes)
        outputs = pcoll | "DecodeMessages" >> (
            beam.ParDo(_Decode(decoder, self.now))
            .with_output_types(Event, rejected=Rejected)
            .with_outputs(_REJECTED, main="events")
        )
        return Decoded(outputs.events, outputs.rejected)


@dataclass
class DecodePacks(beam.PTransform[PCollection[RawPack], DecodedPacks]):
    """Decode packed messages: RawPack -> (shard, EventPack), or Rejected with its reason.

    Each bundle gathers its rows by shard, in order of arrival, into packs of up to 500 rows or
    about 1 MB, in the global window, stamped with the least timestamp of the elements that the
    rows came in. In a stream those are less than two minutes apart: what is late is judged by that
    timestamp, and old messages must not make new ones that are late look as if they were not. A
    message leaves once, as a row or as a Rejected; the same messages are accepted and refused as by
    `Decode`. Counters: `read`, `rejected.<reason>`.

    Args:
        contracts: the event types that are known.
        max_future: microseconds that an event may lie ahead of its publish time.
        max_event_bytes: the largest payload, as received and inflated.
        now: stands in for the publish time where there is none; None: no bound there.
        shards: of the steps that keep state; part of their saved state.
    """

    contracts: Contracts
    max_future: int = DAY
    max_event_bytes: int = 1_000_000
    now: int | None = None
    shards: int = 16

    def __post_init__(self) -> None:
        super().__init__()
        _check(self.max_future, self.max_event_bytes)
        if self.shards < 1:
            message = f"shards is {self.shards}; give 1 or more"
            raise ValueError(message)

    @no_annotations
    def expand(self, pcoll: PCollection[RawPack]) -> DecodedPacks:
        """Apply the transform."""
        decoder = Decoder(self.contracts, self.max_future, self.max_event_bytes)
        spread = None if pcoll.is_bounded else _SPREAD
        outputs = pcoll | "DecodePacks" >> (
            beam.ParDo(_DecodePacks(decoder, self.now, self.shards, spread))
            .with_output_types(tuple[int, EventPack], rejected=Rejected)
            .with_outputs(_REJECTED, main="packs")
        )
        return DecodedPacks(outputs.packs, outputs.rejected)


def _check(max_future: int, max_event_bytes: int) -> None:
    if max_future < 0:
        message = f"max_future is {max_future}; give microseconds, 0 or more"
        raise ValueError(message)
    if max_event_bytes < 1:
        message = f"max_event_bytes is {max_event_bytes}; give 1 or more"
        raise ValueError(message)


class _Refusing(beam.DoFn):
    """What both forms share."""

    def __init__(self, decoder: Decoder, now: int | None) -> None:
        self._decoder = decoder
        self._now = now
        self._read = counter("read")
        self._rejected = {reason: rejected_counter(reason.value) for reason in Reason}

    def refuse(self, raw: RawEvent, refusal: Refusal) -> TaggedOutput:
        """Count a refused message and send it to its output."""
        self._rejected[refusal.reason].inc()
        rejected = reject(raw, STEP, refusal.reason, refusal.detail, refusal.event_time)
        return TaggedOutput(_REJECTED, rejected)


class _Decode(_Refusing):
    def process(self, element: RawEvent) -> Iterable[Any]:
        self._read.inc()
        reference = self._now if element.publish_time is None else element.publish_time
        reading = self._decoder.read(element.payload, element.attributes, reference)
        if isinstance(reading, Refusal):
            yield self.refuse(element, reading)
        else:
            yield event_of(element, reading)


class _DecodePacks(_Refusing):
    def __init__(
        self, decoder: Decoder, now: int | None, shards: int, spread: int | None = None
    ) -> None:
        super().__init__(decoder, now)
        self._shards = shards
        self._spread = spread
        self.start_bundle()

    def setup(self) -> None:
        settle()

    def start_bundle(self) -> None:
        # Rows of a bundle that failed must not leave with the next one.
        self._buffer = PackBuffer(_MAX_ROWS, _MAX_BYTES)
        self._near: int | None = None

    def process(self, element: RawPack, timestamp: Any = beam.DoFn.TimestampParam) -> Iterable[Any]:
        self._read.inc(len(element))
        time = timestamp.micros
        yield from self._leave_far(time)
        readings: list[Reading] = []
        refused = []
        for row, reading in enumerate(self._decoder.read_pack(element, self._now)):
            if isinstance(reading, Refusal):
                refused.append(row)
                yield self.refuse(element.row(row), reading)
            else:
                readings.append(reading)
        if readings:
            pack = _event_pack(readings, element.without(refused) if refused else element)
            for shard, part in rekey((_ANY, pack), self._shards):
                for full in self._buffer.add(shard, part, time):
                    yield _stamped(full)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for full in self._buffer.drain():
            yield _stamped(full)

    def _leave_far(self, time: int) -> Iterator[WindowedValue]:
        """Let what is held leave where the next element is of another time."""
        if self._near is None or self._spread is None:
            self._near = time
        elif abs(time - self._near) > self._spread:
            self._near = time
            for full in self._buffer.drain():
                yield _stamped(full)


def _event_pack(readings: Iterable[Reading], raw: RawPack) -> EventPack:
    records, times, drifts = zip(*readings, strict=True)
    ids = [id_digest(record.event_id) for record in records]
    return EventPack(ids, [*map(content_digest, records, drifts)], [*times], raw)


def _stamped(full: Full) -> WindowedValue:
    shard, pack, least = full
    return WindowedValue((shard, pack), Timestamp(micros=least), (GlobalWindow(),))
