"""The tables that an audit asks, as rows in files."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from schemas.audited_rows import checking
from schemas.contract_set import Contracts
from schemas.coverage import Coverage
from schemas.curated_records import CuratedRecord, CuratedRecords
from schemas.current_panes import current_panes
from schemas.layer_counts import count_layers, counted_spans, layer_finding, relations
from schemas.metric import Metric
from schemas.metric_tables import pane_table
from schemas.ops_tables import LATE, RECOMPUTED
from schemas.quality import Check, Finding, Measured, Relation
from schemas.quality_rows import current_of, measure_rows
from schemas.row_packs import RowPack
from schemas.silver_tables import silver_table
from transforms.audit_layers import CuratedRow, parsed_lines
from transforms.object_names import object_name
from transforms.object_store import create_object, list_objects

__all__ = ["AuditFiles"]

_LINES = ".ndjson"
_Row = TypeVar("_Row")
_CURATED = msgspec.json.Decoder(CuratedRow)
_ANY = msgspec.json.Decoder(dict[str, Any])


class AuditFiles:
    """What `--rows_output` of the jobs wrote: `<folder>/<dataset>.<table>/....ndjson`.

    Two tables at a time are in memory, parsed.

    Args:
        folder: local or gs://BUCKET/FOLDER.
        contracts: whose tables are read.
    """

    def __init__(self, folder: str, contracts: Contracts) -> None:
        self._folder = folder
        self._contracts = contracts
        self._read = functools.lru_cache(maxsize=2)(self._parsed)

    def check(self) -> None:
        """Do nothing: of a table that is not there nothing was written."""

    def curated(self, first: int, last: int) -> Iterator[CuratedRow]:
        """Yield the identities of all curated rows, of any time."""
        for event_type in sorted(self._contracts.types):
            table = silver_table(self._contracts, event_type)
            yield from self._lines(table.full_name, _CURATED.decode)

    def late(self, first: int, last: int) -> Iterator[str]:
        """Yield the ids of late events, of any time."""
        return (row["event_id"] for row in self._read(LATE.full_name))

    def measure(self, check: Check, start: int, end: int) -> Measured:
        """Return what a check finds."""
        return measure_rows(check, self._read, start, end)

    def count_layers(self, metric: Metric, start: int, end: int) -> list[Finding]:
        """Return whether curated events are those of a metric, by length; empty: no panes."""
        panes = pane_table(metric).full_name
        if next(iter(list_objects(f"{self._folder}/{panes}", _LINES)), None) is None:
            return []
        spans = list(counted_spans(metric, start, end))
        _, span = spans[0]
        curated: list[Mapping[str, Any]] = []
        for relation in relations(metric, self._contracts):
            curated += current_of(relation, self._read, *span)
        told = current_panes(metric, self._read(panes), self._read(RECOMPUTED.full_name))
        late = self._read(LATE.full_name)
        return [
            layer_finding(
                metric, length, count_layers(metric, curated, told.values(), late, length, each)
            )
            for length, each in spans
        ]

    def records(self, form: CuratedRecords, span: Coverage) -> Iterator[CuratedRecord]:
        """Yield the current row of each event of a span of event time."""
        for event_type in form.event_types:
            relation = Relation(silver_table(self._contracts, event_type), once=True)
            for row in current_of(relation, self._read, *span):
                yield form.of_parsed(row)

    def keep(self, pack: RowPack) -> None:
        """Write rows as a new object of their table."""
        name = object_name(pack.rows, _LINES)
        create_object(f"{self._folder}/{pack.table}/{name}", b"\n".join((*pack.rows, b"")))

    def _parsed(self, table: str) -> Sequence[Mapping[str, Any]]:
        return list(self._lines(table, _ANY.decode))

    def _lines(self, table: str, decode: Callable[[bytes], _Row]) -> Iterator[_Row]:
        return parsed_lines(f"{self._folder}/{table}", checking(table, decode))
