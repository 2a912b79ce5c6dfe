"""Computes touched tiles anew, and takes what is repaired out of changes that are applied again."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import msgspec
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from schemas.candidates import Candidate, Touch
from schemas.cell_lines import change_json, parse_change
from schemas.cells import TILE_FAMILY, Clear, RowChange
from schemas.changes import MINUTE, ChangePack, RowPart
from schemas.events import MIN_MICROS
from schemas.feature_set import FeatureSet
from schemas.rejected import Rejected
from schemas.repairs import Repair, RepairedTile, Spans, without
from transforms.counters import counter
from transforms.entity_shard import EntityShard
from transforms.extract_changes import row_shard
from transforms.group_kinds import GroupKinds, of_kind
from transforms.log_repairs import read_repairs
from transforms.release_outcomes import Outcome, count_outcome
from transforms.row_cells import Definitions, Tally

__all__ = ["RepairTouched", "Repaired", "TouchedRows", "change_key"]

_KINDS = (Touch, ChangePack, Rejected)
_TILES = "tiles"
_APPLIED = "applied"
_NOTHING_LEFT = "nothing_left"
_TYPES: Any = {
    _TILES: RepairedTile,
    _APPLIED: tuple[bytes, Rejected],
    _NOTHING_LEFT: Rejected,
}


class Repaired(NamedTuple):
    """What is to be written, and what that is.

    `changes`: of the touched rows, and those that are applied again. `tiles`: what the former
    compute anew. `applied`: the refused records of the latter, by `change_key` of what is left of
    them. `nothing_left`: refused records of which nothing is.
    """

    changes: PCollection[RowChange]
    tiles: PCollection[RepairedTile]
    applied: PCollection[tuple[bytes, Rejected]]
    nothing_left: PCollection[Rejected]


@dataclass
class RepairTouched(
    beam.PTransform[
        tuple[PCollection[Candidate], PCollection[tuple[int, ChangePack]], PCollection[Rejected]],
        Repaired,
    ]
):
    """(candidates, changes of all events of their tiles, refused changes) -> `Repaired`.

    Of each touched row one change clears the touched tiles, and no others, and sets them to what
    the events say; the touched last values are set to the last of the events, as ever. `changes`
    are those of `ExtractChanges` over all events of the tiles, each once.

    A refused change loses the cells and clears of tiles that were repaired after it was refused, as
    the log of repairs tells, or that this run repairs; and last values in the time of a repair of
    all rows. What is left is one change. Bounded; global window. Counters: those of `Tally`,
    `tiles_repaired`, `rows_repaired`, `repaired_later`.

    Args:
        features: what is kept of each entity; as given to `ExtractChanges`.
        shards: as given to `ExtractChanges`.
        archive: root of the archive, which has the log of repairs.
        table: the table that refused changes are applied to; None: there are none.
    """

    features: list[FeatureSet]
    shards: int
    archive: str
    table: str | None

    @no_annotations
    def expand(self, given: Any) -> Repaired:
        """Bring all together by shard of the row."""
        candidates, changes, refused = given
        touches = candidates | "KeyTouches" >> beam.FlatMap(
            _touches, self.shards
        ).with_output_types(tuple[int, Touch])
        again = refused | "KeyRefused" >> beam.Map(_keyed, self.shards).with_output_types(
            tuple[int, Rejected]
        )
        outputs = (
            (touches, changes, again)
            | "GroupByShard" >> GroupKinds(int, _KINDS)
            | "RepairRows"
            >> beam.ParDo(_Repair(self))
            .with_output_types(RowChange, **_TYPES)
            .with_outputs(*_TYPES, main="changes")
        )
        return Repaired(outputs.changes, outputs[_TILES], outputs[_APPLIED], outputs[_NOTHING_LEFT])


class TouchedRows:
    """The touched rows of one shard: all that events say of what is touched in them, no more.

    Touches come first, then changes; both in any order, and split in any way.
    """

    def __init__(self, definitions: Definitions, touches: Iterable[Touch]) -> None:
        self._definitions = definitions
        self._shard = EntityShard(definitions, 1, MIN_MICROS)
        self._state: dict[bytes, set[int]] = {}
        self._tiles: dict[bytes, set[tuple[int, int]]] = {}
        for touch in touches:
            self._state.setdefault(touch.row_key, set()).update(touch.state)
            self._tiles.setdefault(touch.row_key, set()).update(touch.tiles)

    def load(self, pack: ChangePack) -> None:
        """Merge what a pack says of what is touched."""
        rows = [row for row in map(self._touched, pack.rows) if row is not None]
        self._shard.load(ChangePack(rows))

    def changes(self, tally: Tally) -> Iterator[RowChange]:
        """Yield one change for each row, in order of keys."""
        for change in self._shard.rows(tally):
            cells = [
                cell if cell.clear_from is None else msgspec.structs.replace(cell, clear_from=None)
                for cell in change.cells
            ]
            clears = (
                Clear(TILE_FAMILY, tile.qualifier, tile.start, tile.end)
                for tile in self.tiles(change.row_key)
            )
            yield RowChange(change.row_key, cells, tuple(clears))

    def tiles(self, row_key: bytes) -> list[RepairedTile]:
        """Return the touched tiles of a row, by feature and time."""
        forms = self._definitions.tiles
        return sorted(
            (
                RepairedTile(
                    row_key,
                    forms[slot].name,
                    start * MINUTE,
                    start * MINUTE + forms[slot].length,
                )
                for slot, start in self._tiles.get(row_key, ())
            ),
            key=lambda tile: (tile.qualifier, tile.start),
        )

    def _touched(self, row: RowPart) -> RowPart | None:
        if row.row_key not in self._tiles:
            return None
        state, tiles = self._state[row.row_key], self._tiles[row.row_key]
        kept: dict[int, dict[int, Any]] = {}
        for start, entries in row.tiles.items():
            if mine := {slot: value for slot, value in entries.items() if (slot, start) in tiles}:
                kept[start] = mine
        last = {slot: entry for slot, entry in row.state.items() if slot in state}
        return RowPart(row.row_key, last, kept)


def change_key(payload: bytes) -> bytes:
    """Return 16 bytes that stand for a change, given as JSON."""
    return hashlib.blake2b(payload, digest_size=16).digest()


class _Repair(beam.DoFn):
    def __init__(self, given: RepairTouched) -> None:
        self._given = given
        self._rows, self._tiles = counter("rows_repaired"), counter("tiles_repaired")
        self._tallied = {name: counter(name) for name in Tally.__struct_fields__}

    def setup(self) -> None:
        self._definitions = Definitions(self._given.features)
        self._lengths = {form.name: form.length for form in self._definitions.tiles.values()}
        self._repairs: list[Repair] | None = None

    def process(self, group: tuple[int, Iterable[bytes]]) -> Iterator[Any]:
        found, tally = group[1], Tally()
        rows = TouchedRows(self._definitions, of_kind(found, 0, Touch))
        for pack in of_kind(found, 1, ChangePack):
            rows.load(pack)
        for change in rows.changes(tally):
            tiles = rows.tiles(change.row_key)
            self._rows.inc()
            self._tiles.inc(len(tiles))
            yield change
            yield from (TaggedOutput(_TILES, tile) for tile in tiles)
        for name, metric in self._tallied.items():
            if count := getattr(tally, name):
                metric.inc(count)
        for record in of_kind(found, 2, Rejected):
            yield from self._again(record, rows)

    def _again(self, record: Rejected, rows: TouchedRows) -> Iterator[Any]:
        change = parse_change(record.payload)
        later = [each for each in self._log() if each.started_at > record.rejected_at]
        this_run = Repair(table="", run="", started_at=0, tiles=rows.tiles(change.row_key))
        left = without(change, Spans.of([*later, this_run], change.row_key, self._lengths))
        if left.cells or left.clears:
            yield left
            yield TaggedOutput(_APPLIED, (change_key(change_json(left)), record))
        else:
            count_outcome(Outcome.REPAIRED_LATER, record)
            yield TaggedOutput(_NOTHING_LEFT, record)

    def _log(self) -> list[Repair]:
        if self._repairs is None:
            table = self._given.table
            self._repairs = list(read_repairs(self._given.archive, table)) if table else []
        return self._repairs


def _touches(candidate: Candidate, shards: int) -> Iterator[tuple[int, Touch]]:
    for touch in candidate.touches:
        yield row_shard(touch.row_key, shards), touch


def _keyed(record: Rejected, shards: int) -> tuple[int, Rejected]:
    return row_shard(parse_change(record.payload).row_key, shards), record
