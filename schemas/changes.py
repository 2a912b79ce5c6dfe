"""Changes of entities on their way from events to cells: parts that merge in any order.

`Partial` is what is held of one row in memory; `RowPart` is the same as it travels and as it is
saved. State fields and features are named by their slot, a number that changes with a definition.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from schemas.aggregates import Aggregation, Moment

__all__ = [
    "MINUTE",
    "ChangePack",
    "Form",
    "Partial",
    "RowPart",
    "StatePart",
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
Tiles: TypeAlias = dict[int, list[Any]]
"""The tiles of one start by slot: [number of events, what the aggregation keeps of them]."""

Form: TypeAlias = Callable[[Any], Any]
"""Makes a part of what is held of a tile."""


class RowPart(msgspec.Struct, array_like=True):
    """What some events change in one row; `tiles` by their start in minutes since the epoch."""

    row_key: bytes
    state: list[StatePart]
    tiles: list[tuple[int, list[TilePart]]]


class ChangePack(msgspec.Struct, array_like=True):
    """Changes of many rows of one shard; a row may be in it more than once."""

    rows: list[RowPart]

    def __len__(self) -> int:
        return len(self.rows)


class Partial:
    """What is known of one row: (moment, value) by slot, and tiles by start in minutes."""

    __slots__ = ("state", "tiles")

    def __init__(self) -> None:
        self.state: dict[int, tuple[Moment, Any]] = {}
        self.tiles: dict[int, Tiles] = {}

    def set_state(self, slot: int, event_ms: int, event_id: str, value: Any) -> bool:
        """Keep the last value by event time, then by the greater event id; tell if this is it."""
        held = self.state.get(slot)
        moment = (event_ms, event_id)
        if held is not None and held[0] > moment:
            return False
        self.state[slot] = moment, value
        return True

    def part(self, row_key: bytes, forms: Mapping[int, Form]) -> RowPart:
        """Return the part that merges to the same; `forms` make parts of tiles by slot."""
        return RowPart(
            row_key,
            [(slot, *moment, value) for slot, (moment, value) in self.state.items()],
            [(start, tile_parts(tiles, forms)) for start, tiles in self.tiles.items()],
        )


def merge_tile(tiles: Tiles, part: TilePart, by: Aggregation) -> None:
    """Add a part of a tile to those of its start."""
    slot, n, value = part
    held = tiles.get(slot)
    if held is None:
        tiles[slot] = [n, by.thaw(value) if n else None]
    else:
        held[0] += n
        held[1] = by.merge(held[1], value)


def tile_parts(tiles: Tiles, forms: Mapping[int, Form]) -> list[TilePart]:
    """Return the parts that merge to the same tiles."""
    return [(slot, n, forms[slot](kept) if n else None) for slot, (n, kept) in tiles.items()]
