"""The statements that merge rows into a table, or with each other: often as well as once.

Of the rows of one key the first in the declared order stays, whether it came before or comes now.
Rows that are already there are only touched where a staged row comes before them, so a statement
that is run again, or a load of the same rows by another run, changes nothing.
"""

import datetime
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.row_order import Greatest, Ordered, order_by

__all__ = [
    "MergeRule",
    "Span",
    "compact_statement",
    "digest_of",
    "merge_statement",
    "repeated_query",
    "spans_of",
]

Span = tuple[str, str]
"""The first day of a range of partitions and the day after its last, as YYYY-MM-DD."""

_MOST_DAYS = 30


@dataclass(frozen=True)
class MergeRule:
    """How rows of one table are merged.

    Args:
        key: columns of which each combination stands for one row; never null.
        order: columns or expressions by which the row of a key is chosen: the first in this order.
        partition: the column by whose day the table is partitioned; rows of one key have one day.
            None: the table has no partitions.
    """

    key: tuple[str, ...]
    order: tuple[Ordered, ...] = ()
    partition: str | None = None


def spans_of(days: Iterable[str], most: int = _MOST_DAYS) -> list[Span]:
    """Return ranges of at most so many days in which all the given ones are.

    >>> spans_of(["2026-02-01", "2026-01-31", "2026-03-01"])
    [('2026-01-31', '2026-02-02'), ('2026-03-01', '2026-03-02')]
    """
    spans: list[tuple[datetime.date, datetime.date]] = []
    one = datetime.timedelta(days=1)
    for day in sorted(map(datetime.date.fromisoformat, set(days))):
        if spans and day == spans[-1][1] and day - spans[-1][0] < most * one:
            spans[-1] = (spans[-1][0], day + one)
        else:
            spans.append((day, day + one))
    return [(start.isoformat(), end.isoformat()) for start, end in spans]


def merge_statement(
    target: str, staging: str, columns: Sequence[str], rule: MergeRule, span: Span | None
) -> str:
    """Return the MERGE of the staged rows of a range of partitions into a table.

    Args:
        target: full name of the table.
        staging: full name of the staging table, which has the same columns.
        columns: all top-level columns.
        rule: of the table.
        span: the range; None: rows without a partition's time, or a table without partitions.
    """
    # Equalities and nothing else: BigQuery joins by no other condition without all pairs of rows.
    joined = [f"T.`{column}` = S.`{column}`" for column in rule.key]
    inside = _within(rule.partition, span)
    lines = [
        f"MERGE `{target}` AS T",
        *_chosen(staging, columns, rule, inside),
        f"ON {' AND '.join([*joined, _of('T', inside)])}",
    ]
    if rule.order:
        changes = ", ".join(f"`{column}` = S.`{column}`" for column in columns)
        lines += [f"WHEN MATCHED AND {_before(rule.order)} THEN UPDATE SET {changes}"]
    return "\n".join([*lines, _insert(columns)])


def compact_statement(table: str, columns: Sequence[str], rule: MergeRule, span: Span) -> str:
    """Return the statement that leaves one row for each key in a range of partitions.

    Whatever order they were written in, it is the one that the `_current` view shows, unless that
    one is outside of the range. One statement, so a reader sees all of it or nothing.
    """
    inside = _within(rule.partition, span)
    lines = [
        f"MERGE `{table}` AS T",
        *_chosen(table, columns, rule, inside),
        "ON FALSE",
        f"WHEN NOT MATCHED BY SOURCE AND {_of('T', inside)} THEN DELETE",
        _insert(columns),
    ]
    return "\n".join(lines)


def repeated_query(table: str, rule: MergeRule, span: Span) -> str:
    """Return the query of how many rows a range has beyond one for each key, as `repeated`."""
    inside = _of("S", _within(rule.partition, span))
    counted = f"SELECT COUNT(*) - 1 AS more FROM `{table}` AS S WHERE {inside}"  # noqa: S608
    return f"SELECT IFNULL(SUM(more), 0) AS repeated FROM ({counted} GROUP BY {_listed(rule.key)})"  # noqa: S608


def digest_of(*parts: str) -> str:
    """Return 20 hex digits that stand for some texts in their order.

    >>> digest_of("a", "bc") == digest_of("ab", "c")
    False
    """
    told = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(told.encode(), digest_size=10).hexdigest()


def _chosen(source: str, columns: Sequence[str], rule: MergeRule, inside: str) -> tuple[str, ...]:
    """Return the lines that give one row of each key as `S`."""
    order = [*order_by(rule.order), _tie(columns)]
    return (
        "USING (",
        f"  SELECT * FROM `{source}` AS S",  # noqa: S608 - names are declared, not given
        f"  WHERE {_of('S', inside)}",
        f"  QUALIFY ROW_NUMBER() OVER (PARTITION BY {_listed(rule.key)}",
        f"    ORDER BY {', '.join(order)}) = 1",
        ") AS S",
    )


def _insert(columns: Sequence[str]) -> str:
    values = ", ".join(f"S.`{column}`" for column in columns)
    return f"WHEN NOT MATCHED THEN INSERT ({_listed(columns)}) VALUES ({values})"  # noqa: S608


def _tie(columns: Sequence[str]) -> str:
    # Rows that are equal in key and order may differ elsewhere; which one stays must not be chance.
    return f"TO_JSON_STRING(STRUCT({_listed(columns)}))"


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(f"`{column}`" for column in columns)


def _within(partition: str | None, span: Span | None) -> str:
    if partition is None:
        return "TRUE"
    if span is None:
        return f"{{side}}.`{partition}` IS NULL"
    start, end = (f"TIMESTAMP '{day} 00:00:00+00'" for day in span)
    return f"{{side}}.`{partition}` >= {start} AND {{side}}.`{partition}` < {end}"


def _of(side: str, condition: str) -> str:
    return condition.format(side=side)


def _before(order: Sequence[Ordered]) -> str:
    """Return the condition that a staged row comes before the one that is there."""
    less, same = _compared(order[0])
    if not order[1:]:
        return f"({less})"
    return f"({less} OR ({same} AND {_before(order[1:])}))"


def _compared(by: Ordered) -> tuple[str, str]:
    """Return the conditions that the staged row comes before the other, and that both are equal."""
    if isinstance(by, Greatest):
        staged, there = by.sql.format(row="S."), by.sql.format(row="T.")
        return f"{staged} > {there}", f"{staged} = {there}"
    staged, there = f"S.`{by}`", f"T.`{by}`"
    less = f"IFNULL({staged} < {there}, FALSE) OR ({staged} IS NOT NULL AND {there} IS NULL)"
    return less, f"({there} = {staged} OR ({there} IS NULL AND {staged} IS NULL))"
