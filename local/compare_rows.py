"""Compares two streams of rows as their readers see them: cells folded, both in order of keys."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from schemas.cells import STATE_FAMILY, TILE_FAMILY
from schemas.feature_set import FeatureSet
from schemas.pane_cells import window_length
from schemas.tiles import ReadCell, tile_start

__all__ = ["ColumnDifference", "Comparison", "Folding", "Row", "RowsOnly", "compare_rows"]

Row: TypeAlias = tuple[bytes, list[ReadCell]]
"""Row key, and all cells in as many versions as there are."""

_Place: TypeAlias = tuple[str, str, int]
_Folded: TypeAlias = dict[_Place, tuple[int, bytes]]


class Folding:
    """Takes of each last value the newest cell, and of each tile the highest version.

    Windows of metrics have their length in their qualifier. Cells of features that are not
    declared, whose tiles have no known length, and of other families are taken each for itself;
    `unknown` names them.
    """

    def __init__(self, sets: Iterable[FeatureSet]) -> None:
        self._lengths = {
            (each.entity.encode(), feature.name): feature.tile
            for each in sets
            for feature in each.features
        }
        self.unknown: set[str] = set()

    def fold(self, row: Row) -> _Folded:
        """Return what a reader takes of a row: place to (timestamp, value)."""
        row_key, cells = row
        entity = (*row_key.split(b"#", 2), b"")[1]
        folded: _Folded = {}
        for family, qualifier, timestamp, value in cells:
            place = (family, qualifier, self._within(entity, family, qualifier, timestamp))
            if place not in folded or folded[place][0] < timestamp:
                folded[place] = (timestamp, value)
        return folded

    def _within(self, entity: bytes, family: str, qualifier: str, timestamp: int) -> int:
        if family == STATE_FAMILY:
            return 0
        length = self._length(entity, qualifier) if family == TILE_FAMILY else None
        if length is None:
            self.unknown.add(f"{family}:{qualifier}")
            return timestamp
        return tile_start(timestamp, length)

    def _length(self, entity: bytes, qualifier: str) -> int | None:
        known = self._lengths.get((entity, qualifier))
        return window_length(qualifier) if known is None else known


@dataclass
class RowsOnly:
    """Rows that are on one side alone, and the first keys of them."""

    rows: int = 0
    sample: list[bytes] = field(default_factory=list)


@dataclass
class ColumnDifference:
    """What differs in one family and qualifier: last values or tiles, of rows on both sides."""

    differing: int = 0
    only_a: int = 0
    only_b: int = 0
    sample: list[bytes] = field(default_factory=list)


@dataclass
class Comparison:
    """Rows of both sides, and what differs between them."""

    rows_a: int = 0
    rows_b: int = 0
    only_a: RowsOnly = field(default_factory=RowsOnly)
    only_b: RowsOnly = field(default_factory=RowsOnly)
    columns: dict[str, ColumnDifference] = field(default_factory=dict)

    @property
    def is_different(self) -> bool:
        """Return whether anything differs."""
        return bool(self.only_a.rows or self.only_b.rows or self.columns)


class _Pair(NamedTuple):
    a: Row | None
    b: Row | None


def compare_rows(
    a: Iterable[Row], b: Iterable[Row], folding: Folding, sample: int = 5
) -> Comparison:
    """Compare two sides, each in strict order of row keys; no more than a row of each is held.

    Two folded cells are the same if time and value are. Cells of rows on one side alone are not
    counted by column.

    Args:
        a: one side.
        b: the other.
        folding: how the cells of a row are folded.
        sample: how many row keys, the first ones, to keep of each kind of difference.
    """
    found = Comparison()
    for pair in _pairs(a, b):
        found.rows_a += pair.a is not None
        found.rows_b += pair.b is not None
        if pair.a and pair.b:
            _compare(found, pair.a[0], folding.fold(pair.a), folding.fold(pair.b), sample)
        elif alone := pair.a or pair.b:
            side = found.only_a if pair.a else found.only_b
            side.rows += 1
            _note(side.sample, alone[0], sample)
    return found


def _pairs(a: Iterable[Row], b: Iterable[Row]) -> Iterator[_Pair]:
    left, right = iter(a), iter(b)
    one, other = next(left, None), next(right, None)
    while one or other:
        keys = [row[0] for row in (one, other) if row]
        pair = _Pair(
            one if one and one[0] == min(keys) else None,
            other if other and other[0] == min(keys) else None,
        )
        yield pair
        one = next(left, None) if pair.a else one
        other = next(right, None) if pair.b else other


def _compare(found: Comparison, row_key: bytes, a: _Folded, b: _Folded, sample: int) -> None:
    if a == b:
        return
    for place in sorted(place for place in a.keys() | b.keys() if a.get(place) != b.get(place)):
        column = found.columns.setdefault(f"{place[0]}:{place[1]}", ColumnDifference())
        column.only_a += place not in b
        column.only_b += place not in a
        column.differing += place in a and place in b
        _note(column.sample, row_key, sample)


def _note(sample: list[bytes], row_key: bytes, most: int) -> None:
    if len(sample) < most and row_key not in sample[-1:]:
        sample.append(row_key)
