"""Changes of entities on their way from events to cells: parts that merge in any order.

`Partial` is what is held of one row in memory; `RowPart` is the same as it travels and as it is
saved. State fields and features are named by their slot, a number that changes with a definition.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from schemas.aggregates import Aggregation

__all__ = [
    "MINUTE",
    "ChangePack",
    "Form",
    "Last",
    "Partial",
    "RowPart",
    "StatePart",
    "Tile",
    "TilePart",
    "Tiles",
    "merge_tile",
    "tile_parts",
]

MINUTE = 60_000_000
"""Tile starts travel in minutes: half the bytes of microseconds."""


StatePart: TypeAlias = tuple[int, int, str, Any]
"""Slot, event time in ms, event id, value."""
TilePart: TypeAlias = tuple[int, int, Any]
"""Slot, number of events, part of the aggregate; without events, a tile that is withheld."""

Form: TypeAlias = Callable[[Any], Any]
"""Makes a part of what is held of a tile."""


# None of these structs can be in a cycle, and there are many: the garbage collector, which would
# take half of the time of the entity step, need not look at them.
class RowPart(msgspec.Struct, array_like=True, gc=False):
    """What some events change in one row; `tiles` by their start in minutes since the epoch."""

    row_key: bytes
    state: list[StatePart]
    tiles: list[tuple[int, list[TilePart]]]


class Last(msgspec.Struct, gc=False):
    """A last value with the event time in ms and the event id that it is of."""

    event_ms: int
    event_id: str
    value: Any


class Tile(msgspec.Struct, gc=False):
    """The number of events in a tile, and what the aggregation keeps of them."""

    n: int
    kept: Any


Tiles: TypeAlias = dict[int, Tile]
"""The tiles of one start by slot."""


class ChangePack(msgspec.Struct, array_like=True, gc=False):
    """Changes of many rows of one shard; a row may be in it more than once."""

    rows: list[RowPart]

    def __len__(self) -> int:
        return len(self.rows)


class Partial(msgspec.Struct, gc=False):
    """What is known of one row: last values by slot, and tiles by start in minutes."""

    state: dict[int, Last]
    tiles: dict[int, Tiles]

    @classmethod
    def empty(cls) -> "Partial":
        """Return what is known of a row that nothing is known of."""
        return cls({}, {})

    def set_state(self, slot: int, event_ms: int, event_id: str, value: Any) -> bool:
        """Keep the last value by event time, then by the greater event id; tell if this is it."""
        held = self.state.get(slot)
        if held is not None and (held.event_ms, held.event_id) > (event_ms, event_id):
            return False
        self.state[slot] = Last(event_ms, event_id, value)
        return True

    def part(self, row_key: bytes, forms: Mapping[int, Form]) -> RowPart:
        """Return the part that merges to the same; `forms` make parts of tiles by slot."""
        return RowPart(
            row_key,
            [(slot, last.event_ms, last.event_id, last.value) for slot, last in self.state.items()],
            [(start, tile_parts(tiles, forms)) for start, tiles in self.tiles.items()],
        )


def merge_tile(tiles: Tiles, part: TilePart, by: Aggregation) -> None:
    """Add a part of a tile to those of its start."""
    slot, n, value = part
    held = tiles.get(slot)
    if held is None:
        tiles[slot] = Tile(n, by.thaw(value) if n else None)
    else:
        held.n += n
        held.kept = by.merge(held.kept, value)


def tile_parts(tiles: Tiles, forms: Mapping[int, Form]) -> list[TilePart]:
    """Return the parts that merge to the same tiles."""
    return [
        (slot, tile.n, None if tile.kept is None else forms[slot](tile.kept))
        for slot, tile in tiles.items()
    ]
