"""The rule by which one row of an event counts where a table holds several: plain Python.

The same as that of the `_current` views (`schemas.row_order`): the least publish time, none after
all others; then the row whose contract knew more; then the least content digest; then the least
ingest time; then the least message id, none after all others.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.bigquery_schema import UNKNOWN_FIELDS
from schemas.row_order import known_of
from schemas.times import parse_rfc3339

__all__ = ["current_rows", "row_rank"]

_Rank = tuple[bool, int, tuple[int, ...], str, int, bool, str]


def row_rank(row: Mapping[str, Any]) -> _Rank:
    """Return what decides between rows of one event id: the least one is current.

    >>> one = {"content_digest": "a", "ingest_time": "2026-01-31T12:00:00Z"}
    >>> row_rank({**one, "publish_time": "2026-01-31T11:59:59Z"}) < row_rank(one)
    True
    """
    published = row.get("publish_time")
    return (
        published is None,
        0 if published is None else parse_rfc3339(published),
        _greatest(known_of(row.get(UNKNOWN_FIELDS) or ())),
        row["content_digest"],
        parse_rfc3339(row["ingest_time"]),
        row.get("message_id") is None,
        row.get("message_id") or "",
    )


def _greatest(text: str) -> tuple[int, ...]:
    """Return what sorts texts the other way round, one that goes on before one that ends."""
    return (*(-ord(each) for each in text), 1)


def current_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the current row of each event id, of rows as `--rows_output` writes them, parsed."""
    current: dict[str, tuple[_Rank, Mapping[str, Any]]] = {}
    for row in rows:
        rank = row_rank(row)
        held = current.get(row["event_id"])
        if held is None or rank < held[0]:
            current[row["event_id"]] = rank, row
    return {event_id: row for event_id, (_, row) in current.items()}
