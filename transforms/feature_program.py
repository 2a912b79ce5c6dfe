"""Feature sets compiled: what one event of a type changes, without a look at what it cannot change.

Plain logic without Beam. Everything that depends on the declaration alone is decided once per
process and event type.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from schemas.aggregates import AGGREGATIONS, Moment
from schemas.cells import row_key
from schemas.changes import MINUTE, Last, Partial, RowPart, Tile, Tiles
from schemas.contract import Contracts
from schemas.feature_set import Feature, FeatureSet, StateField
from transforms.record_getters import Get, Getters, Tests

__all__ = ["FeatureProgram"]


class _StateStep(NamedTuple):
    slot: int
    get: Get
    tests: Tests


class _CountStep(NamedTuple):
    slot: int
    tests: Tests


class _ValueStep(NamedTuple):
    slot: int
    get: Get
    first: Callable[[Any, Moment], Any]
    add: Callable[[Any, Any, Moment], Any]
    tests: Tests


class _TileSteps(NamedTuple):
    """The features of one length of tile, in minutes."""

    length: int
    counts: tuple[_CountStep, ...]
    values: tuple[_ValueStep, ...]


class _EntityProgram(NamedTuple):
    """What an event type changes in one entity; `partials` are shared by all event types."""

    key: Get
    partials: dict[str, Partial]
    state: tuple[_StateStep, ...]
    tiles: tuple[_TileSteps, ...]


class FeatureProgram:
    """Collects what records change, by entity and id, until it is taken.

    >>> from schemas.contract import load_contracts
    >>> program = FeatureProgram(load_contracts(None), [])
    >>> program.take()
    []
    """

    def __init__(self, contracts: Contracts, sets: Iterable[FeatureSet]) -> None:
        self._contracts = contracts
        self._sets = list(sets)
        self._partials: list[dict[str, Partial]] = [{} for _ in self._sets]
        self._programs: dict[type, tuple[_EntityProgram, ...]] = {}
        self._forms = {
            feature.slot: AGGREGATIONS[feature.aggregate].gathered
            for each in self._sets
            for feature in each.features
        }
        self._now = [0]

    def add(self, record: Any, event_time: int, late: bool) -> None:
        """Add what one event changes; a late event changes last values only.

        `event_time` is in microseconds.
        """
        kind = type(record)
        programs = self._programs.get(kind)
        if programs is None:
            programs = self._programs[kind] = self._compile(kind.__struct_config__.tag)
        moment = (event_time // 1_000, record.event_id)
        minute = event_time // MINUTE
        self._now[0] = event_time
        for key, partials, state, tiles in programs:
            entity_id = key(record)
            if entity_id is None:
                continue
            partial = partials.get(entity_id)
            if partial is None:
                partial = partials[entity_id] = Partial.empty()
            _add_to_state(record, partial.state, state, moment)
            if not late:
                _add_to_tiles(record, partial.tiles, tiles, minute, moment)

    def take(self) -> list[RowPart]:
        """Return all that was collected, and begin anew."""
        parts = [
            partial.part(row_key(each.entity, str(entity_id)), self._forms)
            for each, partials in zip(self._sets, self._partials, strict=True)
            for entity_id, partial in partials.items()
            if partial.state or partial.tiles
        ]
        for partials in self._partials:
            partials.clear()
        return parts

    def _compile(self, event_type: str) -> tuple[_EntityProgram, ...]:
        getters = Getters(self._contracts, event_type, self._now)
        compiled = (
            _compile_set(each, partials, event_type, getters)
            for each, partials in zip(self._sets, self._partials, strict=True)
        )
        return tuple(program for program in compiled if program is not None)


# The three loops below run some ten times an event: a call for each step would double their time.
def _add_to_state(
    record: Any, state: dict[int, Last], steps: Iterable[_StateStep], moment: Moment
) -> None:
    event_ms = moment[0]
    for slot, get, tests in steps:
        held = state.get(slot)
        if held is None or event_ms > held.event_ms or moment >= (held.event_ms, held.event_id):
            for test, allowed in tests:
                if test(record) not in allowed:
                    break
            else:
                value = get(record)
                if value is not None:
                    state[slot] = Last(event_ms, moment[1], value)


def _add_to_tiles(
    record: Any,
    held: dict[int, Tiles],
    groups: Iterable[_TileSteps],
    minute: int,
    moment: Moment,
) -> None:
    for length, counts, values in groups:
        start = minute - minute % length
        tiles = held.get(start)
        if tiles is None:
            tiles = held[start] = {}
        _add_counts(record, tiles, counts)
        _add_values(record, tiles, values, moment)
        if not tiles:
            del held[start]


def _add_counts(record: Any, tiles: Tiles, steps: Iterable[_CountStep]) -> None:
    for slot, tests in steps:
        for test, allowed in tests:
            if test(record) not in allowed:
                break
        else:
            tile = tiles.get(slot)
            if tile is None:
                tiles[slot] = Tile(1, None)
            else:
                tile.n += 1


def _add_values(record: Any, tiles: Tiles, steps: Iterable[_ValueStep], moment: Moment) -> None:
    for slot, get, first, add, tests in steps:
        for test, allowed in tests:
            if test(record) not in allowed:
                break
        else:
            value = get(record)
            if value is None:
                continue
            tile = tiles.get(slot)
            if tile is None:
                tiles[slot] = Tile(1, first(value, moment))
            else:
                tile.n += 1
                tile.kept = add(tile.kept, value, moment)


def _compile_set(
    each: FeatureSet, partials: dict[str, Partial], event_type: str, getters: Getters
) -> _EntityProgram | None:
    state = [_state_step(f, getters) for f in each.state if event_type in f.event_types]
    features = [f for f in each.features if event_type in f.event_types]
    if not state and not features:
        return None
    lengths = sorted({feature.tile // MINUTE for feature in features})
    tiles = tuple(
        _tile_steps(length, [f for f in features if f.tile // MINUTE == length], getters)
        for length in lengths
    )
    return _EntityProgram(getters.plain(each.key), partials, tuple(state), tiles)


def _state_step(field: StateField, getters: Getters) -> _StateStep:
    return _StateStep(field.slot, getters.plain(field.field), getters.tests(field.where))


def _tile_steps(length: int, features: Iterable[Feature], getters: Getters) -> _TileSteps:
    counts, values = [], []
    for feature in features:
        tests = getters.tests(feature.where)
        if feature.field is None:
            counts.append(_CountStep(feature.slot, tests))
        else:
            by = AGGREGATIONS[feature.aggregate]
            get = getters.plain(feature.field)
            values.append(_ValueStep(feature.slot, get, by.first, by.add, tests))
    return _TileSteps(length, tuple(counts), tuple(values))
