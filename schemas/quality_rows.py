"""Checks over rows as `--rows_output` writes them: what `schemas.quality_sql` asks, in Python."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from schemas.current_rows import current_rows
from schemas.quality import Bound, Check, Measured, Relation
from schemas.quality_sql import first_of
from schemas.times import SECOND, parse_rfc3339

__all__ = ["ReadTable", "current_of", "measure_rows"]

_Row: TypeAlias = Mapping[str, Any]
ReadTable: TypeAlias = Callable[[str], Iterable[_Row]]
"""Gives the parsed rows of `<dataset>.<name>`."""


def measure_rows(check: Check, read: ReadTable, start: int, end: int) -> Measured:
    """Return what a check finds in the span [start, end), in microseconds.

    The rows of its tables that are of the time it looks at are in memory.
    """
    rows = current_of(check.relation, read, first_of(check, start, end), end)
    if check.kind == "volume":
        return _volume(check, rows, start)
    values = [_value(row, check.column) for row in rows]
    if check.kind == "null_rate":
        return _share(values.count(None), len(values))
    there = [value for value in values if value is not None]
    if check.kind == "freshness":
        newest = max(map(parse_rfc3339, there), default=None)
        age = None if newest is None else float((end - newest) // SECOND)
        return Measured(len(rows), age)
    return _share(_wrong(check, there, read, end), len(there))


def _wrong(check: Check, values: Sequence[Any], read: ReadTable, end: int) -> int:
    if check.kind == "duplicates":
        return len(values) - len(set(values))
    if check.kind == "range":
        return sum(not _within(value, check.values) for value in values)
    assert check.known is not None
    rows = current_of(check.known, read, None, end)
    known = {_value(row, check.known_column) for row in rows}
    return sum(value not in known for value in values)


def _within(value: Any, bound: Bound) -> bool:
    return float(value) in bound


def _volume(check: Check, rows: Sequence[_Row], start: int) -> Measured:
    before = sum(parse_rfc3339(row[check.relation.time]) < start for row in rows)
    now = len(rows) - before
    return Measured(now, now * check.trailing / before if before else None)


def current_of(relation: Relation, read: ReadTable, first: int | None, end: int) -> Sequence[_Row]:
    """Return the rows of a relation whose time is in [first, end); None: from the beginning."""
    chosen = [
        row
        for row in read(relation.table.full_name)
        if row.get(relation.time) is not None and _in(row[relation.time], first, end)
    ]
    return list(current_rows(chosen).values()) if relation.once else chosen


def _in(time: str, first: int | None, end: int) -> bool:
    moment = parse_rfc3339(time)
    return (first is None or moment >= first) and moment < end


def _value(row: _Row, path: str) -> Any:
    value: Any = row
    for name in path.split("."):
        value = None if value is None else value.get(name)
    return value


def _share(wrong: int, looked_at: int) -> Measured:
    return Measured(looked_at, wrong / looked_at if looked_at else None)
