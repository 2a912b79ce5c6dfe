"""Feature sets compiled: what one event of a type changes, without a look at what it cannot change.

Plain logic without Beam. Everything that depends on the declaration alone is decided once per
process and event type.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from schemas.aggregates import AGGREGATIONS, Moment
from schemas.cells import row_key
from schemas.changes import MINUTE, RowPart, TileEntry
from schemas.contract import Contracts
from schemas.coverage import Coverage
from schemas.feature_set import Feature, FeatureSet, StateField
from transforms.record_fields import EVENT_ID, RecordFields, Tests, passes

__all__ = ["FeatureProgram", "feature_paths"]


# In all steps, `place` is the index of a field among the values of a record.
class _StateStep(NamedTuple):
    slot: int
    place: int
    tests: Tests


class _CountStep(NamedTuple):
    slot: int
    tests: Tests


class _ValueStep(NamedTuple):
    slot: int
    place: int
    tests: Tests
    first: Callable[[Any, Moment], Any]
    add: Callable[[Any, Any, Moment], Any]


class _TileSteps(NamedTuple):
    """The features of one length of tile, in minutes."""

    length: int
    counts: tuple[_CountStep, ...]
    values: tuple[_ValueStep, ...]


class _Steps(NamedTuple):
    """What an event type changes in one entity."""

    state: tuple[_StateStep, ...]
    tiles: tuple[_TileSteps, ...]


class _Program(NamedTuple):
    """All that an event type changes.

    `keys`: for each entity that it changes, the place of its id, and the rows collected of it.
    """

    number: int
    read: Callable[[Any, int], tuple[Any, ...]]
    keys: tuple[tuple[int, dict[Any, list["_Event"]]], ...]


class _Event(NamedTuple):
    """What is kept of an event until its rows are made: where what stands in a plain tuple.

    Tuples are sorted as they are: by time, then by id, then by arrival. `minute` is None of a late
    event, `program` is the number of its type's program, and `values` is what that has read. The
    garbage collector looks at such a tuple once, as nothing in it refers to anything else.
    """

    event_ms: int
    event_id: str
    arrival: int
    minute: int | None
    program: int
    values: tuple[Any, ...]


class FeatureProgram:
    """Collects what records change, by entity and id, until it is taken.

    Events are first only read and put to their rows; a row is made of all its events at once. To go
    back to each row with each event takes longer: many rows do not fit a processor's cache.
    Last values are taken from events of `state_span` only (None: of all), tiles from all events.

    >>> from schemas.contract import load_contracts
    >>> program = FeatureProgram(load_contracts(None), [])
    >>> list(program.take())
    []
    """

    def __init__(
        self, contracts: Contracts, sets: Iterable[FeatureSet], state_span: Coverage | None = None
    ) -> None:
        self._contracts = contracts
        span = state_span or Coverage()
        # Whole milliseconds: of two events in one, both must be known to say which is the last.
        self._state_ms = -(-span.start // 1_000), span.end // 1_000
        self._sets = list(sets)
        self._rows: list[dict[Any, list[_Event]]] = [{} for _ in self._sets]
        self._programs: dict[type, _Program] = {}
        self._steps: list[list[_Steps]] = [[] for _ in self._sets]
        self._arrived = 0

    def add(self, record: Any, event_time: int, late: bool) -> None:
        """Add what one event changes; a late event changes last values only.

        `event_time` is in microseconds.
        """
        kind = type(record)
        program = self._programs.get(kind)
        if program is None:
            program = self._programs[kind] = self._compile(kind.__struct_config__.tag)
        number, read, keys = program
        values = read(record, event_time)
        minute = None if late else event_time // MINUTE
        self._arrived += 1
        moment = event_time // 1_000, values[EVENT_ID]
        event: Any = (*moment, self._arrived, minute, number, values)
        for place, rows in keys:
            entity_id = values[place]
            if entity_id is not None:
                events = rows.get(entity_id)
                if events is None:
                    rows[entity_id] = [event]
                else:
                    events.append(event)

    def take(self) -> Iterator[RowPart]:
        """Yield what was collected, row by row, and forget it."""
        for each, rows, steps in zip(self._sets, self._rows, self._steps, strict=True):
            while rows:
                entity_id, events = rows.popitem()
                part = RowPart(row_key(each.entity, str(entity_id)), {}, {})
                _fill(part, events, steps, self._state_ms)
                if part.state or part.tiles:
                    yield part

    def clear(self) -> None:
        """Forget what was collected."""
        for rows in self._rows:
            rows.clear()

    def _compile(self, event_type: str) -> _Program:
        fields = RecordFields(self._contracts, event_type, feature_paths(self._sets, event_type))
        for each, steps in zip(self._sets, self._steps, strict=True):
            steps.append(_compile_set(each, event_type, fields))
        keys = tuple(
            (fields.index[each.key], rows)
            for each, rows, steps in zip(self._sets, self._rows, self._steps, strict=True)
            if any(steps[-1])
        )
        return _Program(len(self._programs), fields.read, keys)


def _fill(
    part: RowPart, events: list[_Event], steps: Sequence[_Steps], state_ms: tuple[int, int]
) -> None:
    """Put what some events change in a row into its part; `steps` are those of each program."""
    last, tiles = part.state, part.tiles
    first_ms, end_ms = state_ms
    if len(events) > 1:
        events.sort()
    for event_ms, event_id, _, minute, program, values in reversed(events):
        state, groups = steps[program]
        # The newest event comes first, so what is there stays.
        for slot, place, tests in state if first_ms <= event_ms < end_ms else ():
            if slot not in last:
                value = values[place]
                if value is not None and (not tests or passes(values, tests)):
                    last[slot] = (event_ms, event_id, value)
        if minute is not None:
            _add_to_tiles(values, tiles, groups, minute, (event_ms, event_id))


# A call for each step would double the time of this loop.
def _add_to_tiles(
    values: Sequence[Any],
    held: dict[int, dict[int, TileEntry]],
    groups: Iterable[_TileSteps],
    minute: int,
    moment: Moment,
) -> None:
    for length, counts, aggregates in groups:
        start = minute - minute % length
        tiles = held.get(start)
        if tiles is None:
            tiles = held[start] = {}
        for slot, tests in counts:
            if not tests or passes(values, tests):
                tiles[slot] = tiles.get(slot, 0) + 1
        for slot, place, tests, first, add in aggregates:
            value = values[place]
            if value is not None and (not tests or passes(values, tests)):
                entry = tiles.get(slot)
                tiles[slot] = first(value, moment) if entry is None else add(entry, value, moment)
        if not tiles:
            del held[start]


def feature_paths(sets: Iterable[FeatureSet], event_type: str) -> set[str]:
    """Return all paths that the features of an event type read."""
    paths: set[str] = set()
    for each in sets:
        own: list[StateField | Feature] = [*each.state, *each.features]
        for field in own:
            if event_type in field.event_types:
                paths.update([each.key, field.field or each.key])
                paths.update(test.path for test in field.where)
    return paths


def _compile_set(each: FeatureSet, event_type: str, fields: RecordFields) -> _Steps:
    state = tuple(
        _StateStep(field.slot, fields.index[field.field], fields.tests(field.where))
        for field in each.state
        if event_type in field.event_types
    )
    features = [f for f in each.features if event_type in f.event_types]
    lengths = sorted({feature.tile // MINUTE for feature in features})
    tiles = tuple(
        _tile_steps(length, [f for f in features if f.tile // MINUTE == length], fields)
        for length in lengths
    )
    return _Steps(state, tiles)


def _tile_steps(length: int, features: Iterable[Feature], fields: RecordFields) -> _TileSteps:
    counts, values = [], []
    for feature in features:
        tests = fields.tests(feature.where)
        if feature.field is None:
            counts.append(_CountStep(feature.slot, tests))
        else:
            by, place = AGGREGATIONS[feature.aggregate], fields.index[feature.field]
            values.append(_ValueStep(feature.slot, place, tests, by.first, by.add))
    return _TileSteps(length, tuple(counts), tuple(values))
