"""Feature sets compiled: what one event of a type changes, without a look at what it cannot change.

Plain logic without Beam. Everything that depends on the declaration alone is decided once per
process and event type.
"""

import operator
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from schemas.aggregates import AGGREGATIONS, Moment
from schemas.cells import row_key
from schemas.changes import MINUTE, Last, Partial, RowPart, Tile, Tiles
from schemas.contract import Contracts
from schemas.feature_set import Feature, FeatureSet, StateField
from schemas.feature_where import Condition
from schemas.values import ValueType, plain_form

__all__ = ["FeatureProgram"]

_Get: TypeAlias = Callable[[Any], Any]
_StateStep: TypeAlias = Callable[[Any, dict[int, Last], Moment], None]
_TileStep: TypeAlias = Callable[[Any, Tiles, Moment], None]


class _EntityProgram(NamedTuple):
    """What an event type changes in one entity; `partials` are shared by all event types.

    `tiles` are grouped by the length of the tile in minutes.
    """

    key: _Get
    partials: dict[str, Partial]
    state: tuple[_StateStep, ...]
    tiles: tuple[tuple[int, tuple[_TileStep, ...]], ...]


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
            for step in state:
                step(record, partial.state, moment)
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
        getters = _Getters(self._contracts, event_type, self._now)
        compiled = (
            _compile_set(each, partials, event_type, getters)
            for each, partials in zip(self._sets, self._partials, strict=True)
        )
        return tuple(program for program in compiled if program is not None)


def _add_to_tiles(
    record: Any,
    held: dict[int, Tiles],
    groups: Iterable[tuple[int, tuple[_TileStep, ...]]],
    minute: int,
    moment: Moment,
) -> None:
    for length, steps in groups:
        start = minute - minute % length
        tiles = held.get(start)
        if tiles is None:
            tiles = held[start] = {}
        for step in steps:
            step(record, tiles, moment)
        if not tiles:
            del held[start]


class _Getters:
    """Makes functions that read paths of the records of one event type.

    `now` holds the event time of the record at hand, in microseconds: cheaper than its datetime.
    """

    def __init__(self, contracts: Contracts, event_type: str, now: list[int]) -> None:
        self._contracts = contracts
        self._event_type = event_type
        self._now = now

    def plain(self, path: str) -> _Get:
        """Return what reads the plain value at a path, None where there is none."""
        if path == "event_type":
            return _constant(self._event_type)
        field = self._contracts.field(self._event_type, path)
        if path == "event_timestamp" and field.kind == "timestamp-micros":
            return _first_of(self._now)
        get = operator.attrgetter(path)
        form = plain_form(ValueType(field.kind, field.scale))
        # event_details is always there; a record below it may be null.
        deep = path.count(".") > 1
        return get if form is None and not deep else _formed(get, form or _same)

    def tests(self, where: Iterable[Condition]) -> list[tuple[_Get, frozenset[Any]]]:
        """Return the conditions as pairs of a getter and the values it may return."""
        return [(self.plain(each.path), frozenset(each.values)) for each in where]


def _compile_set(
    each: FeatureSet, partials: dict[str, Partial], event_type: str, getters: _Getters
) -> _EntityProgram | None:
    state = [_state_step(f, getters) for f in each.state if event_type in f.event_types]
    features = [f for f in each.features if event_type in f.event_types]
    if not state and not features:
        return None
    groups: dict[int, list[_TileStep]] = {}
    for feature in features:
        groups.setdefault(feature.tile // MINUTE, []).append(_tile_step(feature, getters))
    tiles = tuple((length, tuple(steps)) for length, steps in groups.items())
    return _EntityProgram(getters.plain(each.key), partials, tuple(state), tiles)


def _same(value: Any) -> Any:
    return value


def _constant(value: Any) -> _Get:
    return lambda _record: value


def _first_of(box: list[int]) -> _Get:
    return lambda _record: box[0]


def _formed(get: _Get, form: _Get) -> _Get:
    def formed(record: Any) -> Any:
        try:
            value = get(record)
        except AttributeError:
            return None
        return None if value is None else form(value)

    return formed


def _guarded(step: Any, tests: list[tuple[_Get, frozenset[Any]]]) -> Any:
    """Return a step that is only taken where all conditions hold."""
    for get, allowed in tests:
        step = _guarded_once(step, get, allowed)
    return step


def _guarded_once(step: Any, get: _Get, allowed: frozenset[Any]) -> Any:
    def guarded(record: Any, held: Any, moment: Moment) -> None:
        if get(record) in allowed:
            step(record, held, moment)

    return guarded


def _state_step(field: StateField, getters: _Getters) -> _StateStep:
    slot, get = field.slot, getters.plain(field.field)

    def step(record: Any, state: dict[int, Last], moment: Moment) -> None:
        held = state.get(slot)
        # The time decides nearly always: no pair has to be made for it.
        if held is None or moment[0] > held.event_ms or moment >= (held.event_ms, held.event_id):
            value = get(record)
            if value is not None:
                state[slot] = Last(*moment, value)

    guarded: _StateStep = _guarded(step, getters.tests(field.where))
    return guarded


def _tile_step(feature: Feature, getters: _Getters) -> _TileStep:
    by = AGGREGATIONS[feature.aggregate]
    if feature.field is None:
        step = _count_step(feature.slot)
    else:
        step = _value_step(feature.slot, getters.plain(feature.field), by.first, by.add)
    guarded: _TileStep = _guarded(step, getters.tests(feature.where))
    return guarded


def _count_step(slot: int) -> _TileStep:
    def step(_record: Any, tiles: Tiles, _moment: Moment) -> None:
        held = tiles.get(slot)
        if held is None:
            tiles[slot] = Tile(1, None)
        else:
            held.n += 1

    return step


def _value_step(
    slot: int,
    get: _Get,
    first: Callable[[Any, Moment], Any],
    add: Callable[[Any, Any, Moment], Any],
) -> _TileStep:
    def step(record: Any, tiles: Tiles, moment: Moment) -> None:
        value = get(record)
        if value is None:
            return
        held = tiles.get(slot)
        if held is None:
            tiles[slot] = Tile(1, first(value, moment))
        else:
            held.n += 1
            held.kept = add(held.kept, value, moment)

    return step
