"""The entity step without Beam: open tiles and last versions of the rows of one shard."""

from collections.abc import Iterable, Iterator

import msgspec

from schemas.aggregates import AGGREGATIONS
from schemas.cells import Cell, RowChange
from schemas.changes import (
    MINUTE,
    ChangePack,
    Partial,
    RowPart,
    StatePart,
    TilePart,
    Tiles,
    merge_tile,
)
from schemas.events import MIN_MICROS
from schemas.feature_set import Feature, FeatureSet, StateField
from schemas.tiles import is_capped, state_cell, tile_cell
from schemas.values import INT64_MAX, INT64_MIN

__all__ = ["Definitions", "EntityShard", "Tally"]

_SNAPSHOT_ROWS = 500
_LEAST_SWEEP = 5 * MINUTE
_MILLI = 1_000


class Tally(msgspec.Struct):
    """What became of changes; each is a counter."""

    tiles_withheld: int = 0
    """Tiles that the job does not wholly cover, once a tile."""
    tiles_reopened: int = 0
    """Changes to tiles whose state was gone."""
    changes_unknown: int = 0
    """Changes of definitions that the job no longer has."""
    versions_capped: int = 0
    """Values written of tiles with more events than versions."""
    sums_saturated: int = 0
    """Values written of sums beyond 64 bits."""


class Definitions:
    """State fields and features of all sets by slot, with what depends on them alone."""

    def __init__(self, sets: Iterable[FeatureSet]) -> None:
        kept = list(sets)
        self.state: dict[int, StateField] = {f.slot: f for each in kept for f in each.state}
        self.features: dict[int, Feature] = {f.slot: f for each in kept for f in each.features}
        self.aggregations = {
            slot: AGGREGATIONS[feature.aggregate] for slot, feature in self.features.items()
        }
        self.merges = {slot: by.merge for slot, by in self.aggregations.items()}
        self.forms = {slot: by.freeze for slot, by in self.aggregations.items()}
        self.tile_minutes = {
            slot: feature.tile // MINUTE for slot, feature in self.features.items()
        }


class EntityShard:
    """Merges change packs and says which cells they make: all that is known of each touched value.

    The values that stand at the end do not depend on the order of changes, nor on how they were
    split into packs. `lower` is always a lower bound of the watermark in microseconds, `MIN_MICROS`
    in batch.

    A tile is *withheld* where it begins before `covers_from` and nothing was kept of it yet: the
    job may have missed some of its events. It is *closed*, and changes to it are withheld too, when
    the watermark has passed its end by two horizons; `expire` then forgets it.
    """

    def __init__(self, definitions: Definitions, horizon: int, covers_from: int) -> None:
        self._definitions = definitions
        self._span = 2 * horizon
        self._covers_from = covers_from
        self._rows: dict[bytes, Partial] = {}
        self._swept_at = MIN_MICROS

    def __len__(self) -> int:
        return len(self._rows)

    def load(self, pack: ChangePack) -> None:
        """Restore what an earlier `absorb` or `snapshot` returned."""
        aggregations = self._definitions.aggregations
        for row in pack.rows:
            partial = self._partial(row.row_key)
            for entry in row.state:
                partial.set_state(*entry)
            for start, parts in row.tiles:
                tiles = partial.tiles.setdefault(start, {})
                for part in parts:
                    if part[0] in aggregations:
                        merge_tile(tiles, part, aggregations[part[0]])

    def absorb(self, pack: ChangePack, lower: int, tally: Tally) -> ChangePack:
        """Merge what counts; return that, which is what has to be saved and written."""
        kept = [self._absorb_row(row, lower, tally) for row in pack.rows]
        return ChangePack([row for row in kept if row.state or row.tiles])

    def changes(self, pack: ChangePack, tally: Tally) -> Iterator[RowChange]:
        """Yield the cells that an absorbed pack has changed, one change a row, in order of keys."""
        touched: dict[bytes, list[RowPart]] = {}
        for row in pack.rows:
            touched.setdefault(row.row_key, []).append(row)
        for row_key in sorted(touched):
            parts = touched[row_key]
            slots = {entry[0] for part in parts for entry in part.state}
            tiles = {
                (start, entry[0])
                for part in parts
                for start, entries in part.tiles
                for entry in entries
            }
            if cells := self._cells(self._rows[row_key], slots, tiles, tally):
                yield RowChange(row_key, cells)

    def rows(self, tally: Tally) -> Iterator[RowChange]:
        """Yield every row with all its cells, in order of keys."""
        for row_key in sorted(self._rows):
            row = self._rows[row_key]
            tiles = ((start, slot) for start, slots in row.tiles.items() for slot in slots)
            if cells := self._cells(row, row.state, tiles, tally):
                yield RowChange(row_key, cells)

    def snapshot(self) -> Iterator[ChangePack]:
        """Yield packs that load to the same shard."""
        keys = list(self._rows)
        forms = self._definitions.forms
        for first in range(0, len(keys), _SNAPSHOT_ROWS):
            chosen = keys[first : first + _SNAPSHOT_ROWS]
            yield ChangePack([self._rows[key].part(key, forms) for key in chosen])

    def is_due(self, lower: int) -> bool:
        """Return whether enough time has passed since the last `expire` to look again."""
        return lower - self._swept_at >= max(_LEAST_SWEEP, self._span // 4)

    def expire(self, lower: int) -> int:
        """Forget closed tiles, and last values older than two horizons; return how many."""
        self._swept_at = lower
        dropped = sum(self._expire_row(row, lower) for row in self._rows.values())
        self._rows = {key: row for key, row in self._rows.items() if row.state or row.tiles}
        return dropped

    def entries(self) -> int:
        """Return how many last values and tiles are held."""
        return sum(
            len(row.state) + sum(map(len, row.tiles.values())) for row in self._rows.values()
        )

    def _expire_row(self, row: Partial, lower: int) -> int:
        oldest = (lower - self._span) // _MILLI
        old = [slot for slot, last in row.state.items() if last.event_ms < oldest]
        closed = [
            (start, slot)
            for start, tiles in row.tiles.items()
            for slot in tiles
            if self._is_closed(slot, start, lower)
        ]
        for slot in old:
            del row.state[slot]
        for start, slot in closed:
            del row.tiles[start][slot]
        row.tiles = {start: tiles for start, tiles in row.tiles.items() if tiles}
        return len(old) + len(closed)

    def _is_closed(self, slot: int, start: int, lower: int) -> bool:
        end = (start + self._definitions.tile_minutes.get(slot, 0)) * MINUTE
        return lower >= end + self._span

    def _partial(self, row_key: bytes) -> Partial:
        partial = self._rows.get(row_key)
        if partial is None:
            partial = self._rows[row_key] = Partial.empty()
        return partial

    def _absorb_row(self, row: RowPart, lower: int, tally: Tally) -> RowPart:
        partial = self._partial(row.row_key)
        state = [entry for entry in row.state if self._keep_state(partial, entry, tally)]
        tiles = []
        for start, parts in row.tiles:
            held = partial.tiles.setdefault(start, {})
            if kept := self._keep_tiles(held, start, parts, lower, tally):
                tiles.append((start, kept))
            elif not held:
                del partial.tiles[start]
        return RowPart(row.row_key, state, tiles)

    def _keep_state(self, partial: Partial, entry: StatePart, tally: Tally) -> bool:
        if entry[0] in self._definitions.state:
            return partial.set_state(*entry)
        tally.changes_unknown += 1
        return False

    def _keep_tiles(
        self, tiles: Tiles, start: int, parts: Iterable[TilePart], lower: int, tally: Tally
    ) -> list[TilePart]:
        merges, kept = self._definitions.merges, []
        for part in parts:
            slot, n, value = part
            held = tiles.get(slot)
            if held is None:
                if opened := self._open_tile(tiles, start, part, lower, tally):
                    kept.append(opened)
            elif held.n:
                held.n += n
                if held.kept is not None:
                    held.kept = merges[slot](held.kept, value)
                kept.append(part)
        return kept

    def _open_tile(
        self, tiles: Tiles, start: int, part: TilePart, lower: int, tally: Tally
    ) -> TilePart | None:
        slot = part[0]
        if slot not in self._definitions.aggregations:
            tally.changes_unknown += 1
            return None
        if self._is_closed(slot, start, lower):
            tally.tiles_reopened += 1
            return None
        if start * MINUTE < self._covers_from:
            tally.tiles_withheld += 1
            part = (slot, 0, None)
        merge_tile(tiles, part, self._definitions.aggregations[slot])
        return part

    def _cells(
        self,
        row: Partial,
        slots: Iterable[int],
        tiles: Iterable[tuple[int, int]],
        tally: Tally,
    ) -> list[Cell]:
        known = self._definitions
        cells = []
        for slot in slots:
            last = row.state[slot]
            cells.append(state_cell(known.state[slot], last.event_ms, last.value))
        for start, slot in tiles:
            tile = row.tiles[start][slot]
            if not tile.n:
                continue
            feature = known.features[slot]
            tally.versions_capped += is_capped(feature.tile, tile.n)
            tally.sums_saturated += feature.aggregate == "sum" and not _fits(tile.kept)
            cells.append(tile_cell(feature, start * MINUTE, tile.n, tile.kept))
        cells.sort(key=_place)
        return cells


def _fits(total: int) -> bool:
    return INT64_MIN <= total <= INT64_MAX


def _place(cell: Cell) -> tuple[str, str, int]:
    return cell.family, cell.qualifier, cell.timestamp
