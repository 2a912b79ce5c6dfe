"""The charts of the report, as specifications of Vega-Lite, and the script that draws them."""

import functools
import importlib.util
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, TypeAlias

from local.demo_windows import Second
from local.report_facts import AGE_EDGES, Facts
from schemas.times import format_rfc3339

__all__ = ["SCRIPT_MISSING", "TIMINGS", "age_bins", "chart_script", "charts"]

Spec: TypeAlias = dict[str, Any]

TIMINGS = (
    ("on_time", "on time"),
    ("late", "late"),
    ("too_late", "too late"),
)
"""The fields of a second, and what they are called."""

SCRIPT_MISSING = "The charting library is not installed (make setup), so there are tables only."

_SECOND = 1_000_000
_EXPORTED = "window.vegaEmbed=vegaEmbed;"
_SECONDS = "utcyearmonthdatehoursminutesseconds"
_CLOCK = "%H:%M:%S"
_COLOURS = {"on time": "var(--c1)", "late": "var(--c2)", "too late": "var(--c3)"}
_CONFIG: Spec = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "titleColor": "var(--soft)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "gridColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "legend": {
        "labelColor": "var(--ink)",
        "labelFontSize": 13,
        "orient": "top",
        "title": None,
        "symbolType": "square",
    },
}


def charts(facts: Facts) -> dict[str, Spec]:
    """Return the charts by the id of the element that takes them; only of what there is."""
    found: dict[str, Spec] = {}
    if facts.seconds_told:
        found["chart-timing"] = _timing(facts)
        found["chart-correction"] = _correction(facts)
    if facts.refusals:
        found["chart-refusals"] = _refusals(facts)
    if facts.happened and facts.published:
        found["chart-ages"] = _ages(facts)
    return found


def chart_script() -> str:
    """Return the charting library as one script; empty where it is not installed."""
    return _bundle() if importlib.util.find_spec("vl_convert") else ""


@functools.cache
def _bundle() -> str:
    # By the call: only the report needs it, and it is no part of what the jobs need.
    import vl_convert  # noqa: PLC0415

    bundle: str = vl_convert.javascript_bundle(_EXPORTED)
    # Within a string of JavaScript the two are the same, and only one of them ends the element.
    return bundle.replace("</script", r"<\/script")


def age_bins() -> list[str]:
    """Return the names of the bins of ages.

    >>> age_bins()[1], age_bins()[-1]
    ('0.25 to 0.5 s', '40 s or more')
    """
    edges = [f"{edge:g}" for edge in AGE_EDGES]
    named = [f"{low} to {high} s" for low, high in pairwise(edges)]
    return [*named, f"{edges[-1]} s or more"]


def _chart(values: list[Spec], height: int | Spec, **rest: Any) -> Spec:
    return {
        "width": "container",
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"values": values},
        "config": _CONFIG,
        **rest,
    }


def _timing(facts: Facts) -> Spec:
    values = [
        {
            "at": format_rfc3339(each.start),
            "events": getattr(each, field),
            "how": name,
            "order": order,
        }
        for each in facts.seconds_told
        for order, (field, name) in enumerate(TIMINGS)
    ]
    encoding = {
        "x": _time_axis(),
        "y": {"field": "events", "type": "quantitative", "title": "events in the window"},
        "color": _colour([name for _, name in TIMINGS]),
        "order": {"field": "order"},
        "tooltip": _tooltip(at="second", how="told", events="events"),
    }
    return _chart(values, 260, mark={"type": "bar"}, encoding=encoding)


def _correction(facts: Facts) -> Spec:
    names = ("before", "after")
    values = [
        {"at": format_rfc3339(each.start), "events": getattr(each, name), "how": name}
        for each in _without_gaps(facts.seconds_told)
        for name in names
    ]
    encoding = {
        "x": _time_axis(),
        "y": {"field": "events", "type": "quantitative", "title": "events in the view"},
        "color": _colour(list(names), ["var(--c3)", "var(--c1)"]),
        "strokeDash": {"field": "how", "type": "nominal", "legend": None},
        "tooltip": _tooltip(at="second", how="view", events="events"),
    }
    mark = {"type": "line", "interpolate": "step-after", "strokeWidth": 2}
    return _chart(values, 220, mark=mark, encoding=encoding)


def _without_gaps(seconds: list[Second]) -> Iterator[Second]:
    """Yield every second up to the one after the last: a line would be drawn across gaps."""
    told = {each.start: each for each in seconds}
    for start in range(min(told), max(told) + 2 * _SECOND, _SECOND):
        yield told.get(start, Second(start, 0, 0, 0, 0, 0))


def _refusals(facts: Facts) -> Spec:
    values = [{"reason": each.reason, "messages": each.messages} for each in facts.refusals]
    encoding = {
        "y": {
            "field": "reason",
            "type": "nominal",
            "sort": None,
            "title": None,
            "axis": {"labelLimit": 170, "labelColor": "var(--ink)"},
        },
        "x": _whole("messages", "messages"),
        "tooltip": _tooltip(reason="reason", messages="messages"),
    }
    mark = {"type": "bar", "color": "var(--c3)"}
    return _chart(values, {"step": 20}, mark=mark, encoding=encoding)


def _ages(facts: Facts) -> Spec:
    assert facts.published
    counts = zip(age_bins(), facts.published.bins, strict=True)
    values = [{"age": name, "values": count} for name, count in counts]
    encoding = {
        "y": {
            "field": "age",
            "type": "ordinal",
            "sort": None,
            "title": None,
            "axis": {"labelColor": "var(--ink)"},
        },
        "x": _whole("values", "last values written"),
        "tooltip": _tooltip(age="age", values="last values"),
    }
    mark = {"type": "bar", "color": "var(--c1)"}
    return _chart(values, {"step": 24}, mark=mark, encoding=encoding)


def _time_axis() -> Spec:
    axis = {
        "format": _CLOCK,
        "tickCount": 8,
        "labelOverlap": "parity",
        "labelAngle": 0,
        "grid": False,
    }
    return {
        "field": "at",
        "type": "temporal",
        "timeUnit": _SECONDS,
        "title": "second of event time (UTC)",
        "axis": axis,
    }


def _whole(field: str, title: str) -> Spec:
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "axis": {"tickMinStep": 1, "tickCount": 6, "format": ",d"},
    }


def _colour(domain: list[str], colours: list[str] | None = None) -> Spec:
    found = colours or [_COLOURS[name] for name in domain]
    return {"field": "how", "type": "nominal", "scale": {"domain": domain, "range": found}}


def _tooltip(**titles: str) -> list[Spec]:
    found: list[Spec] = [{"field": field, "title": title} for field, title in titles.items()]
    for each in found:
        if each["field"] == "at":
            each |= {"type": "temporal", "timeUnit": _SECONDS, "format": _CLOCK}
    return found
