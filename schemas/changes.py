"""Changes of entities on their way from events to cells: parts that merge in any order.

A `RowPart` is one form for all: what a bundle of events changes in a row, how that travels, what is
saved of it, and what a shard holds of a row. State fields and features are named by their slot, a
number that changes with a definition.
"""

from typing import Any, TypeAlias

import msgspec

__all__ = ["MINUTE", "ChangePack", "RowPart", "StateEntry", "TileEntry", "is_newer"]

MINUTE = 60_000_000
"""Tile starts travel in minutes: half the bytes of microseconds."""

StateEntry: TypeAlias = tuple[int, str, Any]
"""Event time in ms, event id, value. Never changed in place."""
TileEntry: TypeAlias = Any
"""What an aggregation keeps of the events in a tile (see `schemas.aggregates`); never changed in
place by a merge. None: a tile that is withheld."""


_ROW_BYTES = 16
_ENTRY_BYTES = 30


# None of these structs can be in a cycle, and there are many: the garbage collector, which would
# take half of the time of the entity step, need not look at them.
class RowPart(msgspec.Struct, array_like=True, gc=False):
    """What some events change in one row.

    `state` by slot; `tiles` by their start in minutes since the epoch, then by slot.
    """

    row_key: bytes
    state: dict[int, StateEntry]
    tiles: dict[int, dict[int, TileEntry]]

    def copy(self) -> "RowPart":
        """Return a part that can be changed without changing this one."""
        tiles = {start: entries.copy() for start, entries in self.tiles.items()}
        return RowPart(self.row_key, self.state.copy(), tiles)


class ChangePack(msgspec.Struct, array_like=True, gc=False):
    """Changes of many rows of one shard; a row may be in it more than once."""

    rows: list[RowPart]

    def __len__(self) -> int:
        return len(self.rows)

    def estimated_bytes(self) -> int:
        """Return about how many bytes the pack takes encoded, large sets of values left out."""
        entries = sum(len(row.state) + sum(map(len, row.tiles.values())) for row in self.rows)
        return _ROW_BYTES * len(self.rows) + _ENTRY_BYTES * entries


def is_newer(entry: StateEntry, held: StateEntry) -> bool:
    """Return whether an entry has the last word over another: by event time, then by greater id.

    >>> is_newer((5, "a", "x"), (5, "a", "x")), is_newer((5, "a", "x"), (5, "b", "y"))
    (True, False)
    """
    return entry[0] > held[0] or (entry[0] == held[0] and entry[1] >= held[1])
