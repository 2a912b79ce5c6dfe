"""Where the boxes of a graph go: in rows, from the first step down to the last ones.

The usual way (Sugiyama, Tagawa, Toda 1981): a row for each step by its longest way from the
beginning, points on the way of flows that pass rows, an order within rows that has few crossings,
then places.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple, TypeAlias

__all__ = ["Edge", "Place", "Placed", "place"]

_SWEEPS = 12
_POINT = 34.0
"""Room for a flow that passes a row."""

Edge: TypeAlias = tuple[str, str]
_Rows: TypeAlias = list[list[str]]
_Near: TypeAlias = Mapping[str, list[str]]


class Place(NamedTuple):
    """The middle of a box or a point across, and its row down."""

    x: float
    row: int


class Placed(NamedTuple):
    """Places of boxes by name, and of each edge those that it passes, its ends included."""

    boxes: dict[str, Place]
    ways: dict[Edge, list[Place]]


def place(widths: Mapping[str, float], edges: Sequence[Edge]) -> Placed:
    """Place boxes so that every edge leads down.

    Args:
        widths: of the boxes by name, gaps included.
        edges: pairs of names, without a circle.
    """
    rows_of = _rows_of(list(widths), edges)
    ways = {edge: _way(edge, rows_of) for edge in edges}
    room = dict.fromkeys((name for way in ways.values() for name in way), _POINT) | dict(widths)
    row_of = rows_of | {
        name: rows_of[way[0]] + n for way in ways.values() for n, name in enumerate(way)
    }
    rows: _Rows = [[] for _ in range(max(row_of.values()) + 1)]
    for name in room:
        rows[row_of[name]].append(name)
    above, below = _neighbours(ways.values())
    x = _spread(_ordered(rows, above, below), room, above, below)
    places = {name: Place(x[name], row_of[name]) for name in room}
    return Placed(
        {name: places[name] for name in widths},
        {edge: [places[name] for name in way] for edge, way in ways.items()},
    )


def _rows_of(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Return the row of each box; what nothing leads to stands just above what it leads to."""
    rows = dict.fromkeys(names, 0)
    for _ in names:
        for giver, taker in edges:
            rows[taker] = max(rows[taker], rows[giver] + 1)
    takers = {taker for _, taker in edges}
    for name in names:
        follow = [rows[taker] for giver, taker in edges if giver == name]
        if name not in takers and follow:
            rows[name] = min(follow) - 1
    return rows


def _way(edge: Edge, rows: Mapping[str, int]) -> list[str]:
    giver, taker = edge
    between = range(rows[giver] + 1, rows[taker])
    return [giver, *(f"{giver}>{taker}@{row}" for row in between), taker]


def _neighbours(ways: Iterable[list[str]]) -> tuple[_Near, _Near]:
    above: dict[str, list[str]] = defaultdict(list)
    below: dict[str, list[str]] = defaultdict(list)
    for way in ways:
        for upper, lower in pairwise(way):
            below[upper].append(lower)
            above[lower].append(upper)
    return above, below


def _ordered(rows: _Rows, above: _Near, below: _Near) -> _Rows:
    """Return the rows with few crossings: each name near the middle of those it hangs on."""
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        near = above if down else below
        at = {name: n / max(len(row) - 1, 1) for row in rows for n, name in enumerate(row)}
        for row in rows if down else reversed(rows):
            row.sort(key=lambda name: _mean([at[each] for each in near.get(name, [])], at[name]))
            at |= {name: n / max(len(row) - 1, 1) for n, name in enumerate(row)}
    return rows


def _spread(rows: _Rows, room: Mapping[str, float], above: _Near, below: _Near) -> dict[str, float]:
    """Return how far across each name is: near its neighbours, and not over another one."""
    x = {name: 0.0 for row in rows for name in row}
    for sweep in range(2 * _SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = {
                name: _mean([x[each] for each in (*above.get(name, []), *below.get(name, []))], 0.0)
                for name in row
            }
            x |= _apart(row, wanted, room)
    return x


def _apart(
    row: Sequence[str], wanted: Mapping[str, float], room: Mapping[str, float]
) -> dict[str, float]:
    """Keep the order and the room of each name, as near as can be to where it is wanted.

    Names that would overlap form a block, which stands where its names want to be on the average.
    """
    offset = list(accumulate((room[name] for name in row), initial=0.0))
    middles = [offset[n] + room[name] / 2 for n, name in enumerate(row)]
    blocks: list[list[float]] = []
    for name, middle in zip(row, middles, strict=True):
        blocks.append([wanted[name] - middle])
        while len(blocks) > 1 and _mean(blocks[-2], 0.0) > _mean(blocks[-1], 0.0):
            last = blocks.pop()
            blocks[-1] += last
    starts = [_mean(block, 0.0) for block in blocks for _ in block]
    return {name: start + middle for name, start, middle in zip(row, starts, middles, strict=True)}


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
