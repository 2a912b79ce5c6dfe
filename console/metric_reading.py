"""What `penstock metrics get` does."""

import json
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import msgspec
from google.cloud.bigtable import row_filters

from local.tables import read_cells
from schemas.bigtable_table import TableName
from schemas.cells import TILE_FAMILY
from schemas.contract import load_contracts
from schemas.credentials import BIGTABLE, require_credentials
from schemas.dimension_text import parse_value
from schemas.durations import parse_duration
from schemas.locations import expanded
from schemas.metric import Metric, window_name
from schemas.metric_set import load_metrics
from schemas.pane_cells import PaneCells, windows_of, windows_together
from schemas.pane_rows import PaneForm
from schemas.tiles import tile_start
from schemas.times import DAY, SECOND, format_rfc3339, parse_rfc3339
from schemas.values import Plain
from schemas.window_parts import WindowPart

__all__ = ["read_metric"]


def read_metric(
    metric: str,
    key: Sequence[str],
    window: str | None,
    last: int,
    at: str | None,
    bigtable_table: str,
    metrics: str | None,
    contracts: str | None,
) -> str:
    """Return the last windows under a key, and all of them together, as JSON.

    Raises:
        ValueError: one line that names the option and the remedy.
    """
    if not bigtable_table:
        msg = "--bigtable_table is missing: name it, or export PENSTOCK_TABLE"
        raise ValueError(msg)
    name = TableName.parse(bigtable_table)
    known = load_contracts(contracts and expanded(contracts))
    chosen = _metric(load_metrics(metrics and expanded(metrics), known), metric)
    length = _length(chosen, window)
    encoded = msgspec.msgpack.encode(_values(chosen, key))
    moment = time.time_ns() // 1000 if at is None else _moment(at)
    row = PaneCells(chosen).row_key(encoded)
    newest = tile_start(moment, length)
    oldest = max(0, newest - (last - 1) * length)
    require_credentials(f"--bigtable_table={name}", BIGTABLE)
    cells = read_cells(name, row, _only(length, oldest, newest + length))
    found = [part for part in windows_of(chosen, encoded, cells) if part.length == length]
    shown = {
        "row_key": row.decode(),
        "at": format_rfc3339(moment),
        "window": window_name(length),
        "from": format_rfc3339(oldest),
        "to": format_rfc3339(newest + length),
        "windows": [_shown(chosen, part) for part in found],
        "together": _together(chosen, encoded, found),
    }
    return json.dumps(shown, indent=2, ensure_ascii=False)


def _metric(metrics: Sequence[Metric], name: str) -> Metric:
    served = [each for each in metrics if each.bigtable]
    found = next((each for each in served if each.name == name), None)
    if found is None:
        told = ", ".join(each.name for each in served) or "none"
        msg = f"{name}: no metric of this name says `bigtable: true`; those that do: {told}"
        raise ValueError(msg)
    return found


def _length(metric: Metric, window: str | None) -> int:
    try:
        length = metric.windows[0] if window is None else parse_duration(window)
    except ValueError as error:
        msg = f"--window {window}: {error}"
        raise ValueError(msg) from None
    if length not in metric.windows:
        told = ", ".join(map(window_name, metric.windows))
        msg = f"--window {window}: {metric.name} has none of this length; there are {told}"
        raise ValueError(msg)
    return length


def _values(metric: Metric, key: Sequence[str]) -> list[Plain | None]:
    """Return the values that are meant; a dimension that is named without one is null."""
    given = {name: text if equals else None for name, equals, text in map(_parted, key)}
    names = [each.name for each in metric.dimensions]
    if len(given) != len(key) or {*given} != {*names}:
        told = " ".join(f"{name}=VALUE" for name in names) or "none, as it has no dimensions"
        msg = f"name each dimension of {metric.name} once, alone where it is null: {told}"
        raise ValueError(msg)
    values: list[Plain | None] = []
    for dimension in metric.dimensions:
        text = given[dimension.name]
        try:
            values.append(None if text is None else parse_value(dimension.value, text))
        except ValueError as error:
            msg = f"{dimension.name}: {error}"
            raise ValueError(msg) from None
    return values


def _parted(text: str) -> tuple[str, str, str]:
    return text.partition("=")


def _moment(at: str) -> int:
    try:
        moment = max(0, parse_rfc3339(at))
        # The window that holds it must end in a time that can be written.
        format_rfc3339(moment + DAY)
    except (ValueError, OverflowError):
        msg = f"--at {at}: write an RFC 3339 time with offset, such as 2026-01-31T12:00:00Z"
        raise ValueError(msg) from None
    return moment


def _only(length: int, start: int, end: int) -> row_filters.RowFilter:
    """Return what keeps other lengths and times on the server: a row may hold a month of windows.

    The answer has every version of a cell, as garbage collection is lazy.
    """
    times = row_filters.TimestampRange(*map(_datetime, (start, end)))
    return row_filters.RowFilterChain(
        filters=[
            row_filters.FamilyNameRegexFilter(TILE_FAMILY),
            row_filters.ColumnQualifierRegexFilter(f".*/{window_name(length)}".encode()),
            row_filters.TimestampRangeFilter(times),
        ]
    )


def _datetime(moment: int) -> datetime:
    return datetime.fromtimestamp(moment // SECOND, timezone.utc)


def _shown(metric: Metric, part: WindowPart) -> dict[str, Any]:
    """Return a window as the view shows it; sketches are for machines."""
    sketches = {
        f"{each.name}_theta" for each in metric.measures if each.measure == "approx_distinct"
    }
    row = PaneForm(metric).shown(part)
    return {name: value for name, value in row.items() if name not in sketches}


def _together(metric: Metric, key: bytes, parts: Sequence[WindowPart]) -> dict[str, Any]:
    whole = _shown(metric, windows_together(metric, key, parts))
    named = {"window", "window_start", "window_end", *(each.name for each in metric.dimensions)}
    return {name: value for name, value in whole.items() if name not in named}
