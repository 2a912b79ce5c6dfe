"""The windows of a metric as cells: one row a key, one qualifier a measure and length of windows.

They are tiles of the hot path's layout (docs/bigtable.md): a cell's time is the window's start and
its version, which is the number of events in the window. A pane has all that the one before it had,
so the fuller one wins, whatever order they are written in.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from schemas.aggregates import AGGREGATIONS, is_saturated
from schemas.cells import TILE_FAMILY, Cell, Clear, RowChange, row_key
from schemas.coverage import Coverage
from schemas.dimension_text import key_text
from schemas.durations import parse_duration
from schemas.measures import merge_into, merges_of
from schemas.metric import Metric, window_name
from schemas.tiles import ReadCell, tile_start
from schemas.times import MILLISECOND
from schemas.values import Plain, ValueType, decode_value, encode_value, to_plain
from schemas.window_parts import WindowPart

__all__ = [
    "EVENT_COUNT",
    "PaneCells",
    "qualifier",
    "window_length",
    "windows_of",
    "windows_together",
]

EVENT_COUNT = "event_count"
"""What the qualifier of the number of events is called; no measure has this name."""

_CELLS_A_CHANGE = 1_000
_COUNT = ValueType("long")
_decode_key = msgspec.msgpack.Decoder(list[Any]).decode


def qualifier(name: str, length: int) -> str:
    """Return the qualifier of a measure; no feature has one with a `/`.

    >>> qualifier("revenue", 300_000_000)
    'revenue/5m'
    """
    return f"{name}/{window_name(length)}"


def window_length(name: str) -> int | None:
    """Return the length of the windows that a qualifier is of; None: it is no measure's.

    >>> window_length("revenue/5m"), window_length("views"), window_length("views/")
    (300000000, None, None)
    """
    _, slash, window = name.partition("/")
    try:
        length = parse_duration(window) if slash else 0
    except ValueError:
        length = 0
    return length or None


class PaneCells:
    """What is written of the windows of one metric.

    Args:
        metric: whose windows these are.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._encodes = [AGGREGATIONS[each.measure].encode for each in metric.kept]
        self._sums = [place for place, each in enumerate(metric.kept) if each.measure == "sum"]
        names = [EVENT_COUNT, *(each.name for each in metric.kept)]
        self._names = {
            length: [qualifier(name, length) for name in names] for length in metric.windows
        }

    def row_key(self, key: bytes) -> bytes:
        """Return the row of a key, as parts have it."""
        values = _decode_key(key)
        return row_key(self._metric.name, key_text(self._metric.dimensions, values))

    def pane(self, part: WindowPart) -> RowChange:
        """Return what makes a window as full as this part, and leaves a fuller one as it is.

        Each cell comes with the deletion of its older versions in the window. The version stops one
        short of the window's length in ms, so that it never reaches the next window.
        """
        return RowChange(self.row_key(part.key), self._cells(part, part.start))

    def repair(
        self, key: bytes, parts: Iterable[WindowPart], span: Coverage
    ) -> Iterator[RowChange]:
        """Yield changes after which a row's whole windows in a span are these and no others.

        The changes are bounded in size and speak of disjoint windows, so their order is nothing.

        Args:
            key: of all parts.
            parts: one for each window, inside the span.
            span: closed.
        """
        row = self.row_key(key)
        by_length: dict[int, list[WindowPart]] = {length: [] for length in self._metric.windows}
        for part in parts:
            by_length[part.length].append(part)
        for length, found in by_length.items():
            found.sort(key=_start)
            # A cell has no time before 1970: each of these is to be refused alone.
            while found and found[0].start < 0:
                yield RowChange(row, self._cells(found.pop(0), None))
            first, end = (max(0, each) for each in span.whole_tiles(length))
            size = max(1, _CELLS_A_CHANGE // len(self._names[length]))
            for at in range(0, max(1, len(found)), size):
                some, following = found[at : at + size], found[at + size : at + size + 1]
                until = following[0].start if following else end
                yield from self._anew(row, some, length, Coverage(first, until))
                first = until

    def is_capped(self, part: WindowPart) -> bool:
        """Return whether a window has more events than versions."""
        return part.events >= part.length // MILLISECOND

    def saturated(self, part: WindowPart) -> int:
        """Return how many of the sums are beyond 64 bits."""
        sums = (part.entries[place] for place in self._sums)
        return sum(entry is not None and is_saturated(entry) for entry in sums)

    def _anew(
        self, row: bytes, parts: Sequence[WindowPart], length: int, span: Coverage
    ) -> Iterator[RowChange]:
        clears = tuple(
            Clear(TILE_FAMILY, name, span.start, span.end)
            for name in self._names[length]
            if span.start < span.end
        )
        cells = [cell for part in parts for cell in self._cells(part, None)]
        if clears or cells:
            yield RowChange(row, cells, clears)

    def _cells(self, part: WindowPart, clear_from: int | None) -> list[Cell]:
        count, *names = self._names[part.length]
        version = min(part.events, part.length // MILLISECOND - 1)
        time = part.start + version * MILLISECOND
        cells = [Cell(TILE_FAMILY, count, time, encode_value(part.events), clear_from)]
        for name, encode, entry in zip(names, self._encodes, part.entries, strict=True):
            if entry is not None:
                cells.append(Cell(TILE_FAMILY, name, time, encode(entry), clear_from))
        return cells


class _Stored(NamedTuple):
    """A cell of a window: its version, and its bytes."""

    timestamp: int
    value: bytes


def windows_of(metric: Metric, key: bytes, cells: Iterable[ReadCell]) -> list[WindowPart]:
    """Return the windows that the cells of a row tell, in any order of cells; the oldest first.

    Of each qualifier the highest version in a window counts. A window without a number of events is
    none. Sums beyond 64 bits are the nearest 64-bit value.

    Args:
        metric: whose row it is.
        key: as parts have it.
        cells: as read, with as many versions as there are, also of other metrics and of features.
    """
    places = {
        qualifier(name, length): (place, length)
        for length in metric.windows
        for place, name in enumerate([EVENT_COUNT, *(each.name for each in metric.kept)])
    }
    held: dict[tuple[int, int], dict[int, _Stored]] = {}
    for family, name, timestamp, value in cells:
        if family == TILE_FAMILY and name in places:
            place, length = places[name]
            window = held.setdefault((tile_start(timestamp, length), length), {})
            if place not in window or window[place].timestamp < timestamp:
                window[place] = _Stored(timestamp, value)
    return [
        _part(metric, key, start, length, held[start, length])
        for start, length in sorted(held)
        if 0 in held[start, length]
    ]


def windows_together(metric: Metric, key: bytes, parts: Sequence[WindowPart]) -> WindowPart:
    """Return several windows of one length as one, that of the last, and empty where there is none.

    Counts and sums add up, least and greatest values are compared, sketches are united.
    """
    last = max(parts, key=_start, default=None)
    length, start = (last.length, last.start) if last else (metric.windows[0], 0)
    whole = WindowPart(metric.slot, length, start, key, 0, [None] * len(metric.kept))
    merges = merges_of(metric)
    for part in parts:
        merge_into(whole, part, merges)
    return whole


def _part(
    metric: Metric, key: bytes, start: int, length: int, cells: dict[int, _Stored]
) -> WindowPart:
    events = int(decode_value(_COUNT, cells[0].value))
    entries = [
        _entry(measure.measure, measure.value, events, cells[place].value)
        if place in cells
        else None
        for place, measure in enumerate(metric.kept, 1)
    ]
    return WindowPart(metric.slot, length, start, key, events, entries)


def _entry(measure: str, value_type: ValueType, events: int, encoded: bytes) -> Any:
    """Return the entry that a cell was made from, as far as values depend on it."""
    if measure == "approx_distinct":
        return events, {}, encoded
    value: Plain = to_plain(value_type, decode_value(value_type, encoded))
    return value if measure == "count" else (events, value)


def _start(part: WindowPart) -> int:
    return part.start
