"""Appends packed rows to BigQuery tables by Beam's sink for the Storage Write API."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import apache_beam as beam
import msgspec
from apache_beam.io.gcp.bigquery import BigQueryDisposition, WriteToBigQuery
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.timestamp import Timestamp

from schemas.refused_rows import refused_row
from schemas.rejected import Rejected
from schemas.row_check import row_problem
from schemas.row_packs import RowPack
from schemas.row_sink import RowSink
from transforms.counters import counter
from transforms.expand_java import ExpansionService, expanding

__all__ = ["AppendRows", "Appended", "typed_row"]

Columns = Sequence[Mapping[str, Any]]

_REJECTED = "rejected"
_Row = dict[str, Any]
_AS_TEXT = dict.fromkeys(("DATE", "BIGNUMERIC", "DATETIME", "TIME", "JSON"), str)
_TYPES: dict[str, Callable[[Any], Any]] = {
    "BYTES": base64.b64decode,
    "FLOAT": float,
    "INTEGER": int,
    "NUMERIC": lambda value: Decimal(str(value)),
    "TIMESTAMP": Timestamp.from_rfc3339,
}


class Appended(NamedTuple):
    """The name of each table, and the rows that were refused."""

    written: PCollection[str]
    rejected: PCollection[Rejected]


@dataclass
class AppendRows(beam.PTransform[PCollection[RowPack], Appended]):
    """PCollection[RowPack] -> `Appended(written, rejected)`, by the Storage Write API.

    At least once. Beam's own sink, one for each table that `sink` names: it needs Java where the
    job is launched, or an expansion service that it can reach (`expand_java`), and a runner that
    runs transforms of several languages, such as Dataflow. It tells of a failed row nothing but its
    columns and an error, so the payload of a row that the service refuses is the row as JSON, with
    the attribute `bigquery_table`, and not the message that it came from: that one is found in the
    archive by the row's `message_id`, where its table has one. What is transient the sink tries
    again by itself.
    A row that does not fit the columns is refused before, with its message.
    Counters: `rows` and `rows_refused`; the sink does not tell which rows it wrote.

    Raises, while the graph is built: `ExpansionError`, in one line: nothing expands it here.

    Args:
        sink: names project and prefix, the columns of each table, and an expansion service.
        triggering_seconds: how often a stream is committed.
    """

    sink: RowSink
    triggering_seconds: int = 5

    def __post_init__(self) -> None:
        """Check the constants; nothing is opened."""
        if not self.sink.columns:
            msg = "storage: name the tables with their columns"
            raise ValueError(msg)

    @no_annotations
    def expand(self, packs: PCollection[RowPack]) -> Appended:
        """Write each table by a sink of its own."""
        tables = sorted(self.sink.columns)
        parts = packs | "SplitByTable" >> beam.Partition(_number, len(tables), tables)
        with expanding(packs.pipeline.options, self.sink.expansion_service) as service:
            refused = [
                part | f"Append {table}" >> _AppendTable(self, table, service)
                for table, part in zip(tables, parts, strict=True)
            ]
        written = packs | "NameTables" >> beam.Map(_table).with_output_types(str)
        return Appended(written, refused | "FlattenRefused" >> beam.Flatten())


@dataclass
class _AppendTable(beam.PTransform[PCollection[RowPack], PCollection[Rejected]]):
    constants: AppendRows
    table: str
    expansion_service: ExpansionService

    def expand(self, packs: PCollection[RowPack]) -> PCollection[Rejected]:
        rows = self.constants.sink
        # A project may have dots of its own, as in `example.com:my-project`.
        project, dataset, name = rows.full_name(self.table).rsplit(".", 2)
        sink = WriteToBigQuery(
            f"{project}:{dataset}.{name}",
            schema={"fields": list(rows.columns[self.table])},
            method=WriteToBigQuery.Method.STORAGE_WRITE_API,
            create_disposition=BigQueryDisposition.CREATE_NEVER,
            use_at_least_once=True,
            triggering_frequency=self.constants.triggering_seconds,
            type_overrides=_AS_TEXT,
            expansion_service=self.expansion_service,
        )
        typing = beam.ParDo(_TypeRows(rows, self.table)).with_output_types(_Row, rejected=Rejected)
        typed = packs | "TypeRows" >> typing.with_outputs(_REJECTED, main="rows")
        failed = (typed.rows | "Append" >> sink).failed_rows_with_errors
        refused = failed | "Refuse" >> beam.Map(_refused, self.table, rows.counted)
        return (typed[_REJECTED], refused) | "FlattenOfTable" >> beam.Flatten()


class _TypeRows(beam.DoFn):
    """Refuses rows that do not fit, for Beam's sink would fail of them, and types the others."""

    def __init__(self, sink: RowSink, table: str) -> None:
        self._columns, self._name = sink.columns[table], sink.counted

    def setup(self) -> None:
        self._rows, self._refused = counter(self._name), counter(f"{self._name}_refused")

    def process(self, pack: RowPack) -> Iterator[Any]:
        self._rows.inc(len(pack))
        for index, row in enumerate(pack.rows):
            problem = row_problem(row, self._columns)
            if not problem:
                try:
                    yield typed_row(msgspec.json.decode(row), self._columns)
                except (ArithmeticError, TypeError, ValueError):
                    problem = "another type"
            if problem:
                self._refused.inc()
                yield TaggedOutput(_REJECTED, refused_row(pack, index, problem))


def typed_row(value: Any, columns: Columns) -> Any:
    """Return a decoded JSON row that fits, whole and with the Python types that Beam's sink takes.

    >>> columns = [{"name": "n", "type": "INTEGER"}, {"name": "s", "type": "STRING"}]
    >>> typed_row({"n": "7"}, columns)
    {'n': 7, 's': None}
    """
    given = {name.lower(): each for name, each in value.items()}
    names = ((column, given.get(column["name"].lower())) for column in columns)
    return {column["name"]: _typed(each, column) for column, each in names}


def _typed(value: Any, column: Mapping[str, Any]) -> Any:
    if column.get("mode") == "REPEATED":
        single = {**column, "mode": "REQUIRED"}
        return [_typed(each, single) for each in value or ()]
    if value is None:
        return None
    if column["type"] == "RECORD":
        return typed_row(value, column["fields"])
    return _TYPES.get(column["type"], _same)(value)


def _same(value: Any) -> Any:
    return value


def _number(pack: RowPack, _count: int, tables: Sequence[str]) -> int:
    return tables.index(pack.table)


def _table(pack: RowPack) -> str:
    return pack.table


def _refused(failure: Mapping[str, Any], table: str, counted: str) -> Rejected:
    """Refuse a row that the sink gave back; its message may quote a value, so it is not told."""
    counter(f"{counted}_refused").inc()
    row = msgspec.json.encode(_plain(failure["failed_row"]))
    return refused_row(RowPack(table, [row], [""]), 0, "refused by the Storage Write API")


def _plain(value: Any) -> Any:
    """Return what Beam's sink gave back as JSON has it; nulls and empty lists are left out."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        plain = {name: _plain(each) for name, each in value.items()}
        return {name: each for name, each in plain.items() if each not in (None, [])}
    if isinstance(value, Timestamp):
        return value.to_rfc3339()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Decimal) else value
