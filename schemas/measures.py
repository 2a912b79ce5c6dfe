"""Entries of a window's measures: gathered from values, merged in any order, told as numbers.

What an entry is, and that merging obeys the law of any split and any order, is said in
`schemas.aggregates`; here an entry is None where no event has contributed.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from schemas.aggregates import AGGREGATIONS, is_saturated
from schemas.metric import Metric
from schemas.values import INT64_MAX, INT64_MIN, Plain
from schemas.window_parts import WindowPart

__all__ = ["Measured", "Merge", "gathering", "measured", "merge_into", "merges_of"]

Merge: TypeAlias = Callable[[Any, Any], Any]

_MOMENT = (0, "")
"""Only `last` asks when a value was, and that is no measure: in a window the order is nothing."""


class Measured(NamedTuple):
    """A measure's value, and the sketch that it was estimated from, if it was."""

    value: Plain | None
    theta: bytes | None = None


def gathering(measure: str) -> Callable[[Sequence[Any]], Any]:
    """Return what makes the entry of at least one plain value of a measure.

    >>> gathering("sum")([1, 2, 4])
    (3, 7)
    """
    whole = AGGREGATIONS[measure].whole
    return lambda values: whole(values, _MOMENT)


def merges_of(metric: Metric) -> list[Merge]:
    """Return what merges two entries, neither of them None, for each entry of a metric's parts."""
    return [AGGREGATIONS[each.measure].merge for each in metric.kept]


def merge_into(part: WindowPart, other: WindowPart, merges: Sequence[Merge]) -> None:
    """Add what another part holds of the same window and key; the other one is not changed."""
    part.events += other.events
    held = part.entries
    for place, entry in enumerate(other.entries):
        if entry is not None:
            mine = held[place]
            held[place] = entry if mine is None else merges[place](mine, entry)


def measured(metric: Metric, entries: Sequence[Any]) -> dict[str, Measured]:
    """Return the values of a window by measure, in the order of their declaration.

    Where nothing has contributed a count, a distinct count and a sum are 0, a least or greatest
    value is None, and so is a ratio whose denominator is 0 or where a part of it is None. Sums of
    integers saturate at 64 bits, but not in ratios; decimals are multiples of 10**-scale.
    """
    exact = {
        measure.name: _exact(measure.measure, entry)
        for measure, entry in zip(metric.kept, entries, strict=True)
    }
    scales = {measure.name: 10**measure.value.scale for measure in metric.kept}
    found: dict[str, Measured] = {}
    for measure in metric.measures:
        if measure.of:
            above, below = ((exact[name].value, scales[name]) for name in measure.of)
            found[measure.name] = Measured(_ratio(*above, *below))
        elif measure.value.kind == "long":
            value, theta = exact[measure.name]
            found[measure.name] = Measured(_saturated(value), theta)
        else:
            found[measure.name] = exact[measure.name]
    return found


def _exact(kind: str, entry: Any) -> Measured:
    if entry is None:
        return Measured(None if kind in ("min", "max") else 0)
    if kind == "count":
        return Measured(entry)
    if kind == "approx_distinct":
        by = AGGREGATIONS[kind]
        theta = by.encode(entry)
        return Measured(by.fold([theta]), theta)
    if kind == "sum" and is_saturated(entry):
        return Measured(int.from_bytes(entry[1], "big", signed=True))
    return Measured(entry[1])


def _saturated(value: Any) -> Any:
    return None if value is None else min(max(value, INT64_MIN), INT64_MAX)


def _ratio(above: Any, above_scale: int, below: Any, below_scale: int) -> float | None:
    if above is None or not below:
        return None
    try:
        ratio = (above * below_scale) / (below * above_scale)
    except OverflowError:
        return None
    return float(ratio) if math.isfinite(ratio) else None
