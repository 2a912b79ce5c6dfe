"""Loads packed rows into BigQuery tables: objects, staging tables, one merge."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from schemas.merge_rows import digest_of, spans_of
from schemas.refused_rows import refused_row
from schemas.rejected import Rejected
from schemas.row_check import row_problem
from schemas.row_packs import RowPack
from schemas.row_sink import RowSink
from transforms.counters import counter
from transforms.load_jobs import BadRowsError, LoadFailedError, TableLoad
from transforms.object_names import object_name
from transforms.object_store import check_path, create_object, delete_object, list_objects
from transforms.write_objects import globally

__all__ = ["LoadRows", "Loaded"]

_REJECTED = "rejected"
_NO_DAY = ""
_PARTS = 8
_MOST_JOBS = 256
_PROBE = "probe.ndjson"
Row = tuple[bytes, RowPack, int]
Staged = tuple[str, int, list[str]]
"""The object of one load job, the number of its rows, and the days that they are in.

The number is 0 where rows were refused: what was staged for them goes at the end, too.
"""


class Loaded(NamedTuple):
    """The names of the tables into which rows were merged, and the rows that were refused."""

    written: PCollection[str]
    rejected: PCollection[Rejected]


@dataclass
class LoadRows(beam.PTransform[PCollection[RowPack], Loaded]):
    """PCollection[RowPack] -> `Loaded(written, rejected)`; bounded input, leaves the windows.

    Per table: rows become NDJSON objects in `staging`, a load job each appends them to a staging
    table, and when all are there one deterministic MERGE for each range of partitions brings them
    into the table, one row for each key by the rule of the table (`schemas.merge_rows`). Ids of
    jobs come from the run and the content, so whatever is tried again is the same job. Objects and
    staging tables are removed at the end; what a job that is killed leaves expires.

    In one run only one of these steps may write a table: two would share its staging table.

    Where a load job says that rows are bad, those that do not fit the columns are refused; where
    none is found, the object is halved into ever smaller ones until the rows are. The others are
    loaded.
    Counters: `rows` = `rows_written` + `rows_refused`.

    Raises, at run time: `LoadFailedError`: a table is missing, loading is not allowed, a merge
    fails (such as one that would change rows that were inserted within the last half hour).

    Args:
        sink: names project, prefix, staging folder, run, and the rule of each table.
        max_bytes: an object is closed when it holds as much; one worker's memory holds twice that.
        buckets: into how many parts the rows of a table are cut, for as many workers.
    """

    sink: RowSink
    max_bytes: int = 64_000_000
    buckets: int = 4

    def __post_init__(self) -> None:
        """Check the constants; nothing is opened."""
        staging = check_path(self.sink.staging)
        if not staging.startswith("gs://"):
            msg = (
                f"staging {staging!r}: BigQuery loads from Cloud Storage; write gs://BUCKET/FOLDER"
            )
            raise ValueError(msg)
        for name in ("max_bytes", "buckets"):
            if getattr(self, name) < 1:
                msg = f"{name}={getattr(self, name)}: give 1 or more"
                raise ValueError(msg)

    @no_annotations
    def expand(self, packs: PCollection[RowPack]) -> Loaded:
        """Group by table, load, and merge when all is loaded."""
        if not packs.is_bounded:
            msg = "load: a stream has no end at which to merge; write it by inserts or storage"
            raise ValueError(msg)
        keyed = globally(packs) | "KeyByTable" >> beam.Map(_keyed, self.buckets).with_output_types(
            tuple[tuple[str, int], RowPack]
        )
        loading = beam.ParDo(_LoadObjects(self)).with_output_types(
            tuple[str, Staged], rejected=Rejected
        )
        outputs = (
            keyed
            | "GroupByTable" >> beam.GroupByKey()
            | "LoadObjects" >> loading.with_outputs(_REJECTED, main="staged")
        )
        merging = beam.ParDo(_MergeTables(self.sink)).with_output_types(str)
        staged = outputs.staged | "GroupStaged" >> beam.GroupByKey()
        return Loaded(staged | "MergeTables" >> merging, outputs[_REJECTED])


def _keyed(pack: RowPack, buckets: int) -> tuple[tuple[str, int], RowPack]:
    first = pack.ids[0].encode() if pack.ids else b""
    digest = hashlib.blake2b(first, digest_size=4).digest()
    return (pack.table, int.from_bytes(digest, "big") % buckets), pack


def _folder(sink: RowSink, table: str) -> str:
    return f"{check_path(sink.staging)}/{sink.run}/{sink.full_name(table)}"


class _LoadObjects(beam.DoFn):
    """Loads the rows of one group into the staging table, object by object."""

    def __init__(self, constants: LoadRows) -> None:
        self._sink, self._max_bytes = constants.sink, constants.max_bytes

    def setup(self) -> None:
        name = self._sink.counted
        self._rows, self._refused = counter(name), counter(f"{name}_refused")
        self._loads: dict[str, TableLoad] = {}

    def start_bundle(self) -> None:
        self._jobs = 0

    def process(self, group: tuple[tuple[str, int], Iterable[RowPack]]) -> Iterator[Any]:
        (table, _), packs = group
        load = self._prepared(table)
        for rows in _bounded(packs, self._max_bytes):
            self._rows.inc(len(rows))
            self._jobs = 0
            yield from self._load(load, table, sorted(rows, key=lambda row: row[0]))

    def _prepared(self, table: str) -> TableLoad:
        if table not in self._sink.rules:
            msg = f"{table}: no rule says how its rows are merged"
            raise LoadFailedError(msg)
        if table not in self._loads:
            sink = self._sink
            self._loads[table] = TableLoad(sink.full_name(table), sink.run, sink.expires)
        self._loads[table].prepare()
        return self._loads[table]

    def _load(self, load: TableLoad, table: str, rows: list[Row]) -> Iterator[Any]:
        """Load rows; where some are bad, refuse these and load the others."""
        self._jobs += 1
        if self._jobs > _MOST_JOBS:
            msg = f"{load.table}: too many rows do not fit; compare it by `penstock tables diff`"
            raise LoadFailedError(msg)
        try:
            yield self._stage(load, table, rows)
        except BadRowsError:
            yield from self._sorted_out(load, table, rows)

    def _stage(self, load: TableLoad, table: str, rows: list[Row]) -> tuple[str, Staged]:
        lines = [row for row, _, _ in rows]
        name = object_name(lines, ".ndjson")
        uri = f"{_folder(self._sink, table)}/{name}"
        create_object(uri, b"\n".join(lines) + b"\n")
        load.load(uri, name)
        return table, (name, len(rows), _days(lines, self._sink.rules[table].partition))

    def _sorted_out(self, load: TableLoad, table: str, rows: list[Row]) -> Iterator[Any]:
        problems = [row_problem(row, load.columns) for row, _, _ in rows]
        if not any(problems) and len(rows) == 1:
            self._probe(load, table)
            problems = ["invalid"]
        good = [row for row, problem in zip(rows, problems, strict=True) if not problem]
        for (_, pack, index), problem in zip(rows, problems, strict=True):
            if problem:
                self._refused.inc()
                yield TaggedOutput(_REJECTED, refused_row(pack, index, problem))
        if any(problems):
            yield table, ("", 0, [])
        # Nothing was found by looking: the part that fails is cut until it is one row.
        size = len(good) if len(good) < len(rows) else -(-len(good) // _PARTS)
        for start in range(0, len(good), max(1, size)):
            yield from self._load(load, table, good[start : start + size])

    def _probe(self, load: TableLoad, table: str) -> None:
        """Raise where a load without rows is refused alike: then no row is to blame."""
        uri = f"{_folder(self._sink, table)}/{_PROBE}"
        create_object(uri, b"")
        try:
            load.load(uri, _PROBE)
        except BadRowsError:
            msg = f"{load.table}: a load without rows fails too; see the job in BigQuery"
            raise LoadFailedError(msg) from None


def _bounded(packs: Iterable[RowPack], max_bytes: int) -> Iterator[list[Row]]:
    held: list[Row] = []
    size = 0
    for pack in packs:
        for index, row in enumerate(pack.rows):
            held.append((row, pack, index))
            size += len(row)
        if size >= max_bytes:
            yield held
            held, size = [], 0
    if held:
        yield held


def _days(lines: list[bytes], partition: str | None) -> list[str]:
    """Return the days of the partitions that rows are in, `_NO_DAY` where a row has none."""
    if partition is None:
        return [_NO_DAY]
    struct = msgspec.defstruct("_Dated", [(partition, str | None, None)])
    decode = msgspec.json.Decoder(struct).decode
    return sorted({(getattr(decode(line), partition) or _NO_DAY)[:10] for line in lines})


class _MergeTables(beam.DoFn):
    """Merges what all load jobs of a table have staged; then nothing of it stays behind."""

    def __init__(self, sink: RowSink) -> None:
        self._sink = sink

    def setup(self) -> None:
        self._written = counter(f"{self._sink.counted}_written")

    def process(self, group: tuple[str, Iterable[Staged]]) -> Iterator[str]:
        table, staged = group[0], list(group[1])
        sink = self._sink
        load = TableLoad(sink.full_name(table), sink.run, sink.expires)
        # Equal rows in two groups are one object, which is loaded once.
        objects = {name: count for name, count, _ in staged if name}
        days = {day for _, _, each in staged for day in each}
        spans = [*spans_of(days - {_NO_DAY}), *([None] if _NO_DAY in days else [])]
        load.merge(sink.rules[table], spans, sum(objects.values()), digest_of(*sorted(objects)))
        for each in list_objects(_folder(sink, table), ".ndjson"):
            delete_object(each.path)
        self._written.inc(sum(count for _, count, _ in staged))
        yield table
