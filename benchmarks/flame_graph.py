"""Draws stacks as a flame graph: one plain SVG, without a script."""

import zlib
from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from benchmarks.stacks import Stacks, owner_of

__all__ = ["flame_graph"]

_WIDTH, _ROW, _TOP, _LETTER = 1200, 17, 44, 6.4
_THINNEST = 0.6
_OURS = ("#e8743b", "#ee8a4f", "#f09a5e")
_OTHERS = ("#6f9fd8", "#7fb8a4", "#a3a0cf", "#b9a77c", "#8fb3c9", "#a9b97f")
_NATIVE = "#c9c9c9"
_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" \
viewBox="0 0 {width} {height}" font-family="monospace" font-size="11">
<title>{title}</title>
<rect width="100%" height="100%" fill="#fdfdfb"/>
<text x="8" y="18" font-size="14">{title}</text>
<text x="8" y="34" fill="#555">{samples:,} samples; orange: the suite, other colours: a library \
each, grey: native code. Point at a frame for its share.</text>
"""
_FRAME = """\
<g><title>{told}</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" \
fill="{colour}"/><text x="{text:.1f}" y="{base}">{label}</text></g>
"""


class _Box(NamedTuple):
    frame: str
    depth: int
    start: int
    samples: int


def flame_graph(stacks: Stacks, title: str) -> str:
    """Return the SVG: a frame is as wide as the samples below it, callers stand above.

    The frames of a caller are in the order of their names; those too thin to see are left out.
    """
    total = sum(stacks.values())
    boxes = [
        box for box in _boxes(sorted(stacks.items())) if box.samples * _WIDTH >= _THINNEST * total
    ]
    height = _TOP + _ROW * (2 + max((box.depth for box in boxes), default=0))
    head = _HEAD.format(width=_WIDTH, height=height, title=escape(title), samples=total)
    return head + "".join(_drawn(box, total) for box in boxes) + "</svg>\n"


def _boxes(rows: list[tuple[tuple[str, ...], int]], depth: int = 0, start: int = 0) -> list[_Box]:
    """Return the boxes of stacks that share their first `depth` frames, which are sorted."""
    boxes: list[_Box] = []
    for frame, group in _grouped(rows, depth):
        samples = sum(count for _, count in group)
        boxes += [_Box(frame, depth, start, samples), *_boxes(group, depth + 1, start)]
        start += samples
    return boxes


def _grouped(
    rows: list[tuple[tuple[str, ...], int]], depth: int
) -> Iterator[tuple[str, list[tuple[tuple[str, ...], int]]]]:
    groups: dict[str, list[tuple[tuple[str, ...], int]]] = {}
    for stack, count in rows:
        if len(stack) > depth:
            groups.setdefault(stack[depth], []).append((stack, count))
    yield from groups.items()


def _drawn(box: _Box, total: int) -> str:
    width = box.samples * _WIDTH / total
    x, y = box.start * _WIDTH / total, _TOP + _ROW * box.depth
    letters = int((width - 6) / _LETTER)
    label = box.frame if len(box.frame) <= letters else box.frame[: max(letters - 1, 0)] + "…"
    return _FRAME.format(
        told=escape(f"{box.frame}: {box.samples / total:.1%}"),
        x=x,
        y=y,
        width=max(width - 0.4, 0.2),
        height=_ROW - 1,
        colour=_colour(box.frame),
        text=x + 3,
        base=y + 12,
        label=escape(label) if letters > 2 else "",
    )


def _colour(frame: str) -> str:
    owner = owner_of(frame)
    shade = zlib.crc32(frame.encode())
    if owner == "ours":
        return _OURS[shade % len(_OURS)]
    return _OTHERS[zlib.crc32(owner.encode()) % len(_OTHERS)] if owner else _NATIVE
