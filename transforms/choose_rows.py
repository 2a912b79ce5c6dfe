"""Chooses among copies the events whose rows are written: the end of curating in batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from schemas.ops_tables import DRIFT
from schemas.packs import EventPack
from schemas.rejected import Rejected
from schemas.row_packs import RowPack
from schemas.silver_rows import insert_ids_of
from schemas.silver_tables import silver_table
from transforms.choose_events import REJECTED, ChooseEvents, Group
from transforms.counters import counter
from transforms.find_copies import CONFLICTS
from transforms.make_rows import NO_TABLE, Curation, Readings
from transforms.write_objects import globally

__all__ = ["ChooseRows", "ChosenRows"]


class ChosenRows(NamedTuple):
    """Rows of unique events by table, events whose id another event has, and what was refused."""

    rows: PCollection[RowPack]
    conflicts: PCollection[EventPack]
    rejected: PCollection[Rejected]


@dataclass
class ChooseRows(beam.PTransform[PCollection[tuple[int, bytes]], ChosenRows]):
    """(shard, sealed pack) -> `ChosenRows(rows, conflicts, rejected)`; bounded input.

    Behind `ShardMessages`. Groups by shard, accepts and refuses what `DecodePacks` does, keeps of
    each event the copy that `DeduplicatePacks` keeps in batch, and gives the rows that
    `CuratePacks` gives of these: of each pack one `RowPack` for each table. Order and split of the
    input change no row. Events outside the span have no row: dedupe has to see them. Counters:
    `rejected.<reason>`; `accepted`, of these `outside_span` and `drifted`; `duplicate`,
    `conflict`; distribution `duplicate_distance_ms`.

    Args:
        curation: how messages become rows.
    """

    curation: Curation

    @no_annotations
    def expand(self, packs: PCollection[tuple[int, bytes]]) -> ChosenRows:
        """Group and choose."""
        choosing = beam.ParDo(_Choose(self.curation)).with_output_types(
            RowPack, **{CONFLICTS: EventPack, REJECTED: Rejected}
        )
        grouped = globally(packs) | "GroupByShard" >> beam.GroupByKey()
        outputs = grouped | "ChooseRows" >> choosing.with_outputs(CONFLICTS, REJECTED, main="rows")
        return ChosenRows(outputs.rows, outputs[CONFLICTS], outputs[REJECTED])


class _Choose(ChooseEvents):
    """Gives the rows of each pack by table."""

    def __init__(self, curation: Curation) -> None:
        super().__init__(curation)
        self._outside, self._drifted = counter("outside_span"), counter("drifted")
        # Numbered as where the rows are made.
        contracts = curation.contracts
        self._tables = [silver_table(contracts, name).full_name for name in contracts.types]

    def process(self, group: Group) -> Iterator[Any]:
        for found in self.chosen(group):
            if isinstance(found, TaggedOutput):
                yield found
            elif found.times:
                yield from self._rows(found)

    def _rows(self, events: Readings) -> Iterator[RowPack]:
        # Before the rows are made, which may hide them.
        ids = insert_ids_of(events.pack())
        rows, outside, drifts = _Rows(events, ids), 0, 0
        for place, (table, row, drifted) in enumerate(self.maker.rows(events)):
            if table == NO_TABLE:
                outside += 1
                continue
            rows.add(self._tables[table], row, place)
            if drifted:
                drifts += 1
                rows.add(DRIFT.full_name, drifted, place)
        self._outside.inc(outside)
        self._drifted.inc(drifts)
        return rows.packs()


class _Rows:
    """Gathers the rows of some events by table."""

    def __init__(self, events: Readings, ids: list[str]) -> None:
        self._events, self._ids = events, ids
        self._found: dict[str, tuple[list[bytes], list[int]]] = {}

    def add(self, table: str, row: bytes, place: int) -> None:
        rows, places = self._found.setdefault(table, ([], []))
        rows.append(row)
        places.append(place)

    def packs(self) -> Iterator[RowPack]:
        for table, (rows, places) in self._found.items():
            ids = [self._ids[place] for place in places]
            yield RowPack(table, rows, ids, self._events.raw.take(places))
