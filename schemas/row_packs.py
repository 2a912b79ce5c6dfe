"""Rows of BigQuery tables on their way to them: many of one table as one Beam element."""

from collections.abc import Sequence

import msgspec

from schemas.packs import RawPack

__all__ = ["RowPack"]

_ROW_BYTES = 40


class RowPack(msgspec.Struct, array_like=True):
    """Rows of one table.

    `table` is `<dataset>.<name>`, without the prefix of an environment. `rows` are JSON objects
    without a line end, in the form that load jobs and insertAll take. `ids` are as many insert ids:
    equal ones mean the same row, whoever made it. `raw` holds the message that each row came from,
    for the quarantine; None where rows come from more than one.
    """

    table: str
    rows: list[bytes]
    ids: list[str]
    raw: RawPack | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def estimated_bytes(self) -> int:
        """Return about how many bytes the pack takes encoded."""
        raw = 0 if self.raw is None else self.raw.estimated_bytes()
        return sum(map(len, self.rows)) + _ROW_BYTES * len(self) + raw

    def take(self, places: Sequence[int]) -> "RowPack":
        """Return the pack of the given rows, in the given order.

        >>> RowPack("ops.late", [b"{}", b'{"a":1}'], ["x", "y"]).take([1]).ids
        ['y']
        """
        return RowPack(
            self.table,
            [self.rows[place] for place in places],
            [self.ids[place] for place in places],
            None if self.raw is None else self.raw.take(places),
        )
