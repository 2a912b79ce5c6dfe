"""Tiles: their arithmetic, their version by count, and how a reader folds the cells of a row.

A tile is a span of event time, `[start, start + length)`, aligned to the epoch. The value of a
feature in a tile has as its version the number of events that it holds: a more complete value
always beats a less complete one, whatever order they arrive in. docs/bigtable.md is the layout.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from schemas.aggregates import AGGREGATIONS
from schemas.cells import STATE_FAMILY, TILE_FAMILY, Cell
from schemas.changes import StateEntry, TileEntry
from schemas.durations import parse_duration
from schemas.feature_set import Feature, FeatureSet, StateField
from schemas.times import MILLISECOND
from schemas.values import decode_value, encode_value

__all__ = ["ReadCell", "TileForm", "fold_row", "state_cell", "tile_start"]

ReadCell: TypeAlias = tuple[str, str, int, bytes]
"""A cell as a client reads it: family, qualifier, timestamp in microseconds, value."""


def tile_start(moment: int, length: int) -> int:
    """Return the start of the tile that holds a moment; all in microseconds.

    >>> tile_start(7_300_000_000, 3_600_000_000)
    7200000000
    """
    return moment - moment % length


class TileForm(NamedTuple):
    """What the cells of a feature's tiles have in common; made once a feature."""

    name: str
    length: int
    """Of a tile, in microseconds."""
    versions: int
    """The least number of events that the versions of a tile can no longer tell apart."""
    count: Callable[[TileEntry], int]
    encode: Callable[[TileEntry], bytes]

    @classmethod
    def of(cls, feature: Feature) -> "TileForm":
        """Return the form of a feature's cells."""
        by = AGGREGATIONS[feature.aggregate]
        versions = feature.tile // MILLISECOND
        return cls(feature.name, feature.tile, versions, by.count, by.encode)

    def cell(self, start: int, entry: TileEntry) -> Cell:
        """Return the cell of one tile: version start + n ms, older versions of the tile cleared.

        `entry` is what the feature's aggregation keeps of the n events. The version stops one short
        of the tile's length in ms, so that it never reaches the next tile.
        """
        name, _, versions, count, encode = self
        n = count(entry)
        version = n if n < versions else versions - 1
        return Cell(TILE_FAMILY, name, start + version * MILLISECOND, encode(entry), start)

    def is_capped(self, entry: TileEntry) -> bool:
        """Return whether a tile has more events than versions."""
        return self.count(entry) >= self.versions


def state_cell(field: StateField, entry: StateEntry) -> Cell:
    """Return the cell of a last value: its timestamp is the event time in whole milliseconds."""
    return Cell(STATE_FAMILY, field.name, entry[0] * MILLISECOND, encode_value(entry[2]))


def fold_row(
    cells: Iterable[ReadCell], features: FeatureSet, spans: Sequence[str], at: int
) -> dict[str, Any]:
    """Fold the cells of one row, in any order, into what the row says at a moment.

    Returns every state field's value by name, and for every feature a dict from span to value. A
    span at T holds the tiles that begin after T - span, up to the one that holds T: its resolution
    is the tile. A state field whose last value is later than T, or that never had one, is None. A
    span without events is 0 for counts, sums and distinct counts, None for the others.

    Errors: a span that is no length, or longer than the retention, raises `ValueError`.

    Args:
        cells: as read, with as many versions as there are; of a tile the highest counts.
        features: the feature set of the row's entity.
        spans: such as `1h`, `24h`, `30d`.
        at: T, in microseconds since the epoch.
    """
    lengths = {span: _span(span, features) for span in spans}
    by_name: dict[tuple[str, str], dict[int, bytes]] = {}
    for family, qualifier, timestamp, value in cells:
        by_name.setdefault((family, qualifier), {})[timestamp] = value
    row: dict[str, Any] = {
        field.name: _last(by_name.get((STATE_FAMILY, field.name), {}), field, at)
        for field in features.state
    }
    for feature in features.features:
        tiles = _tiles(by_name.get((TILE_FAMILY, feature.name), {}), feature.tile)
        row[feature.name] = {
            span: _fold(tiles, feature, at - length, at) for span, length in lengths.items()
        }
    return row


def _span(span: str, features: FeatureSet) -> int:
    length = parse_duration(span)
    if length > features.retention:
        msg = f"span {span} is longer than {features.entity} rows are kept; ask for a shorter one"
        raise ValueError(msg)
    return length


def _last(versions: Mapping[int, bytes], field: StateField, at: int) -> Any:
    newest = max(versions, default=None)
    if newest is None or newest > at:
        return None
    return decode_value(field.value, versions[newest])


def _tiles(versions: Mapping[int, bytes], length: int) -> dict[int, bytes]:
    """Return the highest version of each tile by its start, oldest first."""
    return {tile_start(timestamp, length): versions[timestamp] for timestamp in sorted(versions)}


def _fold(tiles: Mapping[int, bytes], feature: Feature, after: int, until: int) -> Any:
    found = [value for start, value in tiles.items() if after < start <= until]
    if not found:
        return None if feature.aggregate in ("min", "max", "last") else _zero(feature)
    decoded = found if feature.value is None else [decode_value(feature.value, v) for v in found]
    return AGGREGATIONS[feature.aggregate].fold(decoded)


def _zero(feature: Feature) -> Any:
    return 0 if feature.value is None else decode_value(feature.value, encode_value(0))
