"""One feature set compiled: from the events of a row to its last values and tiles.

Plain logic without Beam. What all event types give alike, such as the count of events, is made of
all events of a tile at once; the rest event by event, by the steps of its type.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from schemas.aggregates import AGGREGATIONS, Moment
from schemas.cells import row_key
from schemas.changes import MINUTE, RowPart, StateEntry, TileEntry
from schemas.coverage import Coverage
from schemas.declaration_where import Condition
from schemas.feature_set import Feature, FeatureSet
from transforms.record_fields import RecordFields, Tests, passes

__all__ = ["HEAD", "KeptEvent", "RowFold"]

KeptEvent: TypeAlias = tuple[Any, ...]
"""What is kept of an event until its rows are made: `HEAD` values, then those of its fields.

They are event time in ms, event id, arrival, minute, and the number of the event type; the minute
is None of a late event. A plain tuple sorts as it stands, by time, by id, then by arrival; and the
garbage collector looks at it once, as nothing in it refers to anything else.
"""
HEAD = 5

_Whole: TypeAlias = Callable[[Sequence[Any], Moment], TileEntry]

_MINUTE, _TYPE = 3, 4


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

    `shared` is what all event types add alike, `own` what each one adds by itself, by number.
    """

    def __init__(self, length: int, features: Iterable[Feature]) -> None:
        self.length = length
        self.features = list(features)
        self.shared = _Steps((), (), ())
        self.own: list[_Steps] = []


class RowFold:
    """Makes the part of a row from its events, by the features of one set.

    Args:
        features: the set.
        event_types: all there are, so that what all of them share is known.
        state_span: event times whose events change last values; None: all.
    """

    def __init__(
        self, features: FeatureSet, event_types: Collection[str], state_span: Coverage | None
    ) -> None:
        self._features = features
        self._every_type = frozenset(event_types)
        span = state_span or Coverage()
        # Whole milliseconds: of two events in one, both must be known to say which is the last.
        self._first_ms, self._end_ms = -(-span.start // 1_000), span.end // 1_000
        self._state: list[tuple[_StateStep, ...]] = []
        lengths = sorted({feature.tile // MINUTE for feature in features.features})
        self._tiles = [
            _Tiles(length, (f for f in features.features if f.tile // MINUTE == length))
            for length in lengths
        ]

    def add_type(self, event_type: str, fields: RecordFields) -> bool:
        """Compile what the next event type changes; return whether that is anything.

        Types are numbered in the order in which they are added; all have the same shared fields.
        """
        state = tuple(
            _StateStep(field.slot, HEAD + fields.index[field.field], _moved(fields, field.where))
            for field in self._features.state
            if event_type in field.event_types
        )
        self._state.append(state)
        applies = [self._add_tiles(tiles, event_type, fields) for tiles in self._tiles]
        return bool(state) or any(applies)

    def part(self, entity_id: str, events: list[KeptEvent], mixed: bool) -> RowPart:
        """Return what some events change in the row of an entity; sorts them.

        `mixed`: whether late events may be among them, which change last values only.
        """
        part = RowPart(row_key(self._features.entity, entity_id), {}, {})
        if len(events) > 1:
            events.sort()
        self._last_values(part.state, events)
        for tiles in self._tiles:
            for start, run in _runs(events, tiles.length, mixed):
                held = part.tiles.get(start)
                entries: dict[int, TileEntry] = {} if held is None else held
                _fill(entries, tiles, run)
                if entries:
                    part.tiles[start] = entries
        return part

    def _last_values(self, last: dict[int, StateEntry], events: Sequence[KeptEvent]) -> None:
        first_ms, end_ms, wanted = self._first_ms, self._end_ms, len(self._features.state)
        # The newest event comes first, so what is there stays.
        for event in reversed(events):
            if len(last) == wanted:
                return
            if first_ms <= event[0] < end_ms:
                for slot, place, tests in self._state[event[_TYPE]]:
                    value = event[place]
                    if value is None or slot in last:
                        continue
                    if not tests or passes(event, tests):
                        last[slot] = (event[0], event[1], value)

    def _add_tiles(self, tiles: _Tiles, event_type: str, fields: RecordFields) -> bool:
        given = [feature for feature in tiles.features if event_type in feature.event_types]
        alike = [feature for feature in given if self._is_shared(feature, fields)]
        tiles.shared = _steps(alike, fields)
        tiles.own.append(_steps((each for each in given if each not in alike), fields))
        return bool(given)

    def _is_shared(self, feature: Feature, fields: RecordFields) -> bool:
        """Return whether all event types give it alike, from the same place."""
        alike = feature.field is None or fields.index[feature.field] < fields.shared
        every = self._every_type <= set(feature.event_types)
        return alike and every and not fields.tests(feature.where)


def _steps(features: Iterable[Feature], fields: RecordFields) -> _Steps:
    counts, tested, values = [], [], []
    for feature in features:
        tests = _moved(fields, feature.where)
        if feature.field is not None:
            place, whole = HEAD + fields.index[feature.field], AGGREGATIONS[feature.aggregate].whole
            values.append(_ValueStep(feature.slot, place, tests, whole))
        elif tests:
            tested.append((feature.slot, tests))
        else:
            counts.append(feature.slot)
    return _Steps(tuple(counts), tuple(tested), tuple(values))


def _moved(fields: RecordFields, where: Iterable[Condition]) -> Tests:
    """Return the conditions as they stand in a `KeptEvent`."""
    return tuple((HEAD + index, allowed) for index, allowed in fields.tests(where))


def _runs(
    events: Sequence[KeptEvent], length: int, mixed: bool
) -> Iterable[tuple[int, Sequence[KeptEvent]]]:
    """Return the starts of tiles, in minutes, and the events of each; `events` are sorted."""
    if not mixed:
        minute = events[0][_MINUTE]
        start = minute - minute % length
        if events[-1][_MINUTE] < start + length:
            return [(start, events)]
    runs: dict[int, list[KeptEvent]] = {}
    for event in events:
        minute = event[_MINUTE]
        if minute is not None:
            start = minute - minute % length
            run = runs.get(start)
            if run is None:
                runs[start] = [event]
            else:
                run.append(event)
    return runs.items()


# Calls for single steps would double the time of these loops.
def _fill(entries: dict[int, TileEntry], tiles: _Tiles, run: Sequence[KeptEvent]) -> None:
    """Make the entries of a tile of its events, which are sorted."""
    for slot in tiles.shared.counts:
        entries[slot] = len(run)
    for slot, place, _, whole in tiles.shared.values:
        given = [event for event in run if event[place] is not None]
        if given:
            newest = given[-1]
            entries[slot] = whole([event[place] for event in given], (newest[0], newest[1]))
    gathered: dict[int, list[Any]] = {}
    own = tiles.own
    for event in run:
        counts, tested, steps = own[event[_TYPE]]
        for slot in counts:
            entries[slot] = entries.get(slot, 0) + 1
        for slot, tests in tested:
            if passes(event, tests):
                entries[slot] = entries.get(slot, 0) + 1
        for slot, place, tests, whole in steps:
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
