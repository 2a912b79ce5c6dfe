"""The entity step without Beam: open tiles and last versions of the rows of one shard."""

from collections.abc import Iterator

from schemas.cells import RowChange
from schemas.changes import MINUTE, ChangePack, RowPart, StateEntry, TileEntry, is_newer
from schemas.coverage import Coverage
from schemas.events import MAX_MICROS, MIN_MICROS
from schemas.times import MILLISECOND
from transforms.row_cells import Definitions, Tally

__all__ = ["EntityShard"]

_SNAPSHOT_ROWS = 500
_LEAST_SWEEP = 5 * MINUTE


class EntityShard:
    """Merges change packs and says which cells they make: all that is known of each touched value.

    The values that stand at the end do not depend on the order of changes, nor on how they were
    split into packs. `lower` is always a lower bound of the watermark in microseconds, `MIN_MICROS`
    in batch.

    A tile is *withheld* where it begins before `covers_from` or ends after `covers_to`, and nothing
    was kept of it yet: the job may have missed some of its events. It is *closed*, and changes to
    it are withheld too, when the watermark has passed its end by two horizons; `expire` then
    forgets it.
    """

    def __init__(
        self,
        definitions: Definitions,
        horizon: int,
        covers_from: int,
        covers_to: int = MAX_MICROS,
    ) -> None:
        self._definitions = definitions
        self._span = 2 * horizon
        self._coverage = Coverage(covers_from, covers_to)
        self._rows: dict[bytes, RowPart] = {}
        self._swept_at = MIN_MICROS

    def __len__(self) -> int:
        return len(self._rows)

    def load(self, pack: ChangePack) -> int:
        """Merge a pack: what an earlier `absorb` or `snapshot` returned, or what batch has.

        The pack is used up. Returns how many values were left out because the job no longer has
        their definitions.
        """
        rows, unknown = self._rows, 0
        for part in pack.rows:
            unknown += self._drop_unknown(part)
            row = rows.get(part.row_key)
            if row is None:
                rows[part.row_key] = part
            else:
                self._merge(row, part)
        return unknown

    def absorb(self, pack: ChangePack, lower: int, tally: Tally) -> ChangePack:
        """Merge what counts; return that, which is what has to be saved and written."""
        kept = [self._absorb_row(part, lower, tally) for part in pack.rows]
        return ChangePack([part for part in kept if part.state or part.tiles])

    def changes(self, pack: ChangePack, tally: Tally) -> Iterator[RowChange]:
        """Yield the cells that an absorbed pack has changed, one change a row, in order of keys."""
        touched: dict[bytes, RowPart] = {}
        for part in pack.rows:
            row, named = self._rows[part.row_key], touched.get(part.row_key)
            if named is None:
                named = touched[part.row_key] = RowPart(part.row_key, {}, {})
            named.state.update({slot: row.state[slot] for slot in part.state})
            for start, entries in part.tiles.items():
                now = row.tiles[start]
                named.tiles.setdefault(start, {}).update({slot: now[slot] for slot in entries})
        for row_key in sorted(touched):
            if cells := self._definitions.cells(touched[row_key], tally):
                yield RowChange(row_key, cells)

    def rows(self, tally: Tally) -> Iterator[RowChange]:
        """Yield every row with all its cells, in order of keys, as in batch: nothing is closed."""
        for row_key in sorted(self._rows):
            row = self._rows[row_key]
            self._withhold(row, tally)
            if cells := self._definitions.cells(row, tally):
                yield RowChange(row_key, cells)

    def repairs(self, tally: Tally) -> Iterator[RowChange]:
        """Yield every row as `rows` does, with what makes it authoritative for what is covered."""
        for row_key in sorted(self._rows):
            row = self._rows[row_key]
            self._withhold(row, tally)
            change = self._definitions.repair(row, self._coverage, tally)
            if change.cells or change.clears:
                yield change

    def snapshot(self) -> Iterator[ChangePack]:
        """Yield packs that load to the same shard."""
        rows = list(self._rows.values())
        for first in range(0, len(rows), _SNAPSHOT_ROWS):
            yield ChangePack([row.copy() for row in rows[first : first + _SNAPSHOT_ROWS]])

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

    def _expire_row(self, row: RowPart, lower: int) -> int:
        oldest = (lower - self._span) // MILLISECOND
        old = [slot for slot, entry in row.state.items() if entry[0] < oldest]
        closed = [
            (start, slot)
            for start, entries in row.tiles.items()
            for slot in entries
            if self._is_closed(slot, start, lower)
        ]
        for slot in old:
            del row.state[slot]
        for start, slot in closed:
            del row.tiles[start][slot]
        row.tiles = {start: entries for start, entries in row.tiles.items() if entries}
        return len(old) + len(closed)

    def _is_closed(self, slot: int, start: int, lower: int) -> bool:
        form = self._definitions.tiles.get(slot)
        end = start * MINUTE + (form.length if form else 0)
        return lower >= end + self._span

    def _merge(self, row: RowPart, part: RowPart) -> None:
        for slot, entry in part.state.items():
            held = row.state.get(slot)
            if held is None or is_newer(entry, held):
                row.state[slot] = entry
        for start, entries in part.tiles.items():
            tiles = row.tiles.get(start)
            if tiles is None:
                row.tiles[start] = entries.copy()
            else:
                self._merge_tiles(tiles, entries)

    def _merge_tiles(self, tiles: dict[int, TileEntry], entries: dict[int, TileEntry]) -> None:
        merges = self._definitions.merges
        for slot, entry in entries.items():
            if slot not in tiles or entry is None:
                tiles[slot] = entry
            elif tiles[slot] is not None:
                tiles[slot] = merges[slot](tiles[slot], entry)

    def _absorb_row(self, part: RowPart, lower: int, tally: Tally) -> RowPart:
        row = self._rows.get(part.row_key)
        if row is None:
            row = self._rows[part.row_key] = RowPart(part.row_key, {}, {})
        state = {
            slot: entry
            for slot, entry in part.state.items()
            if self._keep_state(row, slot, entry, tally)
        }
        kept = RowPart(part.row_key, state, {})
        for start, entries in part.tiles.items():
            tiles = row.tiles.get(start, {})
            if counted := self._keep_tiles(tiles, start, entries, lower, tally):
                kept.tiles[start] = counted
                row.tiles[start] = tiles
        return kept

    def _keep_state(self, row: RowPart, slot: int, entry: StateEntry, tally: Tally) -> bool:
        if slot not in self._definitions.state:
            tally.changes_unknown += 1
            return False
        held = row.state.get(slot)
        if held is not None and not is_newer(entry, held):
            return False
        row.state[slot] = entry
        return True

    def _keep_tiles(
        self,
        tiles: dict[int, TileEntry],
        start: int,
        entries: dict[int, TileEntry],
        lower: int,
        tally: Tally,
    ) -> dict[int, TileEntry]:
        merges, kept = self._definitions.merges, {}
        for slot, entry in entries.items():
            if slot not in tiles:
                if not self._opens(slot, start, lower, tally):
                    continue
                withheld = self._is_withheld(slot, start, tally)
                tiles[slot] = kept[slot] = None if withheld else entry
            elif tiles[slot] is not None:
                tiles[slot] = merges[slot](tiles[slot], entry)
                kept[slot] = entry
        return kept

    def _opens(self, slot: int, start: int, lower: int, tally: Tally) -> bool:
        if slot not in self._definitions.tiles:
            tally.changes_unknown += 1
            return False
        if self._is_closed(slot, start, lower):
            tally.tiles_reopened += 1
            return False
        return True

    def _is_withheld(self, slot: int, start: int, tally: Tally) -> bool:
        if self._coverage.holds(start * MINUTE, self._definitions.tiles[slot].length):
            return False
        tally.tiles_withheld += 1
        return True

    def _drop_unknown(self, part: RowPart) -> int:
        known, dropped = self._definitions, 0
        if not part.state.keys() <= known.state.keys():
            kept = {slot: entry for slot, entry in part.state.items() if slot in known.state}
            dropped += len(part.state) - len(kept)
            part.state = kept
        for start, entries in part.tiles.items():
            if not entries.keys() <= known.tiles.keys():
                part.tiles[start] = {s: entries[s] for s in entries if s in known.tiles}
                dropped += len(entries) - len(part.tiles[start])
        return dropped

    def _withhold(self, row: RowPart, tally: Tally) -> None:
        if self._coverage.is_everything:
            return
        for start, entries in row.tiles.items():
            for slot in entries:
                if entries[slot] is not None and self._is_withheld(slot, start, tally):
                    entries[slot] = None
