"""One feature set compiled: from the events of a row to its last values and tiles.

Plain logic without Beam. A field has the same place in the events of all types, so what no
condition restricts is made of all events of a tile at once; the rest event by event, by the steps
of its type.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from schemas.aggregates import AGGREGATIONS, Moment
from schemas.cells import row_key
from schemas.changes import MINUTE, RowPart, StateEntry, TileEntry
from schemas.coverage import Coverage
from schemas.feature_set import Feature, FeatureSet, StateField
from transforms.event_places import MINUTE_PLACE as _MINUTE
from transforms.event_places import TYPE_PLACE as _TYPE
from transforms.event_places import EventPlaces, KeptEvent
from transforms.record_fields import Tests, passes

__all__ = ["RowFold"]

_Whole: TypeAlias = Callable[[Sequence[Any], Moment], TileEntry]

_MS_A_MINUTE = MINUTE // 1_000


# In all steps, `place` is the index of a field's value in a `KeptEvent`.
class _StateStep(NamedTuple):
    slot: int
    place: int
    tests: Tests


class _ValueStep(NamedTuple):
    slot: int
    place: int
    tests: Tests
    whole: _Whole


class _Steps(NamedTuple):
    """What events add to a tile; all of them count for `counts`."""

    counts: tuple[int, ...]
    tested: tuple[tuple[int, Tests], ...]
    values: tuple[_ValueStep, ...]


class _Tiles:
    """The features of one length of tile, in minutes.

    `shared` is what all event types add alike, `own` what each one adds by itself, by number; None
    where that is nothing.
    """

    def __init__(self, length: int, features: Iterable[Feature], places: EventPlaces) -> None:
        self.length = length
        kept = list(features)
        self.shared = _steps(filter(places.is_for_all, kept), places)
        rest = [feature for feature in kept if not places.is_for_all(feature)]
        own = (
            _steps((each for each in rest if event_type in each.event_types), places)
            for event_type in places.numbers
        )
        self.own = [steps if any(steps) else None for steps in own]
        self.is_shared = not any(self.own)


class RowFold:
    """Makes the part of a row from its events, by the features of one set.

    Args:
        features: the set.
        places: of what all sets read of all event types.
        state_span: event times whose events change last values; None: all.
    """

    def __init__(
        self, features: FeatureSet, places: EventPlaces, state_span: Coverage | None
    ) -> None:
        self._entity = features.entity
        kept: list[StateField | Feature] = [*features.state, *features.features]
        self._reads = {event_type for each in kept for event_type in each.event_types}
        self._span: tuple[int, int] | None = None
        if state_span is not None:
            # Whole milliseconds: of two events in one, both must be known to say which is the last.
            self._span = -(-state_span.start // 1_000), state_span.end // 1_000
        steps = {each: _state_step(each, places) for each in features.state}
        self._last = [step for each, step in steps.items() if places.is_for_all(each)]
        rest = {each: step for each, step in steps.items() if not places.is_for_all(each)}
        self._own_last = [
            [step for each, step in rest.items() if event_type in each.event_types]
            for event_type in places.numbers
        ]
        self._most_last = len(rest)
        lengths = sorted({feature.tile // MINUTE for feature in features.features})
        self._tiles = [
            _Tiles(length, (f for f in features.features if f.tile // MINUTE == length), places)
            for length in lengths
        ]

    def reads(self, event_type: str) -> bool:
        """Return whether events of a type change anything."""
        return event_type in self._reads

    def part(self, entity_id: str, events: list[KeptEvent], mixed: bool) -> RowPart:
        """Return what some events change in the row of an entity; sorts them.

        `mixed`: whether late events may be among them, which change last values only.
        """
        part = RowPart(row_key(self._entity, entity_id), {}, {})
        if len(events) > 1:
            events.sort()
        self._last_values(part.state, events)
        if mixed:
            events = [event for event in events if event[_MINUTE] is not None]
        for tiles in self._tiles:
            for start, run in _runs(events, tiles.length):
                entries = part.tiles.get(start, {})
                _fill(entries, tiles, run)
                if entries:
                    part.tiles[start] = entries
        return part

    def _last_values(self, last: dict[int, StateEntry], events: Sequence[KeptEvent]) -> None:
        if self._span is not None:
            first_ms, end_ms = self._span
            events = [event for event in events if first_ms <= event[0] < end_ms]
        for slot, place, _ in self._last:
            for event in reversed(events):
                value = event[place]
                if value is not None:
                    last[slot] = (event[0], event[1], value)
                    break
        if self._most_last:
            own, wanted = self._own_last, self._most_last + len(last)
            # The newest event comes first, so what is there stays.
            for event in reversed(events):
                for slot, place, tests in own[event[_TYPE]]:
                    value = event[place]
                    if value is None or slot in last:
                        continue
                    if not tests or passes(event, tests):
                        last[slot] = (event[0], event[1], value)
                if len(last) == wanted:
                    return


def _state_step(field: StateField, places: EventPlaces) -> _StateStep:
    return _StateStep(field.slot, places.of(field.field), places.tests(field.where))


def _steps(features: Iterable[Feature], places: EventPlaces) -> _Steps:
    counts, tested, values = [], [], []
    for feature in features:
        tests = places.tests(feature.where)
        if feature.field is not None:
            place, whole = places.of(feature.field), AGGREGATIONS[feature.aggregate].whole
            values.append(_ValueStep(feature.slot, place, tests, whole))
        elif tests:
            tested.append((feature.slot, tests))
        else:
            counts.append(feature.slot)
    return _Steps(tuple(counts), tuple(tested), tuple(values))


def _runs(events: Sequence[KeptEvent], length: int) -> Iterable[tuple[int, Sequence[KeptEvent]]]:
    """Return the starts of tiles, in minutes, and the events of each; `events` are sorted."""
    if not events:
        return ()
    minute = events[0][_MINUTE]
    start = minute - minute % length
    if events[-1][0] < (start + length) * _MS_A_MINUTE:
        return ((start, events),)
    return _cut(events, length)


def _cut(events: Sequence[KeptEvent], length: int) -> Iterator[tuple[int, Sequence[KeptEvent]]]:
    first = 0
    while first < len(events):
        minute = events[first][_MINUTE]
        start = minute - minute % length
        following = bisect_left(events, ((start + length) * _MS_A_MINUTE,), first)
        yield start, events[first:following]
        first = following


# Calls for single steps would double the time of these loops.
def _fill(entries: dict[int, TileEntry], tiles: _Tiles, run: Sequence[KeptEvent]) -> None:
    """Make the entries of a tile of its events, which are sorted."""
    newest, single = run[-1], len(run) == 1
    for slot in tiles.shared.counts:
        entries[slot] = len(run)
    for slot, place, _, whole in tiles.shared.values:
        last = newest
        if single:
            values = [newest[place]] if newest[place] is not None else []
        else:
            values = [value for event in run if (value := event[place]) is not None]
            if values and newest[place] is None:
                last = next(event for event in reversed(run) if event[place] is not None)
        if values:
            entries[slot] = whole(values, (last[0], last[1]))
    if not tiles.is_shared:
        _fill_own(entries, tiles.own, run)


def _fill_own(
    entries: dict[int, TileEntry], own: Sequence[_Steps | None], run: Sequence[KeptEvent]
) -> None:
    """Add what each event adds by its type."""
    gathered: dict[int, list[Any]] = {}
    for event in run:
        steps = own[event[_TYPE]]
        if steps is None:
            continue
        counts, tested, valued = steps
        for slot in counts:
            entries[slot] = entries.get(slot, 0) + 1
        if not (tested or valued):
            continue
        for slot, tests in tested:
            if passes(event, tests):
                entries[slot] = entries.get(slot, 0) + 1
        for slot, place, tests, whole in valued:
            value = event[place]
            if value is not None and (not tests or passes(event, tests)):
                held = gathered.get(slot)
                if held is None:
                    gathered[slot] = [whole, [value], event]
                else:
                    held[1].append(value)
                    held[2] = event
    for slot, (whole, values, newest) in gathered.items():
        entries[slot] = whole(values, (newest[0], newest[1]))
