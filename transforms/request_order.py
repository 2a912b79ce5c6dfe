"""Which changes may stand in one request: Bigtable applies its entries in any order.

That order does not count for versions of a cell, which live beside each other, and for the
deletions of older versions, since a reader takes the newest. It does for two values of one cell,
and for a cell in a span that another change clears.
"""

from collections.abc import Iterable

from schemas.cells import Clear, RowChange

__all__ = ["RequestOrder"]

_CellPlace = tuple[str, str, int]


class RequestOrder:
    """The changes of one request, as far as others may not stand beside them."""

    def __init__(self) -> None:
        self._first: dict[bytes, RowChange] = {}
        self._rows: dict[bytes, _Row] = {}

    def allows(self, change: RowChange) -> bool:
        """Return whether a change may join: the rows end the same in every order of entries."""
        return change.row_key not in self._first or self._row(change.row_key).allows(change)

    def add(self, change: RowChange) -> None:
        """Let a change join."""
        if self._first.setdefault(change.row_key, change) is not change:
            self._row(change.row_key).add(change)

    def _row(self, row_key: bytes) -> "_Row":
        # Most rows are in a request once: what is in the others is only looked up then.
        row = self._rows.get(row_key)
        if row is None:
            row = self._rows[row_key] = _Row()
            row.add(self._first[row_key])
        return row


class _Row:
    """All cells and clears of one row in a request."""

    def __init__(self) -> None:
        self._values: dict[_CellPlace, bytes] = {}
        self._clears: list[Clear] = []

    def allows(self, change: RowChange) -> bool:
        values, held = _values_of(change), self._values
        return (
            all(held.get(place, value) == value for place, value in values.items())
            and not _is_cleared(values, self._clears)
            and not _is_cleared(held, change.clears)
        )

    def add(self, change: RowChange) -> None:
        self._values.update(_values_of(change))
        self._clears += change.clears


def _values_of(change: RowChange) -> dict[_CellPlace, bytes]:
    return {(cell.family, cell.qualifier, cell.timestamp): cell.value for cell in change.cells}


def _is_cleared(places: Iterable[_CellPlace], clears: Iterable[Clear]) -> bool:
    return any(
        (family, qualifier) == (clear.family, clear.qualifier) and clear.start <= time < clear.end
        for clear in clears
        for family, qualifier, time in places
    )
