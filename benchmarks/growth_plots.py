"""Pictures of the growth curves, and the table of their exponents, for `benchmarks/README.md`."""

from pathlib import Path
from typing import Any

from benchmarks.growth import FIGURES, TARGET

__all__ = ["FOLDER", "README", "chart", "in_readme", "table", "write"]

README = Path(__file__).with_name("README.md")
FOLDER = Path(__file__).parents[1] / "docs" / "growth"
_BEGIN = "<!-- growth: written by make bench -->\n"
_END = "<!-- end of growth -->\n"
_PANELS = ("cpu_seconds", "peak_mb", "state_bytes", "mutations")
_PLAIN = ("cpu_seconds", "peak_mb")
"""Figures that are told without a prefix such as k or M."""

_COLOURS = ["#1a73e8", "#188038", "#b06000", "#c5221f"]
_CONFIG = {
    "background": "#ffffff",
    "font": "Helvetica, Arial, sans-serif",
    "axis": {"labelColor": "#5f6368", "titleColor": "#202124", "titleFontWeight": "normal"},
    "legend": {"title": None, "orient": "bottom", "labelFontSize": 12, "labelLimit": 300},
    "view": {"stroke": "#dadce0"},
}

Spec = dict[str, Any]


def chart(curve: Spec, works: list[str]) -> Spec:
    """Return the panels of a curve as a specification of Vega-Lite, both axes in logarithms."""
    panels = [_panel(curve, figure, works) for figure in _PANELS]
    rows = [{"hconcat": panels[:2]}, {"hconcat": panels[2:]}]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "config": _CONFIG,
        "vconcat": rows,
    }


def table(document: Spec) -> str:
    """Return the exponents of all works and figures, and where a curve is steeper than wanted."""
    parts = [_table(curve) for curve in document["curves"]]
    return "\n".join(parts)


def write(document: Spec) -> None:
    """Draw the curves, and bring the table in the README up to date."""
    # By the call: only who draws needs it.
    import vl_convert  # noqa: PLC0415

    FOLDER.mkdir(parents=True, exist_ok=True)
    works = [each["work"] for each in document["start"]]
    for curve in document["curves"]:
        drawn = vl_convert.vegalite_to_svg(chart(curve, works))
        (FOLDER / f"{curve['over']}.svg").write_text(drawn + "\n")
    before, _, rest = README.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    README.write_text(before + _BEGIN + table(document) + _END + after)


def in_readme() -> str:
    """Return the tables that stand in the README."""
    return README.read_text().partition(_BEGIN)[2].partition(_END)[0]


def _panel(curve: Spec, figure: str, works: list[str]) -> Spec:
    over = curve["over"]
    values = [
        {over: point[over], "value": point[figure], "work": point["work"]}
        for point in curve["points"]
        if figure in point
    ]
    scale = {"type": "log", "nice": False}
    ends = sorted({point[over] for point in curve["points"]})
    x = {
        "field": over,
        "type": "quantitative",
        "scale": scale,
        "title": over,
        "axis": {"values": ends, "format": "~s", "grid": True},
    }
    y = {
        "field": "value",
        "type": "quantitative",
        "scale": {"type": "log"},
        "title": None,
        "axis": {"format": "~g" if figure in _PLAIN else "~s", "tickCount": 4},
    }
    colour = {
        "field": "work",
        "type": "nominal",
        "scale": {"domain": works, "range": _COLOURS[: len(works)]},
    }
    return {
        "title": FIGURES[figure],
        "width": 300,
        "height": 200,
        "data": {"values": values},
        "mark": {"type": "line", "point": {"size": 40}, "strokeWidth": 2},
        "encoding": {"x": x, "y": y, "color": colour},
    }


def _table(curve: Spec) -> str:
    over, events = curve["over"], curve["events"]
    reach = sorted({point[over] for point in curve["points"]})
    of_events = f" of {events:,} events" if events else ""
    shown = [name for name in FIGURES if any(e["figure"] == name for e in curve["exponents"])]
    lines = [
        f"| {reach[0]:,} to {reach[-1]:,} {over}{of_events} | "
        + " | ".join(FIGURES[name] for name in shown)
        + " |",
        "|---" * (len(shown) + 1) + "|",
    ]
    found = {(each["work"], each["figure"]): each for each in curve["exponents"]}
    for work in dict.fromkeys(each["work"] for each in curve["exponents"]):
        cells = [_cell(found.get((work, name))) for name in shown]
        lines.append(f"| {work} | {' | '.join(cells)} |")
    return "".join(f"{line}\n" for line in lines)


def _cell(exponent: Spec | None) -> str:
    """Tell an exponent, and behind it the one with the fixed start, where there is one."""
    if exponent is None:
        return "-"
    told = f"{exponent['exponent']:.2f}"
    if exponent["exponent"] > TARGET:
        told = f"**{told}**, above {TARGET}"
    return f"{told} ({exponent['with_start']:.2f})" if exponent["start"] else told
