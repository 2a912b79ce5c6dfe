"""A hash table of 16-byte ids in flat arrays: less memory than a dict, and no loop over ids.

Rows lie in the order in which they came; an index of row numbers with open addressing and linear
probing says where. All ids of a pack take each probe together. A row belongs to a group, and whole
groups are forgotten: their rows are passed over until enough of them have gathered.
"""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["IdRows", "IdTable"]

_Numbers: TypeAlias = NDArray[np.int64]
_Chosen: TypeAlias = NDArray[np.bool_]

_CHECK_BYTES = 4
_HALVES = Struct("=QQ")
_ALL = (1 << 64) - 1
_FREE = (1 << 31) - 1
_FEW = 48
_LEAST_CELLS = 64
_FILLED = 5 / 8
"""Of the index; an id that is new finds a free cell after four probes at the most, on average."""
_ROOM = 5 / 4
"""By which a rebuilt index has more room than is wanted: what one costs is spread over that."""
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""2^64 by the golden ratio: ids that are no digests are spread over the index as well."""


class IdRows(NamedTuple):
    """Ids by halves, with what is kept of each: bytes as they are, taken for numbers."""

    heads: NDArray[np.uint64]
    tails: NDArray[np.uint64]
    checks: NDArray[np.uint32]
    groups: NDArray[np.uint32]

    @classmethod
    def of(cls, ids: Sequence[bytes], contents: Sequence[bytes]) -> "IdRows":
        """Take ids apart, and the first 4 bytes of each content for a check; the group is 0.

        >>> len(IdRows.of([bytes(16)], [b"same"]).tails)
        1
        """
        halves = np.frombuffer(b"".join(ids), np.uint64)
        widths = {*map(len, contents)}
        width = widths.pop() if len(widths) == 1 else 0
        if not width or width % _CHECK_BYTES:
            contents, width = [content[:_CHECK_BYTES] for content in contents], _CHECK_BYTES
        checks = np.frombuffer(b"".join(contents), np.uint32)[:: width // _CHECK_BYTES]
        return cls(halves[::2], halves[1::2], checks, np.zeros(len(checks), np.uint32))

    def chosen(self, rows: "_Chosen | _Numbers | slice") -> "IdRows":
        """Return some of the rows."""
        heads, tails, checks, groups = self
        return IdRows(heads[rows], tails[rows], checks[rows], groups[rows])


class IdTable:
    """Distinct ids with a check and a group each; the caller knows which groups are still there.

    >>> table = IdTable()
    >>> ids = IdRows(*(np.array([7, 8, 7], kind) for kind in ("u8", "u8", "u4", "u4")))
    >>> table.make_room(3, is_kept=list)
    False
    >>> owners, fresh = table.claim(ids)
    >>> owners.tolist(), fresh.tolist(), len(table)
    ([0, 1, 0], [True, True, False], 2)
    """

    def __init__(self) -> None:
        self._rows = _no_rows()
        self._size = 0
        self._index = _free_cells(_LEAST_CELLS)

    def __len__(self) -> int:
        """Return how many rows there are, those of forgotten groups too."""
        return self._size

    @property
    def rows(self) -> IdRows:
        """All rows, in the order in which they came; writing to them changes the table."""
        return self._rows.chosen(slice(self._size))

    @property
    def columns(self) -> IdRows:
        """The rows and the room behind them, until room is made again."""
        return self._rows

    def claim(self, ids: IdRows) -> tuple[_Numbers, _Chosen]:
        """Keep the ids that are not there yet; return the row of each, and which ones are new.

        Of several with one id the first is kept. Room has to be made before.
        """
        base, count = self._size, len(ids.heads)
        self._put(base, ids)
        owners, cells = self._probe(base, ids)
        places = np.arange(base, base + count)
        fresh: _Chosen = owners == places
        kept = int(fresh.sum())
        self._size = base + kept
        if kept < count:
            # The new rows move together, over those that turned out to be there.
            self._put(base, ids.chosen(fresh))
            self._index[cells[fresh]] = places[:kept]
            ranks = base - 1 + np.cumsum(fresh)
            later = owners >= base
            owners[later] = ranks[owners[later] - base]
        return owners, fresh

    def claim_one(self, identity: bytes) -> int:
        """Keep an id if it is not there yet, in group 0; return its row."""
        index, rows, last = self._index, self._rows, len(self._index) - 1
        head, tail = _HALVES.unpack(identity)
        cell = (tail * int(_SPREAD) & _ALL) >> 64 - last.bit_length()
        while (found := index.item(cell)) != _FREE:
            if rows.heads.item(found) == head and rows.tails.item(found) == tail:
                return found
            cell = (cell + 1) & last
        index[cell] = place = self._size
        rows.heads[place], rows.tails[place], rows.groups[place] = head, tail, 0
        self._size += 1
        return place

    def make_room(self, more: int, is_kept: Callable[[], Sequence[bool]]) -> bool:
        """Make room for so many ids more; return whether groups that are not kept were left out.

        `is_kept` tells it by group. Groups are not numbered anew.
        """
        cramped = self._size + more > len(self._index) * _FILLED
        if cramped:
            self.purge(is_kept(), more)
        wanted = self._size + more
        if wanted > len(self._rows.heads):
            self._widen(wanted + wanted // 8)
        return cramped

    def purge(self, is_kept: Sequence[bool], more: int = 0) -> None:
        """Leave out the rows of the groups that are not kept, and give the memory back."""
        rows = self.rows
        kept = np.array(is_kept, np.bool_)[rows.groups] if len(self) else np.zeros(0, np.bool_)
        if not kept.all():
            self._rows = rows.chosen(kept)
            self._size = len(self._rows.heads)
        cells = _LEAST_CELLS
        while cells * _FILLED < (self._size + more) * _ROOM:
            cells *= 2
        self._index = _free_cells(cells)
        self._fill()

    def _put(self, base: int, ids: IdRows) -> None:
        rows = self._rows.chosen(slice(base, base + len(ids.heads)))
        rows.heads[:], rows.tails[:], rows.checks[:], rows.groups[:] = ids

    def _widen(self, rows: int) -> None:
        columns: list[Any] = [*self._rows]
        # One after the other: copies of all of them would double the memory for a while.
        self._rows = _no_rows()
        for place, column in enumerate(columns):
            columns[place] = np.empty(rows, column.dtype)
            columns[place][: self._size] = column[: self._size]
        self._rows = IdRows(*columns)

    def _homes(self, ids: IdRows) -> _Numbers:
        """Return the cell that each id is looked for in first."""
        bits = len(self._index).bit_length() - 1
        homes: _Numbers = (ids.tails * _SPREAD >> np.uint64(64 - bits)).astype(np.int64)
        return homes

    def _fill(self) -> None:
        """Write all rows into the free index: in the order of its cells, one after the other."""
        homes = self._homes(self.rows)
        order = np.argsort(homes)
        counted = np.arange(len(order))
        cells = np.maximum.accumulate(homes[order] - counted) + counted
        inside = int(np.searchsorted(cells, len(self._index)))
        self._index[cells[:inside]] = order[:inside]
        # What is left begins anew at the first cell.
        rest, told = order[inside:], np.empty_like(homes)
        self._probe_few(0, rest, np.zeros_like(rest), (told, told))

    def _probe(self, base: int, ids: IdRows) -> tuple[_Numbers, _Numbers]:
        """Return the row and the cell of each id; those not found take the next free cell.

        The ids lie in the rows from `base` on.
        """
        index, last = self._index, len(self._index) - 1
        pending, at = np.arange(len(ids.heads)), self._homes(ids)
        owners, cells = np.empty_like(at), np.empty_like(at)
        while len(pending) > _FEW:
            free = (index[at] == _FREE).nonzero()[0]
            # Of several rows for one cell the first has it: so it is the first of an id.
            np.minimum.at(index, at[free], (base + pending[free]).astype(np.int32))
            found = index[at]
            owners[pending], cells[pending] = found, at
            other = self._rows.heads[found] != ids.heads[pending]
            other |= self._rows.tails[found] != ids.tails[pending]
            rest = other.nonzero()[0]
            pending, at = pending[rest], (at[rest] + 1) & last
        self._probe_few(base, pending, at, (owners, cells))
        return owners, cells

    def _probe_few(
        self, base: int, rows: _Numbers, at: _Numbers, told: tuple[_Numbers, _Numbers]
    ) -> None:
        """Go on with a few rows one by one, which takes less than one step with arrays."""
        index, last = self._index, len(self._index) - 1
        heads, tails = self._rows.heads.item, self._rows.tails.item
        for row, begin in zip(rows.tolist(), at.tolist(), strict=True):
            place, cell = base + row, begin
            head, tail = heads(place), tails(place)
            while (found := index.item(cell)) != _FREE:
                if heads(found) == head and tails(found) == tail:
                    break
                cell = (cell + 1) & last
            else:
                index[cell] = found = place
            told[0][row], told[1][row] = found, cell


def _no_rows() -> IdRows:
    halves, numbers = np.zeros((2, 0), np.uint64), np.zeros((2, 0), np.uint32)
    return IdRows(halves[0], halves[1], numbers[0], numbers[1])


def _free_cells(cells: int) -> NDArray[np.int32]:
    return np.full(cells, _FREE, np.int32)
