"""The order of rows of one event: the first is the one that counts, wherever rows are read.

Of rows that were published at the same time the first is the one whose contract knew more of the
event. So a row that was filled, or made again after a contract gained a field, comes before the
one that it stands for, for ever, whichever was written first.

How much was known is told by `unknown_fields`, and not by their number: a record that is known now
may hold several fields that are not. The sorted paths are compared as lists, one by one, and the
greater list comes first; what ends is greater than what goes on. A contract that knows more takes
a path away, or puts longer ones in its place, and both make the list greater.
"""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.bigquery_schema import UNKNOWN_FIELDS

__all__ = ["KEPT_FIRST", "ROW_ORDER", "Greatest", "Ordered", "known_of", "order_by"]

_END, _LAST = "\x01", "~"
"""What ends a path, less than all that goes on; and a list, more than the letter of any field."""


class Greatest(NamedTuple):
    """An expression of SQL by which rows are ordered, the greatest first; never null.

    `{row}` in it is where the name of the row stands.
    """

    sql: str
    columns: tuple[str, ...]


Ordered = str | Greatest
"""A column, the least first and nulls last; or an expression."""

_KNOWN = Greatest(
    f"ARRAY_TO_STRING(ARRAY_CONCAT({{row}}`{UNKNOWN_FIELDS}`, ['{_LAST}']), CHR({ord(_END)}))",
    (UNKNOWN_FIELDS,),
)

ROW_ORDER: tuple[Ordered, ...] = (
    "publish_time",
    _KNOWN,
    "content_digest",
    "ingest_time",
    "message_id",
)
"""What rows of an event are ordered by, in views, merges and compaction."""


def order_by(order: Sequence[Ordered], row: str = "") -> list[str]:
    """Return the entries of an ORDER BY; `row` stands before columns, such as `S.`.

    >>> order_by(["a", Greatest("LENGTH({row}b)", ("b",))], "S.")
    ['S.`a` NULLS LAST', 'LENGTH(S.b) DESC']
    """
    return [
        f"{row}`{each}` NULLS LAST" if isinstance(each, str) else f"{each.sql.format(row=row)} DESC"
        for each in order
    ]


def known_of(names: Sequence[str]) -> str:
    """Return what `unknown_fields` are compared by; the greatest comes first.

    >>> known_of([]) > known_of(["a.b", "a.c"]) > known_of(["a"])
    True
    """
    return "".join(f"{name}{_END}" for name in names) + _LAST


KEPT_FIRST = ", ".join(order_by(ROW_ORDER))
"""The same as SQL's ORDER BY."""
