"""Draws the steps of a pipeline as an SVG, the same bytes for the same steps."""

from collections.abc import Iterator
from html import escape

from local.docs_layers import Place, Placed, place
from local.docs_steps import Flow, Steps

__all__ = ["picture"]

_LETTER, _PADDING, _GAP = 7.4, 26, 22
_BOX, _ROW, _DOT, _MARGIN = 34, 66, 5, 18
_LINES = {"usual": "#5f6368", "refused": "#c5221f", "late": "#b06000"}
_WORDS = {"refused": "refused", "late": "late"}
_FILLS = {"source": "#e8f0fe", "end": "#e6f4ea", "refused": "#fce8e6", "late": "#fef7e0"}
_JOIN = "Flatten"
_FONT = 'font-family="Helvetica, Arial, sans-serif" font-size="13"'


def picture(steps: Steps, name: str) -> str:
    """Return the SVG; steps that only join flows are dots.

    Args:
        steps: at least one.
        name: what is shown, for those who do not see it.
    """
    widths = {step: _width(step) + _GAP for step in steps.names}
    placed = place(widths, list(dict.fromkeys((flow.giver, flow.taker) for flow in steps.flows)))
    left = min(at.x - widths[step] / 2 for step, at in placed.boxes.items())
    right = max(at.x + widths[step] / 2 for step, at in placed.boxes.items())
    way_xs = [at.x for way in placed.ways.values() for at in way]
    left, right = (
        min([left, *(x - _GAP for x in way_xs)]),
        max([right, *(x + _GAP for x in way_xs)]),
    )
    down = max(at.row for at in placed.boxes.values())
    width, height = right - left + 2 * _MARGIN, down * _ROW + _BOX + 2 * _MARGIN
    lines = [*_frame(width, height, name), *_drawn(steps, placed, _MARGIN - left), "</svg>"]
    return "".join(f"{line}\n" for line in lines)


def _frame(width: float, height: float, name: str) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' width="{width:.0f}" height="{height:.0f}" {_FONT} role="img"'
        f' aria-label="{escape(name)}">'
    )
    yield "<defs>"
    for kind, colour in _LINES.items():
        yield (
            f'<marker id="{kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7"'
            f' markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="{colour}"/></marker>'
        )
    yield "</defs>"
    yield f'<rect width="{width:.0f}" height="{height:.0f}" rx="8" fill="#ffffff"/>'


def _drawn(steps: Steps, placed: Placed, shift: float) -> Iterator[str]:
    for flow in steps.flows:
        points = [_point(at, shift) for at in placed.ways[flow.giver, flow.taker]]
        yield _line(flow, points)
    for step, at in placed.boxes.items():
        yield from _box(step, *_point(at, shift), _fill(step, steps))


def _point(at: Place, shift: float) -> tuple[float, float]:
    return at.x + shift, at.row * _ROW + _BOX / 2 + _MARGIN


def _line(flow: Flow, points: list[tuple[float, float]]) -> str:
    """Draw a flow as a curve that leaves and enters boxes straight."""
    (x, y), *between, (last_x, last_y) = points
    start, end = (_DOT if _is_join(step) else _BOX / 2 for step in (flow.giver, flow.taker))
    path, y = [f"M{x:.1f} {y + start:.1f}"], y + start
    for to_x, to_y in (*between, (last_x, last_y - end)):
        middle = (y + to_y) / 2
        path.append(f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    dash = "" if flow.kind == "usual" else ' stroke-dasharray="5 3"'
    title = f"<title>{_WORDS[flow.kind]}</title>" if flow.kind in _WORDS else ""
    return (
        f'<path d="{"".join(path)}" fill="none" stroke="{_LINES[flow.kind]}" stroke-width="1.3"'
        f'{dash} marker-end="url(#{flow.kind})">{title}</path>'
    )


def _box(step: str, x: float, y: float, fill: str) -> Iterator[str]:
    if _is_join(step):
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_DOT}" fill="{_LINES["usual"]}"/>'
        return
    width = _width(step)
    yield (
        f'<rect x="{x - width / 2:.1f}" y="{y - _BOX / 2:.1f}" width="{width:.1f}"'
        f' height="{_BOX}" rx="7" fill="{fill}" stroke="{_LINES["usual"]}"/>'
    )
    yield f'<text x="{x:.1f}" y="{y + 4.5:.1f}" text-anchor="middle">{escape(step)}</text>'


def _fill(step: str, steps: Steps) -> str:
    """Return the colour of a box by what it takes, and by whether anything follows."""
    takes = {flow.kind for flow in steps.flows if flow.taker == step}
    if not takes:
        return _FILLS["source"]
    if len(takes) == 1 and takes <= _FILLS.keys():
        return _FILLS[takes.pop()]
    return "#ffffff" if any(flow.giver == step for flow in steps.flows) else _FILLS["end"]


def _width(step: str) -> float:
    return 2 * _DOT if _is_join(step) else len(step) * _LETTER + _PADDING


def _is_join(step: str) -> bool:
    return step.startswith(_JOIN)
