"""Decodes messages and makes their rows in one go, for batch: nothing is decoded twice."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from schemas.content import content_digest, id_digest
from schemas.contract import Contracts
from schemas.coverage import Coverage
from schemas.curated_packs import NO_TABLE, CuratedPack, compressed, encoded
from schemas.decoder import Decoder, Record
from schemas.events import RawEvent
from schemas.packs import EventPack, RawPack
from schemas.pseudonym import Pseudonymiser
from schemas.refusal import Refusal
from schemas.rejected import Reason, Rejected, reject
from schemas.silver_rows import SilverTable, drift_row, endings_of
from schemas.times import DAY
from transforms.counters import counter, rejected_counter
from transforms.garbage import settle
from transforms.key_packs import shards_of
from transforms.work_beside import WorkBeside

__all__ = ["DecodeRows", "DecodedRows"]

STEP = "Decode"
_REJECTED = "rejected"
_MAX_ROWS = 500
_MAX_BYTES = 2_000_000
_MOST_OPEN = 4
_ALL_TIME = Coverage()

_Read = tuple[Record, str | None]
_Sealed = tuple[int, bytes]
_Entry = tuple[bytes, bytes, int, RawEvent | bytes, int, bytes, bytes]
"""Digests of id and content, event time, message (bytes if nothing else is known of it), number of
the table, row, row of the drift table."""


class DecodedRows(NamedTuple):
    """What came of packed messages: sealed `CuratedPack`s keyed by shard."""

    packs: PCollection[tuple[int, bytes]]
    rejected: PCollection[Rejected]


@dataclass
class DecodeRows(beam.PTransform[PCollection[RawPack], DecodedRows]):
    """PCollection[RawPack] -> `DecodedRows(packs, rejected)`; bounded input.

    Accepts and refuses what `DecodePacks` does, with its counters `read` and `rejected.<reason>`,
    and makes of each event the rows that `CuratePacks` makes. Each bundle gathers events by shard
    of the event id, in order of arrival, into packs of up to 500 or about 2 MB. Events outside the
    span travel without a row: dedupe has to see them. A repeated bundle gives the same packs.

    Args:
        contracts: of all event types; tables have the numbers of their places in `types`.
        pseudonym_key: where the key is (see `schemas.pseudonym`); None if nothing is personal.
        now: stands in for the publish time where there is none, and is the time of ingestion of
            all rows, in microseconds.
        shards: how many there are.
        max_future: microseconds that an event may lie ahead of its publish time.
        max_event_bytes: the largest payload, as received and inflated.
        span: event times whose events become rows.
    """

    contracts: Contracts
    pseudonym_key: str | None
    now: int
    shards: int = 16
    max_future: int = DAY
    max_event_bytes: int = 1_000_000
    span: Coverage = _ALL_TIME

    def __post_init__(self) -> None:
        for name, least in (("shards", 1), ("max_future", 0), ("max_event_bytes", 1)):
            if getattr(self, name) < least:
                msg = f"{name} is {getattr(self, name)}; give {least} or more"
                raise ValueError(msg)

    @no_annotations
    def expand(self, packs: PCollection[RawPack]) -> DecodedRows:
        """Decode bundle by bundle."""
        outputs = packs | "DecodeRows" >> (
            beam.ParDo(_DecodeRows(self))
            .with_output_types(tuple[int, bytes], rejected=Rejected)
            .with_outputs(_REJECTED, main="packs")
        )
        return DecodedRows(outputs.packs, outputs[_REJECTED])


class _DecodeRows(beam.DoFn):
    """Decodes pack by pack; holds the events of a bundle by shard."""

    def __init__(self, given: DecodeRows) -> None:
        self._given = given
        self._read = counter("read")
        self._rejected = {reason: rejected_counter(reason.value) for reason in Reason}

    def setup(self) -> None:
        settle()
        given = self._given
        self._decoder = Decoder(given.contracts, given.max_future, given.max_event_bytes)
        self._rows = _Rows(given)
        self._beside: WorkBeside[_Sealed] = WorkBeside(_MOST_OPEN)

    def start_bundle(self) -> None:
        self._beside.begin()
        # Events of a bundle that failed must not leave with the next one.
        self._open: dict[int, _Shard] = {}

    def process(self, element: RawPack) -> Iterator[Any]:
        self._read.inc(len(element))
        read: list[_Read] = []
        ids: list[bytes] = []
        contents: list[bytes] = []
        times: list[int] = []
        refused: list[tuple[int, Refusal]] = []
        for place, reading in enumerate(map(self._decoder.read, *self._columns(element))):
            if isinstance(reading, Refusal):
                refused.append((place, reading))
                continue
            record, time, drift = reading
            read.append((record, drift))
            ids.append(id_digest(record.event_id))
            # Before the row is made, which hides what is personal.
            contents.append(content_digest(record, drift))
            times.append(time)
        raw = element.without([place for place, _ in refused]) if refused else element
        yield from self._gather(EventPack(ids, contents, times, raw), read)
        for place, refusal in refused:
            yield self._refuse(element.row(place), refusal)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for shard, held in self._open.items():
            for sealed in self._seal(shard, held):
                yield WindowedValue(sealed, MIN_TIMESTAMP, [GlobalWindow()])
        for sealed in self._beside.drain():
            yield WindowedValue(sealed, MIN_TIMESTAMP, [GlobalWindow()])

    def teardown(self) -> None:
        self._beside.close()

    def _gather(self, pack: EventPack, read: list[_Read]) -> Iterator[_Sealed]:
        """Give each event to its shard, and out what is full."""
        if not read:
            return
        owners = shards_of(pack.ids, self._given.shards).tolist()
        for shard, entry in zip(owners, self._rows.of(pack, read), strict=True):
            held = self._open.get(shard)
            if held is None:
                held = self._open[shard] = _Shard()
            held.entries.append(entry)
            held.size += len(entry[5])
            if len(held.entries) >= _MAX_ROWS or held.size >= _MAX_BYTES:
                yield from self._seal(shard, self._open.pop(shard))

    def _seal(self, shard: int, held: "_Shard") -> Iterator[_Sealed]:
        """Compress beside; return what is done."""
        pack = encoded(held.pack())
        return self._beside.put(lambda: (shard, compressed(pack)))

    def _columns(self, pack: RawPack) -> tuple[Iterable[Any], ...]:
        now, count = self._given.now, len(pack)
        times: list[int | None] = [now] * count
        if pack.publish_times:
            times = [now if time is None else time for time in pack.publish_times]
        return pack.payloads, pack.attributes or [None] * count, times

    def _refuse(self, raw: RawEvent, refusal: Refusal) -> TaggedOutput:
        self._rejected[refusal.reason].inc()
        rejected = reject(raw, STEP, refusal.reason, refusal.detail, refusal.event_time)
        return TaggedOutput(_REJECTED, rejected)


class _Rows:
    """Makes the rows of decoded events."""

    def __init__(self, given: DecodeRows) -> None:
        contracts = given.contracts
        self._hide = Pseudonymiser(contracts, given.pseudonym_key).apply
        self._tables = {
            name: (number, SilverTable(contracts, name).row)
            for number, name in enumerate(contracts.types)
        }
        self._by_kind: dict[Any, Any] = {}
        self._now, self._span = given.now, given.span

    def of(self, pack: EventPack, read: list[_Read]) -> Iterator[_Entry]:
        """Return each event of a pack with its rows."""
        hide, by_kind, span = self._hide, self._by_kind, self._span
        everything = span.is_everything
        raw = pack.raw
        messages = raw.payloads if _is_bare(raw) else [raw.row(n) for n in range(len(raw))]
        columns = zip(
            read, endings_of(pack, self._now), pack.ids, pack.contents, pack.event_times, messages,
            strict=True,
        )  # fmt: skip
        for (record, drift), ending, identity, content, time, message in columns:
            if not everything and not span.holds(time, 1):
                yield identity, content, time, message, NO_TABLE, b"", b""
                continue
            kind = type(record)
            table, encode = by_kind.get(kind) or self._begin(kind)
            row = encode(hide(record), ending, drift)
            drifted = b""
            if drift is not None:
                drifted = drift_row(kind.__struct_config__.tag, record, ending, drift)
            yield identity, content, time, message, table, row, drifted

    def _begin(self, kind: Any) -> Any:
        begun = self._by_kind[kind] = self._tables[kind.__struct_config__.tag]
        return begun


class _Shard:
    """Events of one shard that have not left yet."""

    __slots__ = ("entries", "size")

    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self.size = 0

    def pack(self) -> CuratedPack:
        ids, contents, times, messages, tables, rows, drifts = map(
            list, zip(*self.entries, strict=True)
        )
        drifted = drifts if any(drifts) else None
        return CuratedPack(ids, contents, times, _raw(messages), 0, tables, rows, drifted)


def _raw(messages: list[RawEvent | bytes]) -> RawPack:
    payloads = [each for each in messages if isinstance(each, bytes)]
    if len(payloads) == len(messages):
        return RawPack(payloads)
    return RawPack.of(RawEvent(each) if isinstance(each, bytes) else each for each in messages)


def _is_bare(raw: RawPack) -> bool:
    columns = (raw.publish_times, raw.message_ids, raw.attributes, raw.ordering_keys)
    return all(column is None for column in columns)
