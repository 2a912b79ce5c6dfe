"""Rows of curated tables, from files or BigQuery -> records by shard of their event."""

import abc
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PBegin, PCollection
from apache_beam.transforms.window import GlobalWindow
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.windowed_value import WindowedValue

from schemas.content import id_digest
from schemas.contract import Contracts
from schemas.coverage import Coverage
from schemas.curated_records import CuratedRecord, CuratedRecords, Paths
from schemas.packs import RawPack
from schemas.record_file import NOT_READ
from schemas.silver_tables import silver_table
from schemas.table_names import Datasets
from schemas.times import DAY, micros
from transforms.counters import counter
from transforms.key_packs import shard_of
from transforms.object_store import list_objects
from transforms.query_tables import query_tables
from transforms.read_lines import ReadLines, UnreadableFileError

__all__ = ["CuratedFiles", "CuratedTables", "ReadCurated"]

_LINES = ".ndjson"
_RECORDS_A_PACK = 500
_WINDOW = GlobalWindow()
_encode = msgspec.msgpack.Encoder().encode

CuratedFiles = str
"""The folder that `--rows_output` of the curated events wrote."""
CuratedTables = Datasets
"""Where the tables are in BigQuery."""


@dataclass
class ReadCurated(beam.PTransform[PBegin, PCollection[tuple[int, bytes]]]):
    """Rows of a span -> PCollection[(shard of the event id, MessagePack array of records)].

    Of the tables of the event types in `paths`, the rows whose event time is in `span`, with those
    fields only; every stored row, so an event may be there more than once, all of it in one shard.
    Of BigQuery a query reads a day of a type; the columns that nothing needs are not read. Bounded;
    global window. Counter: `read`.

    Raises, where it is built: `OSError`, no table of these types is in the folder. At run time:
    `UnreadableFileError`, a line that is no row; `TableError`, BigQuery does not answer.

    Args:
        source: a folder, or where the tables are.
        contracts: of all event types.
        paths: what is read.
        span: of event time; closed.
        shards: how many shards there are.
    """

    source: CuratedFiles | CuratedTables
    contracts: Contracts
    paths: Paths
    span: Coverage
    shards: int

    def __post_init__(self) -> None:
        if not self.span.is_closed:
            msg = f"span={self.span}: give both its ends"
            raise ValueError(msg)

    @no_annotations
    def expand(self, pbegin: PBegin) -> PCollection[tuple[int, bytes]]:
        """Read the tables, and keep what is asked for."""
        shape = tuple[int, bytes]
        if isinstance(self.source, Datasets):
            days = beam.Create(list(_days(self.span, self.paths)), reshuffle=False)
            spread = pbegin | "NameDays" >> days | "SpreadDays" >> beam.Reshuffle()
            return spread | "AskTables" >> beam.ParDo(_AskTables(self)).with_output_types(shape)
        found = [_read(pbegin, self.source, self.contracts, each) for each in sorted(self.paths)]
        lines = [each for each in found if each is not None]
        if not lines:
            msg = f"{self.source}: no rows of {', '.join(sorted(self.paths))} are there"
            raise OSError(msg)
        together = lines | "FlattenLines" >> beam.Flatten()
        return together | "KeepFields" >> beam.ParDo(_KeepFields(self)).with_output_types(shape)


def _read(
    pbegin: PBegin, folder: str, contracts: Contracts, event_type: str
) -> PCollection[RawPack] | None:
    """Return the lines of a type's table; None: nothing was written of it."""
    place = f"{folder}/{silver_table(contracts, event_type).full_name}"
    if next(iter(list_objects(place, _LINES)), None) is None:
        return None
    lines: PCollection[RawPack] = pbegin | f"Read_{event_type}" >> ReadLines(f"{place}/*{_LINES}")
    return lines


def _days(span: Coverage, event_types: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """Yield each type with each day of the span, its partitions."""
    for event_type in sorted(event_types):
        for day in range(span.start // DAY * DAY, span.end, DAY):
            yield event_type, max(day, span.start), min(day + DAY, span.end)


class _Sharding(beam.DoFn, abc.ABC):
    """Packs records by shard."""

    def __init__(self, given: ReadCurated) -> None:
        self._given = given.contracts, given.paths
        self._span, self._shards = given.span, given.shards
        self._read = counter("read")

    def setup(self) -> None:
        self._records = CuratedRecords(*self._given)

    def start_bundle(self) -> None:
        self._kept: defaultdict[int, list[CuratedRecord]] = defaultdict(list)

    def _keep(self, records: Iterable[CuratedRecord]) -> Iterator[tuple[int, bytes]]:
        for record in records:
            if not self._span.start <= micros(record.event_timestamp) < self._span.end:
                continue
            self._read.inc()
            shard = shard_of(id_digest(record.event_id), self._shards)
            pack = self._kept[shard]
            pack.append(record)
            if len(pack) >= _RECORDS_A_PACK:
                yield shard, _encode(self._kept.pop(shard))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for shard, pack in self._kept.items():
            yield WindowedValue((shard, _encode(pack)), _WINDOW.max_timestamp(), [_WINDOW])


class _KeepFields(_Sharding):
    """Lines of files -> records."""

    def process(self, pack: RawPack) -> Iterator[tuple[int, bytes]]:
        yield from self._keep(map(self._record, pack.payloads))

    def _record(self, line: bytes) -> CuratedRecord:
        try:
            return self._records.of_line(line)
        except NOT_READ:
            msg = "curated rows: a line is no row of its table; move its file away"
            raise UnreadableFileError(msg) from None


class _AskTables(_Sharding):
    """A day of a type -> its records."""

    def __init__(self, given: ReadCurated) -> None:
        super().__init__(given)
        self._datasets = given.source

    def process(self, element: tuple[str, int, int]) -> Iterator[tuple[int, bytes]]:
        event_type, first, end = element
        assert isinstance(self._datasets, Datasets)
        sql = self._records.query(event_type)
        rows = query_tables(self._datasets, sql, first=first, end=end)
        yield from self._keep(self._records.of_row(event_type, row) for row in rows)
