"""Checks as queries: one each, with one row of `looked_at` and `value`.

Rows of views that have one of each id are chosen here by the rule of those views, but within the
asked time: the view itself would be read whole. Names are declared and checked; times are the
parameters `@first`, `@start` and `@end`.
"""

import math

from schemas.quality import Check, Relation
from schemas.row_order import KEPT_FIRST

__all__ = ["check_sql", "first_of", "relation_sql"]


def first_of(check: Check, start: int, end: int) -> int:
    """Return from when on a check of the span [start, end) reads rows, in microseconds."""
    if check.kind == "volume":
        return start - check.trailing * (end - start)
    if check.kind == "freshness":
        return min(start, end - int(check.bound.most * 1_000_000))
    return start


def check_sql(check: Check) -> str:
    """Return the query of a check, with `{table:...}` where tables are named."""
    value = f"{_path(check.column)} AS _value" if check.column else "1 AS _value"
    rows = relation_sql(check.relation, f"{check.relation.time} AS _time, {value}")
    if check.kind == "references":
        return _references(check, rows)
    looked_at, found = {
        "freshness": _freshness,
        "volume": _volume,
        "duplicates": _duplicates,
        "null_rate": _null_rate,
        "range": _range,
    }[check.kind](check)
    return f"""SELECT {looked_at} AS looked_at, CAST({found} AS FLOAT64) AS value
FROM (
{rows}
)"""  # noqa: S608


def relation_sql(relation: Relation, columns: str, since: str = "@first") -> str:
    """Return some columns of the rows of a relation, from a parameter on to `@end`."""
    once = f"\nQUALIFY ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY {KEPT_FIRST}) = 1"
    return f"""SELECT {columns}
FROM {{table:{relation.table.full_name}}}
WHERE {relation.time} >= {since} AND {relation.time} < @end{once if relation.once else ""}"""  # noqa: S608


def _freshness(check: Check) -> tuple[str, str]:
    # The local BigQuery counts boundaries in a difference of times, not whole seconds.
    return "COUNT(*)", "FLOOR((UNIX_MICROS(@end) - UNIX_MICROS(MAX(_value))) / 1000000)"


def _volume(check: Check) -> tuple[str, str]:
    now, before = "COUNTIF(_time >= @start)", "COUNTIF(_time < @start)"
    return now, f"{now} * {check.trailing} / NULLIF({before}, 0)"


def _duplicates(check: Check) -> tuple[str, str]:
    return _share("COUNT(_value) - COUNT(DISTINCT _value)")


def _null_rate(check: Check) -> tuple[str, str]:
    return "COUNT(*)", "COUNTIF(_value IS NULL) / NULLIF(COUNT(*), 0)"


def _range(check: Check) -> tuple[str, str]:
    sides = [
        f"_value {sign} {number!r}"
        for sign, number in (("<", check.values.least), (">", check.values.most))
        if math.isfinite(number)
    ]
    return _share(f"COUNTIF({' OR '.join(sides)})")


def _references(check: Check, rows: str) -> str:
    assert check.known is not None
    looked_at, found = _share("COUNTIF(_value IS NOT NULL AND _known IS NULL)")
    return f"""SELECT {looked_at} AS looked_at, CAST({found} AS FLOAT64) AS value
FROM (
{rows}
) LEFT JOIN (
SELECT DISTINCT {_path(check.known_column)} AS _known
FROM {{table:{check.known.table.full_name}}}
WHERE {check.known.time} < @end
) ON _value = _known"""  # noqa: S608


def _share(wrong: str) -> tuple[str, str]:
    return "COUNT(_value)", f"({wrong}) / NULLIF(COUNT(_value), 0)"


def _path(column: str) -> str:
    return ".".join(f"`{name}`" for name in column.split("."))
