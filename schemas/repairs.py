"""The log of repairs: which tiles of a table were computed anew from an archive, and when.

    <archive>/repairs/<table>/<run>.<digest>.json

Each run that has succeeded leaves one immutable record. A change that Bigtable refused earlier must
not be applied again to a tile that was repaired since: it would bring back what the repair mended.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from schemas.cells import STATE_FAMILY, TILE_FAMILY, Cell, Clear, RowChange
from schemas.coverage import Coverage
from schemas.record_file import read_record

__all__ = ["REPAIRS", "Repair", "RepairedTile", "Spans", "repairs_folder", "without"]

REPAIRS = "repairs"


class RepairedTile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A tile `[start, end)` of one feature in one row; in microseconds."""

    row_key: bytes
    qualifier: str
    start: int
    end: int


class Repair(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one run repaired in a table; times in microseconds.

    Either all whole tiles of all rows in the event times `[start, end)`, or the `tiles` it names.
    `started_at` is before it read anything.
    """

    table: str
    run: str
    started_at: int
    start: int | None = None
    end: int | None = None
    tiles: list[RepairedTile] = []

    @property
    def name(self) -> str:
        """The name of the record's file, relative to the archive; equal records have equal ones."""
        digest = hashlib.blake2b(self.to_json(), digest_size=8).hexdigest()
        return f"{repairs_folder(self.table)}/{self.run}.{digest}.json"

    def to_json(self) -> bytes:
        """Return the content of the record's file."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, content: bytes) -> "Repair":
        """Read a record's file.

        Raises:
            ValueError: it is none.
        """
        return read_record(content, cls, "no record of a repair; move it away")


class Spans(NamedTuple):
    """What must not be written any more in one row, as `[start, end)` of cell times.

    `tiles` by qualifier; `state` for last values of any name.
    """

    tiles: Mapping[str, list[tuple[int, int]]]
    state: list[tuple[int, int]]

    @classmethod
    def of(cls, repairs: Iterable[Repair], row_key: bytes, lengths: Mapping[str, int]) -> "Spans":
        """Return what repairs have settled in a row.

        Args:
            repairs: those that count.
            row_key: of the row.
            lengths: of the tiles by feature, in microseconds; others are not known to be repaired.
        """
        tiles: dict[str, list[tuple[int, int]]] = {}
        state = []
        for repair in repairs:
            if repair.start is not None and repair.end is not None:
                state.append((repair.start, repair.end))
                for name, length in lengths.items():
                    whole = Coverage(repair.start, repair.end).whole_tiles(length)
                    tiles.setdefault(name, []).append(whole)
            for tile in repair.tiles:
                if tile.row_key == row_key:
                    tiles.setdefault(tile.qualifier, []).append((tile.start, tile.end))
        return cls(tiles, state)


def repairs_folder(table: str) -> str:
    """Return the folder of a table's repairs, relative to the archive.

    >>> repairs_folder("projects/p/instances/i/tables/t")
    'repairs/projects%2Fp%2Finstances%2Fi%2Ftables%2Ft'
    """
    return f"{REPAIRS}/{quote(table, safe='')}"


def without(change: RowChange, spans: Spans) -> RowChange:
    """Return a change without the cells, and the parts of clears, that lie in some spans.

    >>> change = RowChange(b"r", [Cell("t", "n", 5_000, b"")], (Clear("t", "n", 0, 9_000),))
    >>> without(change, Spans({"n": [(4_000, 6_000)]}, [])).clears[0]
    Clear(family='t', qualifier='n', start=0, end=4000)
    """
    cells = [cell for cell in change.cells if not _inside(cell.timestamp, _spans(cell, spans))]
    clears = [part for clear in change.clears for part in _parts(clear, _spans(clear, spans))]
    return RowChange(change.row_key, cells, tuple(clears))


def _spans(place: Cell | Clear, spans: Spans) -> list[tuple[int, int]]:
    if place.family == STATE_FAMILY:
        return spans.state
    return spans.tiles.get(place.qualifier, []) if place.family == TILE_FAMILY else []


def _inside(time: int, spans: Iterable[tuple[int, int]]) -> bool:
    return any(start <= time < end for start, end in spans)


def _parts(clear: Clear, spans: Iterable[tuple[int, int]]) -> Iterator[Clear]:
    """Yield what is left of a clear, in order of time."""
    at = clear.start
    for start, end in sorted(spans):
        if start < end and at < end and start < clear.end:
            if at < start:
                yield Clear(clear.family, clear.qualifier, at, start)
            at = end
    if at < clear.end:
        yield Clear(clear.family, clear.qualifier, at, clear.end)
