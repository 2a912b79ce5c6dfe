"""Writes row changes to Bigtable; each is written, or refused with a reason, and none is lost."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.windowed_value import WindowedValue

from schemas.bigtable_table import TABLE_ATTRIBUTE, TableName
from schemas.cell_lines import change_json
from schemas.cells import RowChange
from schemas.events import RawEvent
from schemas.rejected import Reason, Rejected, reject
from transforms.bigtable_connection import Connection
from transforms.counters import counter
from transforms.mutate_rows import BulkMutation, Patience
from transforms.mutation_batch import (
    MAX_MUTATIONS,
    MAX_ROW_BYTES,
    EncodedRow,
    UnwritableError,
    encode_row,
)
from transforms.request_order import RequestOrder

__all__ = ["ROWS_PER_REQUEST", "WriteCells", "Written", "refused_change"]

ROWS_PER_REQUEST = 1_000
"""Most rows of a request, where nothing else is asked for."""

_STEP = "WriteCells"
_REJECTED = "rejected"
_Place = tuple[Any, Any]  # timestamp and window of an element


class Written(NamedTuple):
    """The keys of the rows that were written, one for each change, and what was refused."""

    written: PCollection[bytes]
    rejected: PCollection[Rejected]


@dataclass
class WriteCells(beam.PTransform[PCollection[RowChange], Written]):
    """PCollection[RowChange] -> `Written(written, rejected)`.

    Each change is one atomic mutation of its row: first what the change clears, then per cell a
    SetCell with the cell's time and, before it, the deletion of the versions that it clears. It is
    idempotent, so a request that is cut, a retry and a repeated bundle do no harm. Rows are written
    in no order, and a row may stand twice in one request; but of two values for one cell (same
    time, as after two events in one millisecond) the second is only sent when the first is settled,
    so the last one stays, and so it is with a cell in a span that another change clears.

    Changes are buffered by bundle, up to the bounds of one request. A status that blames the row
    refuses it; a transient one is tried again with backoff until `deadline`, then the row is
    refused if others can be written. A refused change leaves as `Rejected` with reason
    `mutation_refused`, the status as detail, the table as an attribute, and as payload the change
    as JSON, which `schemas.cell_lines.parse_change` reads back. Elements keep their window and
    timestamp.
    Counters: `mutations` = `written` + `refused`, and `write_retries`.

    Raises, at run time: `NothingWrittenError`, which fails the bundle, so that the engine repeats
    it: the server is down, the table is missing, writing is not allowed.

    Args:
        table: `projects/PROJECT/instances/INSTANCE/tables/TABLE`; `BIGTABLE_EMULATOR_HOST` counts.
        app_profile: the app profile to write with.
        max_rows_per_request: most rows of a request.
        max_mutations_per_request: most mutations of a request (a row alone may have more).
        max_bytes_per_request: most bytes of a request (a row alone may have more).
        max_row_bytes: a larger change is refused without being sent.
        deadline: seconds to try for while no row of a batch is settled.
        attempt_timeout: seconds that one request may take.
        flow_control: let Bigtable set the rate of requests (batch write flow control).
    """

    table: str
    app_profile: str | None = None
    max_rows_per_request: int = ROWS_PER_REQUEST
    max_mutations_per_request: int = 20_000
    max_bytes_per_request: int = 4_000_000
    max_row_bytes: int = MAX_ROW_BYTES
    deadline: float = 60.0
    attempt_timeout: float = 20.0
    flow_control: bool = False

    def __post_init__(self) -> None:
        """Check the constants; nothing is opened."""
        TableName.parse(self.table)
        names = ("max_rows_per_request", "max_bytes_per_request", "max_row_bytes")
        for name in (*names, "deadline", "attempt_timeout"):
            if getattr(self, name) <= 0:
                msg = f"{name}={getattr(self, name)}: give a number above 0"
                raise ValueError(msg)
        if not 1 <= self.max_mutations_per_request <= MAX_MUTATIONS:
            msg = (
                f"max_mutations_per_request={self.max_mutations_per_request}: 1 to {MAX_MUTATIONS}"
            )
            raise ValueError(msg)

    @no_annotations
    def expand(self, changes: PCollection[RowChange]) -> Written:
        """Apply the one step."""
        outputs = changes | "WriteRows" >> beam.ParDo(_WriteRows(self)).with_outputs(
            _REJECTED, main="written"
        )
        outputs.written.element_type = bytes
        outputs[_REJECTED].element_type = Rejected
        return Written(outputs.written, outputs[_REJECTED])


def refused_change(change: RowChange, detail: str, table: str) -> Rejected:
    """Refuse a change; its payload can be applied again to the table that it was meant for.

    >>> refused_change(RowChange(b"r", []), "INVALID_ARGUMENT", "projects/p/...").detail
    'INVALID_ARGUMENT'
    """
    raw = RawEvent(change_json(change), {TABLE_ATTRIBUTE: table})
    return reject(raw, _STEP, Reason.MUTATION_REFUSED, detail)


class _WriteRows(beam.DoFn):
    """Buffers rows up to the bounds of a request; a thin shell around `BulkMutation`."""

    def __init__(self, constants: WriteCells) -> None:
        self._constants = constants

    def setup(self) -> None:
        constants = self._constants
        self._connection = Connection(
            TableName.parse(constants.table), constants.app_profile, constants.flow_control
        )
        patience = Patience(constants.deadline, constants.attempt_timeout)
        self._bulk = BulkMutation(self._connection.send, patience)
        self._count = {
            name: counter(name) for name in ("mutations", "written", "refused", "write_retries")
        }

    def start_bundle(self) -> None:
        self._clear()

    def process(
        self,
        change: RowChange,
        timestamp: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> Iterator[Any]:
        place = (timestamp, window)
        try:
            row = encode_row(change, self._constants.max_row_bytes)
        except UnwritableError as rule:
            self._counted(1, 1)
            yield self._refusal(change, f"INVALID_ARGUMENT: {rule}", place)
            return
        if self._is_full_with(row) or not self._order.allows(change):
            yield from self._flush()
        self._order.add(change)
        self._rows.append(row)
        self._places.append(place)
        self._bytes += len(row.entry)
        self._mutations += row.mutations

    def finish_bundle(self) -> Iterator[Any]:
        if self._rows:
            yield from self._flush()

    def teardown(self) -> None:
        self._connection.close()

    def _clear(self) -> None:
        self._rows: list[EncodedRow] = []
        self._places: list[_Place] = []
        self._bytes = self._mutations = 0
        self._order = RequestOrder()

    def _is_full_with(self, row: EncodedRow) -> bool:
        constants = self._constants
        return bool(self._rows) and (
            len(self._rows) >= constants.max_rows_per_request
            or self._bytes + len(row.entry) > constants.max_bytes_per_request
            or self._mutations + row.mutations > constants.max_mutations_per_request
        )

    def _flush(self) -> Iterator[Any]:
        rows, places = self._rows, self._places
        self._clear()
        before = self._bulk.retries
        refused = self._bulk.write(rows)
        self._count["write_retries"].inc(self._bulk.retries - before)
        self._counted(len(rows), len(refused))
        for index, (row, place) in enumerate(zip(rows, places, strict=True)):
            if index in refused:
                yield self._refusal(row.change, refused[index].name, place)
            else:
                yield WindowedValue(row.change.row_key, place[0], [place[1]])

    def _counted(self, mutations: int, refused: int) -> None:
        self._count["mutations"].inc(mutations)
        self._count["written"].inc(mutations - refused)
        self._count["refused"].inc(refused)

    def _refusal(self, change: RowChange, detail: str, place: _Place) -> TaggedOutput:
        timestamp, window = place
        refused = refused_change(change, detail, self._constants.table)
        return TaggedOutput(_REJECTED, WindowedValue(refused, timestamp, [window]))
