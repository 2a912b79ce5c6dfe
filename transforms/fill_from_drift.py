"""Fills columns that contracts gained, from what the drift table holds of the same events."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from schemas.bigquery_schema import UNKNOWN_FIELDS
from schemas.content import id_digest
from schemas.contract import Contracts
from schemas.current_rows import row_rank
from schemas.decoder import Refusal
from schemas.drift_fill import DriftFill
from schemas.ops_tables import DRIFT
from schemas.packs import RawPack
from schemas.refused_rows import refused_row
from schemas.rejected import Rejected
from schemas.row_packs import RowPack
from schemas.silver_tables import silver_table
from schemas.times import format_rfc3339, parse_rfc3339
from transforms.counters import counter

__all__ = ["FillFromDrift", "Filled"]

STEP = "FillFromDrift"
_REJECTED = "rejected"
_ROWS, _DRIFT = "rows", "drift"
_UNKNOWN = b'"%b":[' % UNKNOWN_FIELDS.encode()

_Lines = dict[str, Iterable[bytes]]


class Filled(NamedTuple):
    """Rows with their columns filled, and drift that does not fit the contract of now."""

    rows: PCollection[RowPack]
    rejected: PCollection[Rejected]


class _Key(msgspec.Struct):
    """What rows of both tables say of their event."""

    event_id: str
    event_type: str
    event_timestamp: str
    content_digest: str


@dataclass
class FillFromDrift(beam.PTransform[tuple[PCollection[RawPack], PCollection[RawPack]], Filled]):
    """(lines of curated tables, lines of the drift table) -> `Filled(rows, rejected)`.

    Of each event whose row names unknown fields of which the contract knows some now, the row with
    their columns filled: personal values pseudonymised or dropped, all else as it was, but for
    `ingest_time`. Of several rows of an event the current one is filled. Rows of which nothing more
    is known are no output.

    Other events than the asked ones are passed over. Bounded; any windows; bundles, order and
    repetition of the lines change nothing. Counters:
    `rows_read` (those that name unknown fields), `filled`, `unknown_still`, `drift_missing` (rows
    whose drift is gone, as it is after its retention), `rejected.row_refused`.

    Errors: a value that does not fit its field goes to `rejected`, the row of the drift table with
    it; the row of its event is not filled. A line that is no row fails the job.

    Args:
        contracts: as they are now.
        pseudonym_key: where the key is; None if nothing is personal.
        ingest_time: of the filled rows, in microseconds.
        event_type: of the events that are asked for; None: all.
        span: [first, end) of their times, in microseconds; None: all.
    """

    contracts: Contracts
    pseudonym_key: str | None
    ingest_time: int
    event_type: str | None = None
    span: tuple[int, int] | None = None

    @no_annotations
    def expand(self, lines: tuple[PCollection[RawPack], PCollection[RawPack]]) -> Filled:
        """Bring rows and drift of an event together."""
        keyed = tuple[tuple[str, str], bytes]
        curated = lines[0] | "KeyRows" >> beam.FlatMap(self._rows).with_output_types(keyed)
        drift = lines[1] | "KeyDrift" >> beam.FlatMap(self._drift).with_output_types(keyed)
        outputs = (
            {_ROWS: curated, _DRIFT: drift}
            | "GroupByEvent" >> beam.CoGroupByKey()
            | "FillRows"
            >> beam.ParDo(_Fill(self))
            .with_output_types(RowPack, rejected=Rejected)
            .with_outputs(_REJECTED, main="rows")
        )
        return Filled(outputs.rows, outputs[_REJECTED])

    def _rows(self, pack: RawPack) -> Iterator[tuple[tuple[str, str], bytes]]:
        named = [n for n, line in enumerate(pack.payloads) if _UNKNOWN in line]
        return self._drift(pack.take(named))

    def _drift(self, pack: RawPack) -> Iterator[tuple[tuple[str, str], bytes]]:
        for line in pack.payloads:
            key = _key_of(line)
            if self._is_asked(key):
                yield (key.event_id, key.content_digest), line

    def _is_asked(self, key: "_Key") -> bool:
        if self.event_type is not None and key.event_type != self.event_type:
            return False
        if self.span is None:
            return True
        return self.span[0] <= parse_rfc3339(key.event_timestamp) < self.span[1]


_key_of = msgspec.json.Decoder(_Key).decode


class _Fill(beam.DoFn):
    """Fills the row of one event."""

    def __init__(self, given: FillFromDrift) -> None:
        self._contracts, self._key = given.contracts, given.pseudonym_key
        self._now = format_rfc3339(given.ingest_time)

    def setup(self) -> None:
        self._fill = DriftFill(self._contracts, self._key)
        types = self._contracts.types
        self._tables = {name: silver_table(self._contracts, name).full_name for name in types}

    def process(self, element: tuple[tuple[str, str], _Lines]) -> Iterator[Any]:
        key, lines = element
        rows = [msgspec.json.decode(line) for line in lines[_ROWS]]
        rows = [row for row in rows if row.get(UNKNOWN_FIELDS)]
        if not rows:
            return
        counter("rows_read").inc(len(rows))
        drift = min(lines[_DRIFT], default=None)
        if drift is None:
            counter("drift_missing").inc()
            return
        row = min(rows, key=row_rank)
        filled = self._fill.fill(row, msgspec.json.decode(drift)["drift"], self._now)
        if isinstance(filled, Refusal):
            counter("rejected.row_refused").inc()
            yield TaggedOutput(_REJECTED, _refused(drift, key, filled))
        elif filled is None:
            counter("unknown_still").inc()
        else:
            counter("filled").inc()
            ids = [_insert_id(key, msgspec.json.decode(filled))]
            yield RowPack(self._tables[row["event_type"]], [filled], ids)


def _refused(drift: bytes, key: tuple[str, str], refusal: Refusal) -> Rejected:
    pack = RowPack(DRIFT.full_name, [drift], [_insert_id(key, {})])
    return msgspec.structs.replace(refused_row(pack, 0, refusal.detail), step=STEP)


def _insert_id(key: tuple[str, str], row: Mapping[str, Any]) -> str:
    """Tell a filled row from that of the event as it came: by what is unknown of it still."""
    unknown = blake2b(msgspec.json.encode(row.get(UNKNOWN_FIELDS, [])), digest_size=8)
    return f"{id_digest(key[0]).hex()}{key[1]}{unknown.hexdigest()}"
