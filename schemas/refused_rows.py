"""A row that BigQuery refused, as the record that ends in the quarantine."""

from schemas.events import RawEvent
from schemas.rejected import Reason, Rejected, reject
from schemas.row_packs import RowPack

__all__ = ["STEP", "TABLE_ATTRIBUTE", "refused_row"]

STEP = "WriteRows"
TABLE_ATTRIBUTE = "bigquery_table"
"""The attribute that names the table of a refused row of which no message is known."""


def refused_row(pack: RowPack, index: int, told: str) -> Rejected:
    """Refuse a row of a pack: the message it came from, or else the row itself.

    >>> refused_row(RowPack("ops.late", [b"{}"], ["x"]), 0, "invalid: day").detail
    'ops.late: invalid: day'
    """
    if pack.raw is None:
        raw = RawEvent(pack.rows[index], {TABLE_ATTRIBUTE: pack.table}, pack.ids[index])
    else:
        raw = pack.raw.row(index)
    return reject(raw, STEP, Reason.ROW_REFUSED, f"{pack.table}: {told}")
