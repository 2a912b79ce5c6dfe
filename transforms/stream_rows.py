"""Inserts packed rows into BigQuery tables as they come."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.windowed_value import WindowedValue

from schemas.refused_rows import refused_row
from schemas.rejected import Rejected
from schemas.row_packs import RowPack
from schemas.row_sink import RowSink
from transforms.bigquery_connection import TableConnection, encode_entry
from transforms.counters import counter
from transforms.insert_rows import BulkInsert
from transforms.mutate_rows import Patience

__all__ = ["MAX_ROW_BYTES", "StreamRows", "Streamed"]

MAX_ROW_BYTES = 9_500_000
"""Largest row that is sent: BigQuery takes requests of up to 10 MB, with their head."""

_REJECTED = "rejected"
_MOST_ROWS = 50_000
_MOST_BYTES = 10_000_000
_Place = tuple[Any, Any]  # timestamp and window of an element


class Streamed(NamedTuple):
    """The name of the table of each request, and the rows that were refused."""

    written: PCollection[str]
    rejected: PCollection[Rejected]


@dataclass
class StreamRows(beam.PTransform[PCollection[RowPack], Streamed]):
    """PCollection[RowPack] -> `Streamed(written, rejected)`, by tabledata.insertAll.

    Rows are buffered by bundle and table up to the bounds of one request, and sent with their
    insert ids, by which BigQuery drops most repetitions of the last minute; a retry, a lost answer
    and a repeated bundle may leave a row twice, and readers count it once (the `_current` views).
    A row that BigQuery blames is refused and the others of its request are written; what is
    transient is tried again with backoff until `deadline`, then a row is refused if the table takes
    rows at that moment. Elements keep their window and timestamp; order is not kept.
    Counters: `rows` = `rows_written` + `rows_refused`, and `row_retries`.

    Raises, at run time: `NothingWrittenError`, which fails the bundle, so that the engine repeats
    it: a table is missing, writing is not allowed, BigQuery does not answer.

    Args:
        sink: names the project and the prefix of the datasets.
        max_rows_per_request: most rows of a request; 500 is what BigQuery recommends.
        max_bytes_per_request: most bytes of a request (a row alone may have more).
        deadline: seconds to try for while no row of a batch is settled.
        attempt_timeout: seconds that one request may take.
    """

    sink: RowSink
    max_rows_per_request: int = 500
    max_bytes_per_request: int = 4_000_000
    deadline: float = 60.0
    attempt_timeout: float = 20.0

    def __post_init__(self) -> None:
        """Check the constants; nothing is opened."""
        for name, most in (
            ("max_rows_per_request", _MOST_ROWS),
            ("max_bytes_per_request", _MOST_BYTES),
        ):
            if not 1 <= getattr(self, name) <= most:
                msg = f"{name}={getattr(self, name)}: give 1 to {most}"
                raise ValueError(msg)
        for name in ("deadline", "attempt_timeout"):
            if getattr(self, name) <= 0:
                msg = f"{name}={getattr(self, name)}: give a number above 0"
                raise ValueError(msg)

    @no_annotations
    def expand(self, packs: PCollection[RowPack]) -> Streamed:
        """Apply the one step."""
        outputs = packs | "InsertAll" >> beam.ParDo(_InsertAll(self)).with_outputs(
            _REJECTED, main="written"
        )
        outputs.written.element_type = str
        outputs[_REJECTED].element_type = Rejected
        return Streamed(outputs.written, outputs[_REJECTED])


class _Buffer:
    """Rows of one table on their way into a request."""

    def __init__(self, bulk: BulkInsert) -> None:
        self.bulk = bulk
        self.clear()

    def clear(self) -> None:
        self.entries: list[bytes] = []
        self.origins: list[tuple[RowPack, int, _Place]] = []
        self.bytes = 0

    def add(self, entry: bytes, pack: RowPack, index: int, place: _Place) -> None:
        self.entries.append(entry)
        self.origins.append((pack, index, place))
        self.bytes += len(entry)


class _InsertAll(beam.DoFn):
    """Buffers rows up to the bounds of a request; a thin shell around `BulkInsert`."""

    def __init__(self, constants: StreamRows) -> None:
        self._constants = constants

    def setup(self) -> None:
        self._bulks: dict[str, BulkInsert] = {}
        name = self._constants.sink.counted
        self._rows = tuple(map(counter, (name, f"{name}_written", f"{name}_refused")))
        self._retries = counter("row_retries")

    def start_bundle(self) -> None:
        self._buffers: dict[str, _Buffer] = {}

    def process(
        self,
        pack: RowPack,
        timestamp: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> Iterator[Any]:
        place = (timestamp, window)
        buffer = self._buffers.get(pack.table)
        if buffer is None:
            buffer = self._buffers[pack.table] = _Buffer(self._bulk(pack.table))
        for index, row in enumerate(pack.rows):
            if len(row) > MAX_ROW_BYTES:
                self._counted(1, 1)
                yield self._refusal(pack, index, f"more than {MAX_ROW_BYTES} bytes", place)
                continue
            entry = encode_entry(row, pack.ids[index])
            if self._is_full_with(buffer, entry):
                yield from self._flush(pack.table, buffer)
            buffer.add(entry, pack, index, place)

    def finish_bundle(self) -> Iterator[Any]:
        for table, buffer in self._buffers.items():
            if buffer.entries:
                yield from self._flush(table, buffer)

    def _bulk(self, table: str) -> BulkInsert:
        if table not in self._bulks:
            name = self._constants.sink.full_name(table)
            patience = Patience(self._constants.deadline, self._constants.attempt_timeout)
            self._bulks[table] = BulkInsert(name, TableConnection(name).send, patience)
        return self._bulks[table]

    def _is_full_with(self, buffer: _Buffer, entry: bytes) -> bool:
        constants = self._constants
        return bool(buffer.entries) and (
            len(buffer.entries) >= constants.max_rows_per_request
            or buffer.bytes + len(entry) > constants.max_bytes_per_request
        )

    def _flush(self, table: str, buffer: _Buffer) -> Iterator[Any]:
        entries, origins = buffer.entries, buffer.origins
        buffer.clear()
        before = buffer.bulk.retries
        refused = buffer.bulk.write(entries)
        self._retries.inc(buffer.bulk.retries - before)
        self._counted(len(entries), len(refused))
        for number, told in refused.items():
            pack, index, place = origins[number]
            yield self._refusal(pack, index, told, place)
        _, _, (timestamp, window) = origins[-1]
        yield WindowedValue(table, timestamp, [window])

    def _counted(self, rows: int, refused: int) -> None:
        for each, number in zip(self._rows, (rows, rows - refused, refused), strict=True):
            each.inc(number)

    def _refusal(self, pack: RowPack, index: int, told: str, place: _Place) -> TaggedOutput:
        timestamp, window = place
        refused = refused_row(pack, index, told)
        return TaggedOutput(_REJECTED, WindowedValue(refused, timestamp, [window]))
