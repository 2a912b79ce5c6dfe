"""Unique events -> the rows of their types' tables, and of the drift table."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from schemas.contract import Contracts
from schemas.coverage import Coverage
from schemas.decoder import Decoder, Refusal
from schemas.ops_tables import DRIFT
from schemas.packs import EventPack, RawPack
from schemas.pseudonym import Pseudonymiser
from schemas.rejected import Reason, Rejected, reject
from schemas.row_packs import RowPack
from schemas.silver_rows import SilverTable, drift_row, endings_of, insert_ids_of, masked_in
from transforms.counters import counter, rejected_counter
from transforms.garbage import settle

__all__ = ["CuratePacks", "Curated"]

STEP = "Curate"
_REJECTED = "rejected"
_NO_ATTRIBUTES: dict[str, str] = {}
_UNREADABLE = (ValueError, msgspec.DecodeError, RecursionError)
_NO_LONGER = Refusal(Reason.BAD_VALUE, "event: refused when it was decoded again")
_ALL_TIME = Coverage()
_Encode = Callable[[Any, bytes, str | None], bytes]


class Curated(NamedTuple):
    """Rows by table, and events that can no longer be read."""

    rows: PCollection[RowPack]
    rejected: PCollection[Rejected]


@dataclass
class CuratePacks(beam.PTransform[PCollection[EventPack], Curated]):
    """PCollection[EventPack] -> `Curated(rows, rejected)`.

    Comes after dedupe. Of each event one row goes to the table of its type, however late it is, and
    if it has fields that its contract does not know, one with their values to `ops.drift`.
    Personal values are pseudonymised or dropped before anything leaves, except in `rejected` and in
    the messages beside the rows, which are for the quarantine. Values of unknown fields are in the
    drift table only, which is as restricted as the archive.

    A pack of events becomes a pack of rows for each of its tables, rows in the order of the
    events. Of equal events all is equal but `ingest_time`; insert ids are made of the digests of
    id and content. Windows and timestamps stay. A repeated bundle gives the same rows; with a clock
    their `ingest_time` is that of the repetition.

    Events outside the span are left out: the run that is asked for them writes them.

    Counters: `accepted` (events); of these `outside_span`, which have no row, and `drifted`, which
    have unknown fields; `unknown_names_masked` (of these fields); `rejected.<reason>`.

    Errors: an event that dedupe let through and the contracts now refuse, as after an update with
    other contracts, goes to `rejected`.

    Args:
        contracts: of all event types.
        pseudonym_key: where the key is (see `schemas.pseudonym`); None if nothing is personal.
        max_event_bytes: as given to the decoder before.
        ingest_time: of all rows, in microseconds; None: when their pack came by, by the clock.
        span: event times whose events become rows.
        clock: seconds since the epoch.
    """

    contracts: Contracts
    pseudonym_key: str | None
    max_event_bytes: int = 1_000_000
    ingest_time: int | None = None
    span: Coverage = _ALL_TIME
    clock: Callable[[], float] = time.time

    @no_annotations
    def expand(self, packs: PCollection[EventPack]) -> Curated:
        """Encode pack by pack."""
        outputs = packs | "EncodeRows" >> (
            beam.ParDo(_Curate(self))
            .with_output_types(RowPack, rejected=Rejected)
            .with_outputs(_REJECTED, main="rows")
        )
        return Curated(outputs.rows, outputs[_REJECTED])


class _Rows:
    """The rows of one table that a pack of events gives, with their places in it."""

    __slots__ = ("places", "rows", "table")

    def __init__(self, table: str) -> None:
        self.table = table
        self.rows: list[bytes] = []
        self.places: list[int] = []

    def pack(self, ids: list[str], raw: RawPack) -> RowPack:
        chosen = [ids[place] for place in self.places]
        return RowPack(self.table, self.rows, chosen, raw.take(self.places))


_ByType = dict[type, tuple[_Encode, _Rows]]


class _Curate(beam.DoFn):
    """Decodes events again, hides what is personal, and gathers their rows by table."""

    def __init__(self, given: CuratePacks) -> None:
        self._contracts = given.contracts
        self._key = given.pseudonym_key
        self._max_event_bytes = given.max_event_bytes
        self._ingest_time, self._clock, self._span = given.ingest_time, given.clock, given.span
        self._accepted, self._drifted = counter("accepted"), counter("drifted")
        self._outside, self._masked = counter("outside_span"), counter("unknown_names_masked")

    def setup(self) -> None:
        settle()
        self._decoder = Decoder(self._contracts, max_event_bytes=self._max_event_bytes)
        self._pseudonymiser = Pseudonymiser(self._contracts, self._key)
        self._tables = {name: SilverTable(self._contracts, name) for name in self._contracts.types}

    def process(self, pack: EventPack) -> Iterator[Any]:
        by_type: _ByType = {}
        drifted = _Rows(DRIFT.full_name)
        refused: list[int] = []
        places = self._inside(pack.event_times)
        self._encode(pack, places, by_type, drifted, refused)
        ids = insert_ids_of(pack)
        for rows in (*(rows for _, rows in by_type.values()), drifted):
            if rows.rows:
                yield rows.pack(ids, pack.raw)
        for place in refused:
            yield TaggedOutput(_REJECTED, self._reject(pack, place))
        self._accepted.inc(len(pack) - len(refused))
        self._outside.inc(len(pack) - len(places))
        self._drifted.inc(len(drifted.rows))

    def _inside(self, times: list[int]) -> Sequence[int]:
        if self._span.is_everything:
            return range(len(times))
        return [place for place, time in enumerate(times) if self._span.holds(time, 1)]

    def _encode(
        self,
        pack: EventPack,
        places: Sequence[int],
        by_type: _ByType,
        drifted: _Rows,
        refused: list[int],
    ) -> None:
        """Add the rows of some events to those of their type."""
        reread, hides = self._decoder.reread_whole, self._pseudonymiser.each(pack.raw)
        payloads, attributes = pack.raw.payloads, pack.raw.attributes
        endings = endings_of(pack.contents, pack.raw, self._ingested())
        for place in places:
            try:
                record, drift = reread(
                    payloads[place], attributes[place] if attributes else _NO_ATTRIBUTES
                )
            except _UNREADABLE:
                refused.append(place)
                continue
            kind = type(record)
            encode, rows = by_type.get(kind) or self._begin(by_type, kind)
            ending = endings[place]
            row = encode(hides[place](record), ending, drift)
            rows.rows.append(row)
            rows.places.append(place)
            if drift is not None:
                if masked := masked_in(row):
                    self._masked.inc(masked)
                event_type = kind.__struct_config__.tag
                drifted.rows.append(drift_row(event_type, record, ending, drift))
                drifted.places.append(place)

    def _begin(self, by_type: _ByType, kind: Any) -> tuple[_Encode, _Rows]:
        table = self._tables[kind.__struct_config__.tag]
        begun = by_type[kind] = table.row, _Rows(table.name)
        return begun

    def _ingested(self) -> int:
        return int(self._clock() * 1e6) if self._ingest_time is None else self._ingest_time

    def _reject(self, pack: EventPack, place: int) -> Rejected:
        raw = pack.raw.row(place)
        read = self._decoder.read(raw.payload, raw.attributes, None)
        refusal = read if isinstance(read, Refusal) else _NO_LONGER
        rejected_counter(refusal.reason.value).inc()
        return reject(raw, STEP, refusal.reason, refusal.detail, pack.event_times[place])
