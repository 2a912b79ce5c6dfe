"""Chooses among copies the events whose rows are written: the end of curating in batch."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.windowed_value import WindowedValue

from schemas.contract import Contracts
from schemas.curated_packs import NO_TABLE, CuratedPack, unseal
from schemas.ops_tables import DRIFT
from schemas.packs import EventPack
from schemas.row_packs import RowPack
from schemas.silver_rows import insert_ids_of
from schemas.silver_tables import silver_table
from transforms.counters import counter
from transforms.find_copies import CONFLICTS, ChooseSurvivors
from transforms.object_names import object_name
from transforms.object_store import check_path, create_object
from transforms.work_beside import WorkBeside
from transforms.write_objects import globally

__all__ = ["ChooseRows", "ChosenRows", "WriteChosenRows", "WrittenChosenRows"]

_MOST_OPEN = 4
_WINDOW = GlobalWindow()
_Group = tuple[int, Iterable[bytes]]


class ChosenRows(NamedTuple):
    """Rows of unique events by table, and events whose id another event has."""

    rows: PCollection[RowPack]
    conflicts: PCollection[EventPack]


class WrittenChosenRows(NamedTuple):
    """Names of the objects that were written, and events whose id another event has."""

    written: PCollection[str]
    conflicts: PCollection[EventPack]


@dataclass
class ChooseRows(beam.PTransform[PCollection[tuple[int, bytes]], ChosenRows]):
    """(shard, sealed `CuratedPack`) -> `ChosenRows(rows, conflicts)`; bounded input.

    Groups by shard, keeps of each event the copy that `DeduplicatePacks` keeps in batch, and gives
    the rows that `CuratePacks` gives of these: of each pack one `RowPack` for each table. Order and
    split of the input change no row. Counters: `accepted`, of these `outside_span` and `drifted`;
    `duplicate`, `conflict`; distribution `duplicate_distance_ms`.

    Args:
        contracts: those that the rows were made by.
    """

    contracts: Contracts

    @no_annotations
    def expand(self, packs: PCollection[tuple[int, bytes]]) -> ChosenRows:
        """Group and choose."""
        choosing = beam.ParDo(_Choose(self.contracts)).with_output_types(
            RowPack, **{CONFLICTS: EventPack}
        )
        grouped = globally(packs) | "GroupByShard" >> beam.GroupByKey()
        outputs = grouped | "ChooseRows" >> choosing.with_outputs(CONFLICTS, main="rows")
        return ChosenRows(outputs.rows, outputs[CONFLICTS])


@dataclass
class WriteChosenRows(beam.PTransform[PCollection[tuple[int, bytes]], WrittenChosenRows]):
    """(shard, sealed `CuratedPack`) -> `WrittenChosenRows(written, conflicts)`; bounded input.

    The rows of `ChooseRows`, written where they were chosen: of each shard NDJSON objects
    `<path>/<table>/<digest>.ndjson`, lines sorted, cut where the rows of a shard are larger than
    `max_bytes`. The grouping by shard is the stable boundary, so a retry finds its objects there,
    and rows need no second shuffle. Counters as in `ChooseRows`, and `rows` = `rows_written`.

    Raises, at run time: `ObjectStoreError`, which fails the bundle: no such bucket, no permission.

    Args:
        contracts: those that the rows were made by.
        path: local folder or gs://BUCKET/FOLDER.
        max_bytes: what is held of a shard is written when it is as large.
    """

    contracts: Contracts
    path: str
    max_bytes: int = 64_000_000

    def __post_init__(self) -> None:
        """Check the path; nothing is opened."""
        self.path = check_path(self.path)

    @no_annotations
    def expand(self, packs: PCollection[tuple[int, bytes]]) -> WrittenChosenRows:
        """Group, choose and write."""
        writing = beam.ParDo(_Write(self)).with_output_types(str, **{CONFLICTS: EventPack})
        grouped = globally(packs) | "GroupByShard" >> beam.GroupByKey()
        outputs = grouped | "WriteRows" >> writing.with_outputs(CONFLICTS, main="written")
        return WrittenChosenRows(outputs.written, outputs[CONFLICTS])


class _Opened:
    """The packs of a group, opened whenever they are read, as memory may not hold them all."""

    def __init__(self, sealed: Iterable[bytes]) -> None:
        self._sealed = sealed

    def __iter__(self) -> Iterator[EventPack]:
        return map(unseal, self._sealed)


class _Choosing(beam.DoFn):
    """What both forms share: the unique events of a group, counted."""

    def __init__(self, contracts: Contracts) -> None:
        self._survivors = ChooseSurvivors()
        self._accepted, self._drifted = counter("accepted"), counter("drifted")
        self._outside = counter("outside_span")
        # Numbered as where the rows were made.
        self._tables = [silver_table(contracts, name).full_name for name in contracts.types]

    def unique(self, group: _Group) -> Iterator[CuratedPack | TaggedOutput]:
        """Return packs of unique events, and the conflicts of the group tagged as such."""
        for found in self._survivors.process((group[0], _Opened(group[1]))):
            if isinstance(found, CuratedPack):
                self._accepted.inc(len(found))
                self._outside.inc(found.tables.count(NO_TABLE))
                self._drifted.inc(sum(map(bool, found.drifts or ())))
                yield found
            elif found.tag == CONFLICTS:
                yield found


class _Choose(_Choosing):
    """Gives the rows of each pack by table."""

    def process(self, group: _Group) -> Iterator[Any]:
        for found in self.unique(group):
            if isinstance(found, TaggedOutput):
                yield found
            else:
                yield from self._rows(found)

    def _rows(self, pack: CuratedPack) -> Iterator[RowPack]:
        ids = insert_ids_of(pack)
        for number in sorted({*pack.tables} - {NO_TABLE}):
            places = [place for place, table in enumerate(pack.tables) if table == number]
            yield _row_pack(self._tables[number], pack, pack.rows, places, ids)
        if pack.drifts:
            places = [place for place, row in enumerate(pack.drifts) if row]
            if places:
                yield _row_pack(DRIFT.full_name, pack, pack.drifts, places, ids)


class _Write(_Choosing):
    """Writes the rows of each group."""

    def __init__(self, given: WriteChosenRows) -> None:
        super().__init__(given.contracts)
        self._path, self._max_bytes = given.path, given.max_bytes
        self._counted, self._written = counter("rows"), counter("rows_written")

    def setup(self) -> None:
        self._beside: WorkBeside[str] = WorkBeside(_MOST_OPEN)

    def start_bundle(self) -> None:
        self._beside.begin()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for name in self._beside.drain():
            yield WindowedValue(name, _WINDOW.max_timestamp(), [_WINDOW])

    def teardown(self) -> None:
        self._beside.close()

    def process(self, group: _Group) -> Iterator[Any]:
        held: dict[int, list[bytes]] = {}
        drifts: list[bytes] = []
        size = 0
        for found in self.unique(group):
            if isinstance(found, TaggedOutput):
                yield found
                continue
            for table, row in zip(found.tables, found.rows, strict=True):
                rows = held.get(table)
                if rows is None:
                    rows = held[table] = []
                rows.append(row)
            drifts += filter(None, found.drifts or ())
            size += found.estimated_bytes()
            if size >= self._max_bytes:
                yield from self._write(held, drifts)
                held, drifts, size = {}, [], 0
        yield from self._write(held, drifts)

    def _write(self, held: dict[int, list[bytes]], drifts: list[bytes]) -> Iterator[str]:
        held.pop(NO_TABLE, None)
        for number, rows in held.items():
            yield from self._create(self._tables[number], rows)
        if drifts:
            yield from self._create(DRIFT.full_name, drifts)

    def _create(self, table: str, rows: list[bytes]) -> Iterator[str]:
        """Write an object beside; return the names of those that are written."""
        self._counted.inc(len(rows))
        rows.sort()
        # Nothing is committed before it is written: the end of the bundle waits for all.
        self._written.inc(len(rows))
        return self._beside.put(lambda: _created(self._path, table, rows))


def _created(path: str, table: str, rows: list[bytes]) -> str:
    name = f"{table}/{object_name(rows, '.ndjson')}"
    create_object(f"{path}/{name}", b"\n".join(rows) + b"\n")
    return name


def _row_pack(
    table: str, pack: CuratedPack, rows: list[bytes], places: list[int], ids: list[str]
) -> RowPack:
    chosen = [rows[place] for place in places]
    return RowPack(table, chosen, [ids[place] for place in places], pack.raw.take(places))
