"""A model of BigQuery's tables behind insertAll: rows are appended, and may be there twice."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from chaos.kinds import Kind
from chaos.troubles import Troubles
from transforms.insert_rows import PROBE, Fault, InsertFailedError, RowError

__all__ = ["RowStore", "TableWire"]


class RowStore:
    """Rows by the full name of their table, each with its insert id."""

    def __init__(self, troubles: Troubles) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.troubles = troubles

    def insert(
        self, table: str, entries: Sequence[bytes], timeout: float
    ) -> Mapping[int, RowError]:
        """Take one request."""
        troubles, chance = self.troubles, self.troubles.random
        troubles.clock.sleep(0.01)
        if troubles.is_cut():
            self._append(table, entries, chance.choice((0.0, 0.0, 1.0)))
            raise InsertFailedError(Fault.DOWN, "ConnectionError")
        if troubles.strikes(Kind.BURST_429):
            raise InsertFailedError(Fault.QUOTA, "429 rateLimitExceeded")
        for kind, shares in (
            (Kind.SLOW_CONNECTION, (1.0,)),
            (Kind.HALF_OPEN_CONNECTION, (0.0, 0.5)),
        ):
            if troubles.strikes(kind):
                self._append(table, entries, chance.choice(shares))
                troubles.clock.sleep(timeout)
                raise InsertFailedError(Fault.SERVER, "ReadTimeout")
        if list(entries) == [PROBE]:
            return {0: RowError(final=True, told="no such field")}
        self._append(table, entries, 1.0)
        return {}

    def _append(self, table: str, entries: Sequence[bytes], share: float) -> None:
        rows = self.tables.setdefault(table, [])
        for entry in entries:
            if entry != PROBE and self.troubles.random.random() < share:
                told = msgspec.json.decode(entry)
                rows.append({**told["json"], "insert_id": told["insertId"]})


class TableWire:
    """Stands where `TableConnection` does."""

    def __init__(self, store: RowStore, table: str) -> None:
        self._store, self._table = store, table

    def send(self, entries: Sequence[bytes], timeout: float) -> Mapping[int, RowError]:
        """Insert encoded entries."""
        return self._store.insert(self._table, entries, timeout)
