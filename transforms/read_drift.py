"""Reads the curated rows that name unknown fields, and the drift of their days, from BigQuery."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from schemas.bigquery_schema import UNKNOWN_FIELDS
from schemas.ops_tables import DRIFT
from schemas.packs import RawPack
from schemas.row_order import KEPT_FIRST
from schemas.stored_rows import stored_line
from schemas.table_names import Datasets
from schemas.tables import Table
from schemas.times import DAY, parse_rfc3339
from transforms.query_tables import query_tables

__all__ = ["DriftLines", "ReadDrift"]

_DRIFT = "drift"
_LINES_A_PACK = 500
_IN_SPAN = "event_timestamp >= @first AND event_timestamp < @end"

_Day = tuple[str, int, int]
"""An event type, and the part of a day of it that is asked for, in microseconds."""


class DriftLines(NamedTuple):
    """Lines of curated tables and of the drift table, as `--rows_output` writes them."""

    curated: PCollection[RawPack]
    drift: PCollection[RawPack]


@dataclass
class ReadDrift(beam.PTransform[PBegin, DriftLines]):
    """Tables of BigQuery -> `DriftLines(curated, drift)`.

    Of each event of the span the row that counts on its day, where that one names unknown fields;
    and the rows of the drift table of these days and types. So what was filled before is not read
    again, wherever the row is that it was made of. First the days are asked for, one query a type,
    then each day by two, on its partitions; days are read beside each other. Bounded; global
    window.

    Raises, at run time: `TableError`, one line: BigQuery refuses a query, or does not answer.

    Args:
        datasets: where the tables are.
        tables: the curated table of each event type that is read.
        span: [first, end) of the event times, in microseconds.
    """

    datasets: Datasets
    tables: Mapping[str, Table]
    span: tuple[int, int]

    @no_annotations
    def expand(self, pbegin: PBegin) -> DriftLines:
        """Name the types, find their days, and read these."""
        types = pbegin | "NameTypes" >> beam.Create(sorted(self.tables), reshuffle=False)
        days = types | "FindDays" >> beam.FlatMap(self._days).with_output_types(_Day)
        outputs = (
            days
            | "SpreadDays" >> beam.Reshuffle()
            | "ReadDays"
            >> beam.ParDo(_ReadDay(self))
            .with_output_types(RawPack, drift=RawPack)
            .with_outputs(_DRIFT, main="curated")
        )
        return DriftLines(outputs.curated, outputs[_DRIFT])

    def _days(self, event_type: str) -> Iterator[_Day]:
        first, end = self.span
        sql = f"""SELECT DISTINCT CAST(DATE(event_timestamp) AS STRING) AS day
FROM {{table:{self.tables[event_type].full_name}}}
WHERE {_IN_SPAN} AND ARRAY_LENGTH({UNKNOWN_FIELDS}) > 0"""  # noqa: S608
        for row in query_tables(self.datasets, sql, first=first, end=end):
            start = parse_rfc3339(f"{row['day']}T00:00:00Z")
            yield event_type, max(start, first), min(start + DAY, end)


class _ReadDay(beam.DoFn):
    """Asks for the rows of a day of a type."""

    def __init__(self, given: ReadDrift) -> None:
        self._datasets, self._tables = given.datasets, given.tables

    def process(self, day: _Day) -> Iterator[Any]:
        event_type, first, end = day
        table = self._tables[event_type]
        # Names of types are checked with their contracts: no text of SQL is among them.
        drift = f"{_IN_SPAN} AND event_type = '{event_type}'"
        for pack in self._ask(DRIFT, _select(DRIFT, drift), first, end):
            yield TaggedOutput(_DRIFT, pack)
        once = f"QUALIFY ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY {KEPT_FIRST}) = 1"
        current = _select(table, f"{_IN_SPAN}\n{once}")
        sql = f"SELECT * FROM (\n{current}\n) WHERE ARRAY_LENGTH({UNKNOWN_FIELDS}) > 0"  # noqa: S608
        yield from self._ask(table, sql, first, end)

    def _ask(self, table: Table, sql: str, first: int, end: int) -> Iterator[RawPack]:
        rows: Iterable[Any] = query_tables(self._datasets, sql, first=first, end=end)
        lines = (stored_line(row, table.columns) for row in rows)
        while some := list(islice(lines, _LINES_A_PACK)):
            yield RawPack(some)


def _select(table: Table, condition: str) -> str:
    columns = ", ".join(f"`{column.name}`" for column in table.columns)
    return f"SELECT {columns}\nFROM {{table:{table.full_name}}}\nWHERE {condition}"
