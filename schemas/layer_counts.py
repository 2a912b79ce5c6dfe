"""Compares curated events with a metric of them, window by window: no event counts in one alone.

A metric may lack what came too late for it: as many events of a window as the late table names for
it, until the window is computed anew.
"""

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from schemas.contract_set import Contracts
from schemas.coverage import Coverage
from schemas.metric import EVENTS, Metric, window_name
from schemas.metric_tables import GOLD
from schemas.ops_tables import LATE
from schemas.quality import Finding, Measured, Relation
from schemas.quality_sql import relation_sql
from schemas.silver_tables import silver_table
from schemas.times import parse_rfc3339

__all__ = ["comparable", "count_layers", "counted_span", "layer_finding", "layer_sql", "relations"]


def comparable(metric: Metric) -> bool:
    """Return whether a metric counts all events of its types, so that rows can be counted too."""
    return metric.source == EVENTS and not metric.where


def counted_span(metric: Metric, start: int, end: int) -> tuple[int, int]:
    """Return the span of the metric's shortest windows that lie wholly in [start, end)."""
    return Coverage(start, end).whole_tiles(metric.windows[0])


def relations(metric: Metric, contracts: Contracts) -> list[Relation]:
    """Return the curated rows that a metric is of."""
    return [Relation(silver_table(contracts, each), once=True) for each in metric.event_types]


def layer_sql(metric: Metric, contracts: Contracts) -> str:
    """Return the query: how many windows there are, and in how many the counts do not agree.

    `@start` and `@end` are whole windows.
    """
    length = metric.windows[0]
    name = window_name(length)
    begin = _begin("event_timestamp", length)
    curated = "\nUNION ALL\n".join(
        relation_sql(
            each, f"{begin} AS _start, 1 AS _curated, 0 AS _measured, 0 AS _late", "@start"
        )
        for each in relations(metric, contracts)
    )
    return f"""SELECT COUNT(*) AS looked_at,
  CAST(COUNTIF(_curated < _measured OR _curated > _measured + _late) AS FLOAT64) AS value
FROM (
SELECT _start, SUM(_curated) AS _curated, SUM(_measured) AS _measured, SUM(_late) AS _late
FROM (
{curated}
UNION ALL
SELECT window_start, 0, event_count, 0
FROM {{table:{GOLD}.{metric.name}}}
WHERE `window` = '{name}' AND window_start >= @start AND window_start < @end
UNION ALL
SELECT {begin}, 0, 0, COUNT(DISTINCT event_id)
FROM {{table:{LATE.full_name}}}
WHERE '{metric.name}/{name}' IN UNNEST(late_for)
  AND event_timestamp >= @start AND event_timestamp < @end
GROUP BY 1
)
GROUP BY _start
)"""  # noqa: S608


def count_layers(
    metric: Metric,
    curated: Iterable[Mapping[str, Any]],
    panes: Iterable[Mapping[str, Any]],
    late: Iterable[Mapping[str, Any]],
    span: tuple[int, int],
) -> Measured:
    """Return what `layer_sql` asks, of parsed rows: current ones of each, of any time."""
    length = metric.windows[0]
    name = window_name(length)
    there = collections.Counter(_starts(curated, "event_timestamp", length, span))
    measured: collections.Counter[int] = collections.Counter()
    for pane in panes:
        if pane["window"] == name:
            for start in _starts([pane], "window_start", length, span):
                measured[start] += pane["event_count"]
    missed = {row["event_id"]: row for row in late if f"{metric.name}/{name}" in row["late_for"]}
    excused = collections.Counter(_starts(missed.values(), "event_timestamp", length, span))
    windows = there.keys() | measured.keys() | excused.keys()
    wrong = sum(not 0 <= there[each] - measured[each] <= excused[each] for each in windows)
    return Measured(len(windows), float(wrong))


def layer_finding(metric: Metric, measured: Measured) -> Finding:
    """Return the outcome for a metric."""
    wrong = measured.value or 0.0
    detail = f"{measured.looked_at} windows of {window_name(metric.windows[0])}"
    table = f"{GOLD}.{metric.name}"
    return Finding(
        "curated_counts", table, "audit", "error", wrong, "at most 0", wrong == 0, detail
    )


def _starts(
    rows: Iterable[Mapping[str, Any]], column: str, length: int, span: tuple[int, int]
) -> Iterator[int]:
    for row in rows:
        time = parse_rfc3339(row[column])
        if span[0] <= time < span[1]:
            yield time // length * length


def _begin(column: str, length: int) -> str:
    micros = f"UNIX_MICROS({column})"
    # MOD is below zero before 1970.
    past = f"MOD(MOD({micros}, {length}) + {length}, {length})"
    return f"TIMESTAMP_MICROS({micros} - {past})"
