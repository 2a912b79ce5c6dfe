"""The query that says what holds of a metric: the last word on each window and key.

What is older than the last finished recomputation of a window counts for nothing in it. Of the rest
the highest generation counts under each key, then the greatest event count, then the greatest pane
index: a pane is an absolute value, an engine may tell one again, and may tell an empty one after a
window's end.
"""

import json
from collections.abc import Sequence

from schemas.metric import Metric, window_name
from schemas.ops_tables import RECOMPUTED
from schemas.tables import Column
from schemas.times import DAY
from schemas.values import Plain

__all__ = ["metric_sql"]

_SQL_TYPES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
_ZERO = ("count", "sum", "approx_distinct")


def metric_sql(
    metric: Metric, panes: str, columns: Sequence[Column], dimensions: Sequence[Column]
) -> str:
    """Return the view's query, with `{table:...}` where tables are named.

    Names that begin with `_` are its own: no dimension and no measure has such a name.

    Args:
        metric: what is measured.
        panes: `<dataset>.<name>` of its panes.
        columns: of the view.
        dimensions: those of them that are the key of a window.
    """
    names = [column.name for column in dimensions]
    key = _listed(["window", "window_start", *names])
    current = f"""SELECT {_listed([column.name for column in columns])}
FROM {{table:{panes}}}
LEFT JOIN (
  SELECT `window`, window_start, MAX(generation) AS _recomputed
  FROM {{table:{RECOMPUTED.full_name}}}
  WHERE metric = {_text(metric.name)}
  GROUP BY `window`, window_start
) USING (`window`, window_start)
WHERE generation >= IFNULL(_recomputed, 0)
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY {key}
  ORDER BY generation DESC, event_count DESC, pane_index DESC, insert_id DESC
) = 1"""  # noqa: S608 - names are declared and checked
    if not metric.fill:
        return f"SELECT * FROM (\n{current}\n)\nWHERE event_count > 0"  # noqa: S608
    zeros = [_zeros(metric, length, columns, dimensions) for length in metric.windows]
    return _filled(current, zeros, key)


def _filled(current: str, zeros: Sequence[str], key: str) -> str:
    """Put zeros below what is there: no join could do that, as nulls in a key are equal here."""
    told = "\nUNION ALL\n".join(["SELECT * FROM _known", *zeros])
    return f"""WITH _known AS (
SELECT *, 0 AS _is_zero FROM (
{current}
)
WHERE event_count > 0
)
SELECT * EXCEPT (_is_zero) FROM (
{told}
)
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY _is_zero) = 1"""  # noqa: S608


def _zeros(
    metric: Metric, length: int, columns: Sequence[Column], dimensions: Sequence[Column]
) -> str:
    """Return zeros of one length of windows: up to the last that is known, see `_spans`."""
    step = _interval(length)
    name = _text(window_name(length))
    told = {
        "window": name,
        "window_start": "_start",
        "window_end": f"TIMESTAMP_ADD(_start, {step})",
        "event_count": "0",
        **{each.name: f"_key.`{each.name}`" for each in dimensions},
    }
    zero = {each.name for each in metric.measures if each.measure in _ZERO}
    shown = ",\n  ".join(
        f"{told.get(each.name) or _constant(each, 0 if each.name in zero else None)}"
        f" AS `{each.name}`"
        for each in columns
    )
    keys = ",\n  ".join(_struct(metric, dimensions, entry) for entry in metric.fill)
    return f"""SELECT
  {shown},
  1 AS _is_zero
FROM (
{_spans(length, metric.fill_within)}
) AS _span
CROSS JOIN UNNEST(_span._starts) AS _start
CROSS JOIN UNNEST([
  {keys}
]) AS _key
WHERE _start BETWEEN _span._first AND _span._last"""  # noqa: S608


def _spans(length: int, within: int) -> str:
    """Return the starts of windows by day, and the first and last that zeros may stand in.

    The first is the first that is known, or that which begins less than `within` before the last:
    one very old event does not make millions of zeros.

    By day, which windows divide: BigQuery refuses to make an array of more than about a million
    elements, such as the minutes of two years.
    """
    step, rest = _interval(length), _interval(DAY - length)
    before = _interval(-(-within // length) * length - length)
    return f"""SELECT
  GENERATE_TIMESTAMP_ARRAY(_day, TIMESTAMP_ADD(_day, {rest}), {step}) AS _starts,
  _first,
  _last
FROM (
  SELECT
    _first,
    _last,
    GENERATE_TIMESTAMP_ARRAY(TIMESTAMP_TRUNC(_first, DAY), _last, INTERVAL 1 DAY) AS _days
  FROM (
    SELECT
      GREATEST(MIN(window_start), TIMESTAMP_SUB(MAX(window_start), {before})) AS _first,
      MAX(window_start) AS _last
    FROM _known
    WHERE `window` = {_text(window_name(length))}
  ) AS _ends
) AS _known_span
CROSS JOIN UNNEST(_known_span._days) AS _day"""  # noqa: S608


def _interval(length: int) -> str:
    return f"INTERVAL {length // 1_000} MILLISECOND"


def _struct(metric: Metric, dimensions: Sequence[Column], entry: Sequence[Plain | None]) -> str:
    scales = [each.value.scale for each in metric.dimensions]
    fields = (
        f"{_constant(column, value, scale)} AS `{column.name}`"
        for column, value, scale in zip(dimensions, entry, scales, strict=True)
    )
    return f"STRUCT({', '.join(fields)})"


def _constant(column: Column, value: Plain | None, scale: int = 0) -> str:
    kind = _SQL_TYPES.get(column.type, column.type)
    return f"CAST({_literal(value, scale)} AS {kind})"


def _literal(value: Plain | None, scale: int) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        # A decimal is a whole number of its last place.
        return _text(f"{value}e-{scale}") if scale else str(value)
    return _text(str(value))


def _text(value: str) -> str:
    """Quote a text: what JSON escapes, BigQuery's strings escape alike.

    What would be taken for the place of a table's name is escaped too.
    """
    return json.dumps(value, ensure_ascii=False).replace("{table:", "\\u007btable:")


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(f"`{column}`" for column in columns)
