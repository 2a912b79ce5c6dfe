"""The tables that an audit asks, in BigQuery."""

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.contract_set import Contracts
from schemas.coverage import Coverage
from schemas.curated_records import CuratedRecord, CuratedRecords
from schemas.layer_counts import (
    ComparedWindows,
    WrongWindow,
    counted_spans,
    differing_sql,
    layer_finding,
    layer_sql,
)
from schemas.metric import Metric
from schemas.ops_tables import AUDIT, LATE
from schemas.quality import Check, Finding, Measured
from schemas.quality_sql import check_sql, first_of
from schemas.row_packs import RowPack
from schemas.silver_tables import silver_table
from schemas.table_names import Datasets
from schemas.times import format_rfc3339, micros
from transforms.audit_layers import CuratedRow
from transforms.bigquery_connection import TableConnection, bigquery_client, encode_entry
from transforms.check_tables import check_tables
from transforms.insert_rows import BulkInsert
from transforms.mutate_rows import NothingWrittenError
from transforms.query_tables import query_tables

__all__ = ["AuditBigQuery"]


class AuditBigQuery:
    """The tables of an environment.

    Each method raises `TableError`, one line, where BigQuery refuses a query or does not answer.
    Rows come page by page; of a query for a check there is one.

    Args:
        datasets: where the tables are.
        contracts: whose tables are read.
        declared: as given to `check_tables`.
    """

    def __init__(
        self,
        datasets: Datasets,
        contracts: Contracts,
        declared: Mapping[str, str | None] | None = None,
    ) -> None:
        self._datasets = datasets
        self._contracts = contracts
        self._declared = declared

    def check(self) -> None:
        """Raise where a table that is to be asked or written is missing, before anything is."""
        declared = [silver_table(self._contracts, name) for name in self._contracts.types]
        client = bigquery_client(self._datasets.project)
        check_tables(client, self._datasets, [*declared, AUDIT, LATE], self._declared)

    def curated(self, first: int, last: int) -> Iterator[CuratedRow]:
        """Yield the identities of the curated rows whose events happened in [first, last)."""
        for event_type in sorted(self._contracts.types):
            sql = f"""SELECT event_id, content_digest, publish_time, message_id
FROM {{table:{silver_table(self._contracts, event_type).full_name}}}
WHERE event_timestamp >= @first AND event_timestamp < @end"""  # noqa: S608
            for row in query_tables(self._datasets, sql, first=first, end=last):
                published = row["publish_time"]
                told = None if published is None else format_rfc3339(micros(published))
                yield CuratedRow(row["event_id"], row["content_digest"], told, row["message_id"])

    def late(self, first: int, last: int) -> Iterator[str]:
        """Yield the ids of late events that happened in [first, last)."""
        sql = f"""SELECT DISTINCT event_id
FROM {{table:{LATE.full_name}}}
WHERE event_timestamp >= @first AND event_timestamp < @end"""  # noqa: S608
        for row in query_tables(self._datasets, sql, first=first, end=last):
            yield row["event_id"]

    def measure(self, check: Check, start: int, end: int) -> Measured:
        """Return what a check finds."""
        first = first_of(check, start, end)
        return self._measured(check_sql(check), first=first, start=start, end=end)

    def count_layers(self, metric: Metric, start: int, end: int) -> list[Finding]:
        """Return whether curated events are those of a metric, by length."""
        return [
            layer_finding(metric, length, self._compared(metric, length, span))
            for length, span in counted_spans(metric, start, end)
        ]

    def records(self, form: CuratedRecords, span: Coverage) -> Iterator[CuratedRecord]:
        """Yield the current row of each event of a span of event time."""
        for event_type in form.event_types:
            sql = form.query(event_type, once=True)
            for row in query_tables(self._datasets, sql, first=span.start, end=span.end):
                yield form.of_row(event_type, row)

    def keep(self, pack: RowPack) -> None:
        """Insert rows.

        Raises:
            NothingWrittenError: the table is missing, or refuses a row.
        """
        name = self._datasets.full(pack.table)
        entries = [encode_entry(*each) for each in zip(pack.rows, pack.ids, strict=True)]
        refused = BulkInsert(name, TableConnection(name).send).write(entries)
        if refused:
            told = next(iter(refused.values()))
            msg = f"{name} refused {len(refused)} rows: {told}; `penstock tables diff` says why"
            raise NothingWrittenError(msg)

    def _compared(self, metric: Metric, length: int, span: tuple[int, int]) -> ComparedWindows:
        asked = metric, self._contracts, length
        times = {"start": span[0], "end": span[1]}
        [row] = query_tables(self._datasets, layer_sql(*asked), **times)
        shown = query_tables(self._datasets, differing_sql(*asked), **times) if row["wrong"] else ()
        wrong = [
            WrongWindow(micros(each["_start"]), int(each["_curated"]), int(each["_measured"]))
            for each in shown
        ]
        return ComparedWindows(row["looked_at"], row["wrong"], wrong)

    def _measured(self, sql: str, **times: int) -> Measured:
        [row] = query_tables(self._datasets, sql, **times)
        return Measured(row["looked_at"], _number(row["value"]))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
