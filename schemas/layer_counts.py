"""Compares curated events with a metric of them, window by window: no event counts in one alone.

A metric may lack what came too late for it: as many events of a window as the late table names for
it, until the window is computed anew.
"""

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from schemas.contract_set import Contracts
from schemas.coverage import Coverage
from schemas.metric import EVENTS, Metric, window_name
from schemas.metric_tables import GOLD
from schemas.ops_tables import LATE
from schemas.quality import Finding, Relation
from schemas.quality_sql import relation_sql
from schemas.silver_tables import silver_table
from schemas.times import format_rfc3339, parse_rfc3339

__all__ = [
    "SHOWN",
    "ComparedWindows",
    "WrongWindow",
    "comparable",
    "count_layers",
    "counted_spans",
    "differing_sql",
    "layer_finding",
    "layer_sql",
    "relations",
]

SHOWN = 20
"""How many windows that differ are named."""


class WrongWindow(NamedTuple):
    """A window whose counts do not agree; `start` is in microseconds."""

    start: int
    curated: int
    measured: int


class ComparedWindows(NamedTuple):
    """How many windows there are, in how many the counts do not agree, and the first of these."""

    looked_at: int
    wrong: int
    shown: list[WrongWindow]


def comparable(metric: Metric) -> bool:
    """Return whether a metric counts all events of its types, so that rows can be counted too."""
    return metric.source == EVENTS and not metric.where


def counted_spans(metric: Metric, start: int, end: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield each length, and the span of those of its windows that lie wholly in [start, end).

    The shortest comes first, and also where there are none of it.
    """
    for length in metric.windows:
        first, last = Coverage(start, end).whole_tiles(length)
        if first < last or length == metric.windows[0]:
            yield length, (first, last)


def relations(metric: Metric, contracts: Contracts) -> list[Relation]:
    """Return the curated rows that a metric is of."""
    return [Relation(silver_table(contracts, each), once=True) for each in metric.event_types]


def layer_sql(metric: Metric, contracts: Contracts, length: int) -> str:
    """Return the query: how many windows there are, and in how many the counts do not agree.

    `@start` and `@end` are whole windows of that length.
    """
    return f"""SELECT COUNT(*) AS looked_at, COUNTIF({_DIFFER}) AS wrong
FROM (
{_counts_sql(metric, contracts, length)}
)"""  # noqa: S608


def differing_sql(metric: Metric, contracts: Contracts, length: int) -> str:
    """Return the query for the first windows in which the counts do not agree."""
    return f"""SELECT _start, _curated, _measured
FROM (
{_counts_sql(metric, contracts, length)}
)
WHERE {_DIFFER}
ORDER BY _start
LIMIT {SHOWN}"""  # noqa: S608


_DIFFER = "_curated < _measured OR _curated > _measured + _late"


def _counts_sql(metric: Metric, contracts: Contracts, length: int) -> str:
    name = window_name(length)
    begin = _begin("event_timestamp", length)
    curated = "\nUNION ALL\n".join(
        relation_sql(
            each, f"{begin} AS _start, 1 AS _curated, 0 AS _measured, 0 AS _late", "@start"
        )
        for each in relations(metric, contracts)
    )
    return f"""SELECT _start,
  SUM(_curated) AS _curated, SUM(_measured) AS _measured, SUM(_late) AS _late
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
GROUP BY _start"""  # noqa: S608


def count_layers(
    metric: Metric,
    curated: Iterable[Mapping[str, Any]],
    panes: Iterable[Mapping[str, Any]],
    late: Iterable[Mapping[str, Any]],
    length: int,
    span: tuple[int, int],
) -> ComparedWindows:
    """Return what the queries ask, of parsed rows: current ones of each, of any time."""
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
    wrong = [
        WrongWindow(each, there[each], measured[each])
        for each in sorted(windows)
        if not 0 <= there[each] - measured[each] <= excused[each]
    ]
    return ComparedWindows(len(windows), len(wrong), wrong[:SHOWN])


def layer_finding(metric: Metric, length: int, found: ComparedWindows) -> Finding:
    """Return the outcome for a length of a metric's windows; all but the shortest are named."""
    name = window_name(length)
    detail = f"{found.looked_at} windows of {name}"
    if found.shown:
        told = (
            f"{format_rfc3339(each.start)} ({each.curated} curated, {each.measured} measured)"
            for each in found.shown
        )
        detail += f"; differing: {', '.join(told)}"
    table = f"{GOLD}.{metric.name}" + (f"/{name}" if length != metric.windows[0] else "")
    wrong = float(found.wrong)
    return Finding("curated_counts", table, "audit", "error", wrong, "at most 0", not wrong, detail)


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
