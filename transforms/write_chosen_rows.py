"""Writes the rows of events where these were chosen among their copies: batch into files."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.windowed_value import WindowedValue

from schemas.ops_tables import DRIFT
from schemas.packs import EventPack
from schemas.rejected import Rejected
from schemas.silver_tables import silver_table
from transforms.choose_events import REJECTED, ChooseEvents, Group
from transforms.counters import counter
from transforms.find_copies import CONFLICTS
from transforms.make_rows import NO_TABLE, Curation
from transforms.object_names import object_name
from transforms.object_store import check_path, create_object
from transforms.work_beside import WorkBeside
from transforms.write_objects import globally

__all__ = ["WriteChosenRows", "WrittenChosenRows"]

_MOST_OPEN = 4
_WINDOW = GlobalWindow()


class WrittenChosenRows(NamedTuple):
    """Names of the objects written, events whose id another event has, and what was refused."""

    written: PCollection[str]
    conflicts: PCollection[EventPack]
    rejected: PCollection[Rejected]


@dataclass
class WriteChosenRows(beam.PTransform[PCollection[tuple[int, bytes]], WrittenChosenRows]):
    """(shard, sealed pack) -> `WrittenChosenRows(written, conflicts, rejected)`; bounded input.

    The rows of `ChooseRows`, written where they were chosen: of each shard NDJSON objects
    `<path>/<table>/<digest>.ndjson`, lines sorted, cut where the rows of a shard are larger than
    `max_bytes`. The grouping by shard is the stable boundary, so a retry finds its objects there,
    and rows need no shuffle of their own. Counters as in `ChooseRows`, and `rows` =
    `rows_written`.

    Raises, at run time: `ObjectStoreError`, which fails the bundle: no such bucket, no permission.

    Args:
        curation: how messages become rows.
        path: local folder or gs://BUCKET/FOLDER.
        max_bytes: what is held of a shard is written when it is as large.
    """

    curation: Curation
    path: str
    max_bytes: int = 64_000_000

    def __post_init__(self) -> None:
        """Check the path; nothing is opened."""
        self.path = check_path(self.path)

    @no_annotations
    def expand(self, packs: PCollection[tuple[int, bytes]]) -> WrittenChosenRows:
        """Group, choose and write."""
        writing = beam.ParDo(_Write(self)).with_output_types(
            str, **{CONFLICTS: EventPack, REJECTED: Rejected}
        )
        grouped = globally(packs) | "GroupByShard" >> beam.GroupByKey()
        outputs = grouped | "WriteRows" >> writing.with_outputs(CONFLICTS, REJECTED, main="written")
        return WrittenChosenRows(outputs.written, outputs[CONFLICTS], outputs[REJECTED])


class _Write(ChooseEvents):
    """Writes the rows of each group."""

    def __init__(self, given: WriteChosenRows) -> None:
        super().__init__(given.curation)
        self._path, self._max_bytes = given.path, given.max_bytes
        self._outside, self._drifted = counter("outside_span"), counter("drifted")
        self._rows, self._written = counter("rows"), counter("rows_written")
        # Numbered as where the rows are made; the last one is that of the drift.
        contracts = given.curation.contracts
        tables = [silver_table(contracts, name) for name in contracts.types]
        self._tables = [table.full_name for table in (*tables, DRIFT)]

    def setup(self) -> None:
        super().setup()
        self._beside: WorkBeside[str] = WorkBeside(_MOST_OPEN, threads=_MOST_OPEN)

    def start_bundle(self) -> None:
        self._beside.begin()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for name in self._beside.drain():
            yield WindowedValue(name, _WINDOW.max_timestamp(), [_WINDOW])

    def teardown(self) -> None:
        self._beside.close()

    def process(self, group: Group) -> Iterator[Any]:
        held: list[list[bytes]] = [[] for _ in self._tables]
        size = 0
        for found in self.chosen(group):
            if isinstance(found, TaggedOutput):
                yield found
                continue
            outside = 0
            for table, row, drifted in self.maker.rows(found):
                if table == NO_TABLE:
                    outside += 1
                    continue
                held[table].append(row)
                size += len(row)
                if drifted:
                    held[-1].append(drifted)
                    size += len(drifted)
            self._outside.inc(outside)
            if size >= self._max_bytes:
                yield from self._write(held)
                held, size = [[] for _ in self._tables], 0
        yield from self._write(held)

    def _write(self, held: list[list[bytes]]) -> Iterator[str]:
        self._drifted.inc(len(held[-1]))
        for table, rows in zip(self._tables, held, strict=True):
            if rows:
                yield from self._create(table, rows)

    def _create(self, table: str, rows: list[bytes]) -> Iterator[str]:
        """Write an object beside; return the names of those that are written."""
        self._rows.inc(len(rows))
        rows.sort()
        # Nothing is committed before it is written: the end of the bundle waits for all.
        self._written.inc(len(rows))
        return self._beside.put(lambda: _created(self._path, table, rows))


def _created(path: str, table: str, rows: list[bytes]) -> str:
    name = f"{table}/{object_name(rows, '.ndjson')}"
    create_object(f"{path}/{name}", b"\n".join(rows) + b"\n")
    return name
