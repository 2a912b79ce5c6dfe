"""From what is known of a row to its cells, by the definitions of all feature sets."""

from collections.abc import Iterable, Mapping

import msgspec

from schemas.aggregates import AGGREGATIONS, is_saturated
from schemas.cells import TILE_FAMILY, Cell, Clear, RowChange
from schemas.changes import MINUTE, RowPart, TileEntry
from schemas.coverage import Coverage
from schemas.feature_set import FeatureSet
from schemas.tiles import TileForm, state_cell
from schemas.times import MILLISECOND

__all__ = ["Definitions", "Tally"]


class Tally(msgspec.Struct):
    """What became of changes; each is a counter."""

    tiles_withheld: int = 0
    """Tiles that the job does not wholly cover, once a tile."""
    tiles_reopened: int = 0
    """Changes to tiles whose state was gone."""
    changes_unknown: int = 0
    """Changes of definitions that the job no longer has; in batch, values of a bundle's rows."""
    versions_capped: int = 0
    """Values written of tiles with more events than versions."""
    sums_saturated: int = 0
    """Values written of sums beyond 64 bits."""


class Definitions:
    """State fields and features of all sets by slot, with what depends on them alone.

    Both are in order of their names, which is the order of their cells.
    """

    def __init__(self, sets: Iterable[FeatureSet]) -> None:
        kept = list(sets)
        fields = sorted((f for each in kept for f in each.state), key=lambda field: field.name)
        features = sorted((f for each in kept for f in each.features), key=lambda each: each.name)
        self.state = {field.slot: field for field in fields}
        self.tiles = {feature.slot: TileForm.of(feature) for feature in features}
        self.merges = {f.slot: AGGREGATIONS[f.aggregate].merge for f in features}
        self._forms = list(self.tiles.values())
        self._ranks = {slot: rank for rank, slot in enumerate(self.tiles)}
        self._sums = frozenset(self._ranks[f.slot] for f in features if f.aggregate == "sum")
        self._state_ranks = {slot: rank for rank, slot in enumerate(self.state)}
        self._by_entity = {
            each.entity.encode(): sorted(map(TileForm.of, each.features), key=lambda f: f.name)
            for each in kept
        }

    def cells(self, row: RowPart, tally: Tally) -> list[Cell]:
        """Return the cells of a row or of what has changed in it, sorted by place."""
        known, state, forms, sums = self.state, row.state, self._forms, self._sums
        cells = [
            state_cell(known[slot], state[slot])
            for slot in sorted(state, key=self._state_ranks.__getitem__)
        ]
        for rank, start, entry in self._in_order(row.tiles):
            if entry is None:
                continue
            form, begin = forms[rank], start * MINUTE
            cell = form.cell(begin, entry)
            cells.append(cell)
            # Only the last version can stand for more events than there are versions.
            if cell.timestamp + MILLISECOND >= begin + form.length:
                tally.versions_capped += form.is_capped(entry)
            if rank in sums:
                tally.sums_saturated += is_saturated(entry)
        return cells

    def _in_order(
        self, tiles: Mapping[int, Mapping[int, TileEntry]]
    ) -> list[tuple[int, int, TileEntry]]:
        """Return (rank of the name, start, entry) of each tile, by name, then by start."""
        ranks = self._ranks
        placed = [
            (ranks[slot], start, entry)
            for start, entries in tiles.items()
            for slot, entry in entries.items()
        ]
        # Rank and start differ from all others: entries, which have no order, are not compared.
        placed.sort()
        return placed

    def repair(self, row: RowPart, coverage: Coverage, tally: Tally) -> RowChange:
        """Return a change after which the covered tiles are those of `row` and no others.

        Of every feature of the row's entity the whole tiles inside `coverage` are emptied first, so
        the cells have nothing to clear by themselves. `row` holds no tiles outside of it.
        """
        cells = [
            cell if cell.clear_from is None else msgspec.structs.replace(cell, clear_from=None)
            for cell in self.cells(row, tally)
        ]
        entity = row.row_key.split(b"#", 2)[1]
        return RowChange(row.row_key, cells, self._clears(entity, coverage))

    def _clears(self, entity: bytes, coverage: Coverage) -> tuple[Clear, ...]:
        clears = []
        for form in self._by_entity.get(entity, ()):
            start, end = coverage.whole_tiles(form.length)
            # A cell has no time before 1970.
            if max(0, start) < end:
                clears.append(Clear(TILE_FAMILY, form.name, max(0, start), end))
        return tuple(clears)
