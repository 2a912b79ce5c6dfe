"""Events of a bundle grouped by metric, key and unit of time, and filled into windows at once.

Plain logic without Beam. The unit of a metric is the longest time of which all its windows are
whole multiples, so that a unit lies in exactly one window of each length: values are gathered once
a unit, and a window is the merge of its units.
"""

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from schemas.measures import gathering, merge_into, merges_of
from schemas.metric import Measure, Metric
from schemas.window_parts import WindowPart
from transforms.record_fields import Tests, passes

__all__ = ["Grouping", "MetricGroups", "Values"]

Values: TypeAlias = tuple[Any, ...]
"""The plain values of an event, in a layout that all events of a type share."""

_Units: TypeAlias = dict[int, list[Values]]
_Held: TypeAlias = dict[bytes, dict[tuple[int, int], WindowPart]]

_encode = msgspec.msgpack.Encoder().encode


class _Column(NamedTuple):
    """What a measure takes of events: all values at `place`, or (None) how many pass."""

    place: int | None
    tests: Tests
    gather: Callable[[Sequence[Any]], Any]


class Grouping:
    """The events of one type under one metric, grouped as they come.

    `tests` and `unit` (microseconds) are for who adds. The garbage collector has nothing to find in
    what is held: tuples of plain values.

    Args:
        metric: whose windows are filled.
        index: where the values of a path are; a path that is not there is null.
        columns: of the measures that have entries, None of one that this type never contributes to.
    """

    def __init__(
        self,
        metric: Metric,
        index: Mapping[str, int],
        tests: Tests,
        columns: Sequence[_Column | None],
    ) -> None:
        self.name = metric.name
        self.lengths = metric.windows
        self.lateness = metric.allowed_lateness
        self.unit = math.gcd(*metric.windows)
        self.tests = tests
        self._slot = metric.slot
        self._columns = columns
        self._places = [index.get(each.path) for each in metric.dimensions]
        present = [place for place in self._places if place is not None]
        self.key_of: Callable[[Values], Any] = operator.itemgetter(*present) if present else _no_key
        self._is_bare = len(present) == 1
        self.keys: dict[Any, _Units] = {}
        self._others: dict[tuple[int, ...], dict[Any, _Units]] = {}

    def add(self, values: Values, event_time: int, lengths: tuple[int, ...]) -> None:
        """Add an event to the windows of some lengths only."""
        keys = self._others.setdefault(lengths, {})
        units = keys.setdefault(self.key_of(values), {})
        units.setdefault(event_time // self.unit, []).append(values)

    def fill(self, held: _Held, merges: Sequence[Any]) -> None:
        """Add what was grouped to the windows of a metric, and forget it."""
        for lengths, keys in [(self.lengths, self.keys), *self._others.items()]:
            while keys:
                key, units = keys.popitem()
                encoded = _encode(self._whole_key(key))
                windows = held.get(encoded)
                if windows is None:
                    windows = held[encoded] = {}
                self._fill_key(windows, encoded, units, lengths, merges)
        self._others.clear()

    def clear(self) -> None:
        """Forget what was grouped."""
        self.keys.clear()
        self._others.clear()

    def _fill_key(
        self,
        windows: dict[tuple[int, int], WindowPart],
        key: bytes,
        units: _Units,
        lengths: tuple[int, ...],
        merges: Sequence[Any],
    ) -> None:
        for unit, group in units.items():
            moment, events = unit * self.unit, len(group)
            entries = [_entry(column, group) for column in self._columns]
            for length in lengths:
                start = moment - moment % length
                added = WindowPart(self._slot, length, start, key, events, entries)
                part = windows.get((length, start))
                if part is None:
                    # Its own list: what is merged into one window is not merged into another.
                    added.entries = entries.copy()
                    windows[length, start] = added
                else:
                    merge_into(part, added, merges)

    def _whole_key(self, found: Any) -> list[Any]:
        if self._is_bare:
            return [None if place is None else found for place in self._places]
        values = iter(found)
        return [None if place is None else next(values) for place in self._places]


class MetricGroups:
    """The groups of some metrics over all types of events.

    >>> list(MetricGroups([]).take())
    []
    """

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = [(metric, merges_of(metric)) for metric in metrics]
        self._groupings: list[list[Grouping]] = [[] for _ in self._metrics]

    def groupings(
        self,
        event_type: str,
        index: Mapping[str, int],
        tests_of: Callable[[Iterable[Any]], Tests],
    ) -> tuple[Grouping, ...]:
        """Return a new grouping for each metric that an event type belongs to."""
        made = []
        for (metric, _), groupings in zip(self._metrics, self._groupings, strict=True):
            if event_type in metric.event_types:
                columns = [_column(each, event_type, index, tests_of) for each in metric.kept]
                grouping = Grouping(metric, index, tests_of(metric.where), columns)
                groupings.append(grouping)
                made.append(grouping)
        return tuple(made)

    def take(self) -> Iterator[WindowPart]:
        """Yield a part for each metric, key and window, key by key, and forget what was grouped."""
        for (_, merges), groupings in zip(self._metrics, self._groupings, strict=True):
            held: _Held = {}
            for grouping in groupings:
                grouping.fill(held, merges)
            for windows in held.values():
                yield from windows.values()

    def clear(self) -> None:
        """Forget what was grouped."""
        for groupings in self._groupings:
            for grouping in groupings:
                grouping.clear()


def _no_key(_values: Values) -> tuple[()]:
    return ()


def _column(
    measure: Measure,
    event_type: str,
    index: Mapping[str, int],
    tests_of: Callable[[Iterable[Any]], Tests],
) -> _Column | None:
    if event_type not in measure.event_types:
        return None
    place = None if measure.field is None else index[measure.field]
    return _Column(place, tests_of(measure.where), gathering(measure.measure))


def _entry(column: _Column | None, group: list[Values]) -> Any:
    """Return the entry of a measure over some events, None where none contributes."""
    if column is None:
        return None
    place, tests, gather = column
    if tests:
        group = [values for values in group if passes(values, tests)]
    if place is None:
        return len(group) or None
    found = [value for values in group if (value := values[place]) is not None]
    return gather(found) if found else None
