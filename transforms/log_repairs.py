"""Keeps and reads the log of repairs, in the archive that they were computed from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection

from schemas.repairs import Repair, RepairedTile, repairs_folder
from transforms.object_store import ObjectStoreError, create_object, read_objects

__all__ = ["LogRepairedSpan", "LogRepairs", "read_repairs", "write_repair"]

_SUFFIX = ".json"


@dataclass
class LogRepairs(beam.PTransform[PCollection[RepairedTile], PCollection[str]]):
    """PCollection[RepairedTile] -> one record of the run, if it has any; yields its path.

    To be given tiles that are written. The tiles of a run must fit one worker's memory: about 100
    bytes each. Bounded; global window. A retry writes the same object.

    Raises, at run time: `ObjectStoreError`.

    Args:
        archive: root of the archive.
        repair: of the run, without tiles.
    """

    archive: str
    repair: Repair

    def expand(self, tiles: PCollection[RepairedTile]) -> PCollection[str]:
        """Gather and write."""
        logged: Any = (
            tiles
            | "KeyAll" >> beam.Map(_of_the_run).with_output_types(tuple[str, RepairedTile])
            | "GatherTiles" >> beam.GroupByKey()
            | "WriteRecord"
            >> beam.ParDo(_WriteRecord(self.archive, self.repair.to_json())).with_output_types(str)
        )
        return logged


@dataclass
class LogRepairedSpan(beam.PTransform[PCollection[bytes], PCollection[str]]):
    """PCollection[keys of rows that were written] -> the record of the run, also if there are none.

    It is written when all rows are, by the job itself: whoever launches a template does not wait
    for its end. Yields its path. Bounded; global window. A retry writes the same object.

    Raises, at run time: `ObjectStoreError`.

    Args:
        archive: root of the archive.
        repair: of the run, with its span.
    """

    archive: str
    repair: Repair

    def expand(self, written: PCollection[bytes]) -> PCollection[str]:
        """Wait and write."""
        record = beam.Create([self.repair.to_json()], reshuffle=False).with_output_types(bytes)
        logged: Any = (
            written.pipeline
            | "Record" >> record
            | "AwaitRows" >> beam.WaitOn(written)
            | "WriteRecord" >> beam.Map(_write_record, archive=self.archive).with_output_types(str)
        )
        return logged


def write_repair(archive: str, repair: Repair) -> str:
    """Write the record of a run that has succeeded; return its path. A retry changes nothing.

    Raises:
        ObjectStoreError: it cannot be written.
    """
    path = f"{archive}/{repair.name}"
    create_object(path, repair.to_json())
    return path


def read_repairs(archive: str, table: str) -> Iterator[Repair]:
    """Yield the records of all repairs of a table that were computed from an archive.

    Raises:
        ObjectStoreError: one is no record of a repair, or cannot be read.
    """
    for path, content in read_objects(f"{archive}/{repairs_folder(table)}", _SUFFIX):
        yield _parsed(path, content)


def _write_record(record: bytes, archive: str) -> str:
    return write_repair(archive, Repair.from_json(record))


class _WriteRecord(beam.DoFn):
    def __init__(self, archive: str, repair: bytes) -> None:
        self._archive, self._repair = archive, repair

    def process(self, group: tuple[str, Iterable[RepairedTile]]) -> Iterator[str]:
        tiles = sorted(set(group[1]), key=lambda tile: (tile.row_key, tile.qualifier, tile.start))
        repair = msgspec.structs.replace(Repair.from_json(self._repair), tiles=tiles)
        yield write_repair(self._archive, repair)


def _parsed(path: str, content: bytes) -> Repair:
    try:
        return Repair.from_json(content)
    except ValueError as error:
        msg = f"{path}: {error}"
        raise ObjectStoreError(msg) from None


def _of_the_run(tile: RepairedTile) -> tuple[str, RepairedTile]:
    return "", tile
