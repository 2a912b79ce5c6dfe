"""The rule by which one pane counts of each window and key: the view `gold.<metric>` in Python.

What is older than the last finished recomputation of a window counts for nothing in it. Of the rest
that pane holds under each key which has the highest generation, then the greatest event count, then
pane index, then insert id. One without events counts for nothing. Then come the declared zeros.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from schemas.metric import Metric, window_name
from schemas.pane_rows import PaneForm, json_value
from schemas.times import parse_rfc3339

__all__ = ["PaneKey", "current_panes"]

PaneKey: TypeAlias = tuple[Any, ...]
"""Window (`1m`), start of the window in microseconds, and the values of the dimensions."""

_Row: TypeAlias = Mapping[str, Any]


def current_panes(
    metric: Metric, panes: Iterable[_Row], recomputed: Iterable[_Row] = ()
) -> dict[PaneKey, _Row]:
    """Return the row that holds of each window and key.

    Args:
        metric: whose panes these are.
        panes: rows of its pane table as `--rows_output` writes them, parsed.
        recomputed: rows of `ops.recomputed`, parsed; those of other metrics do not matter.
    """
    generations = _generations(metric, recomputed)
    current: dict[PaneKey, _Row] = {}
    for row in panes:
        window = row["window"], parse_rfc3339(row["window_start"])
        if row["generation"] >= generations.get(window, 0):
            key = (*window, *(row.get(each.name) for each in metric.dimensions))
            held = current.get(key)
            if held is None or _rank(row) > _rank(held):
                current[key] = row
    known = {key: row for key, row in current.items() if row["event_count"] > 0}
    return {**_zeros(metric, known), **known}


def _generations(metric: Metric, recomputed: Iterable[_Row]) -> dict[tuple[str, int], int]:
    last: dict[tuple[str, int], int] = {}
    for row in recomputed:
        if row["metric"] == metric.name:
            window = row["window"], parse_rfc3339(row["window_start"])
            last[window] = max(row["generation"], last.get(window, row["generation"]))
    return last


def _rank(row: _Row) -> tuple[int, int, int, str]:
    return row["generation"], row["event_count"], row["pane_index"], row["insert_id"]


def _zeros(metric: Metric, known: Iterable[PaneKey]) -> dict[PaneKey, _Row]:
    form = PaneForm(metric)
    zeros: dict[PaneKey, _Row] = {}
    types = [each.value for each in metric.dimensions]
    keys = list(known)
    for length in metric.windows if metric.fill else ():
        name = window_name(length)
        starts = [key[1] for key in keys if key[0] == name]
        spanned = _spanned(starts, length, metric.fill_within) if starts else ()
        for values in metric.fill:
            shown = [json_value(kind, value) for kind, value in zip(types, values, strict=True)]
            for start in spanned:
                key = (name, start, *shown)
                zeros[key] = form.zero(length, start, values)
    return zeros


def _spanned(starts: list[int], length: int, within: int) -> range:
    """Return where windows begin that may be zero: from the first one, but not from long ago."""
    last, most = max(starts), -(-within // length)
    return range(max(min(starts), last - (most - 1) * length), last + 1, length)
