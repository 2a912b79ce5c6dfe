"""Feature sets compiled: what one event of a type changes, without a look at what it cannot change.

Plain logic without Beam. Everything that depends on the declaration alone is decided once per
process and event type.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from schemas.changes import MINUTE, RowPart
from schemas.contract import Contracts
from schemas.coverage import Coverage
from schemas.feature_set import Feature, FeatureSet, StateField
from transforms.record_fields import RecordFields
from transforms.row_fold import HEAD, KeptEvent, RowFold

__all__ = ["FeatureProgram", "feature_paths"]


class _Program(NamedTuple):
    """All that an event type changes.

    `keys`: for each entity that it changes, the place of its id, and the rows collected of it.
    """

    number: int
    event_type: str
    get: Callable[[Any], tuple[Any, ...]]
    keys: tuple[tuple[int, dict[Any, list[KeptEvent]]], ...]


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
        self._sets = list(sets)
        self._rows: list[dict[Any, list[KeptEvent]]] = [{} for _ in self._sets]
        self._folds = [RowFold(each, contracts.types, state_span) for each in self._sets]
        self._programs: dict[type, _Program] = {}
        self._arrived = 0
        self._any_late = False

    def add(self, record: Any, event_time: int, late: bool) -> None:
        """Add what one event changes; a late event changes last values only.

        `event_time` is in microseconds.
        """
        kind = type(record)
        program = self._programs.get(kind)
        if program is None:
            program = self._programs[kind] = self._compile(kind.__struct_config__.tag)
        number, event_type, get, keys = program
        self._any_late |= late
        self._arrived += 1
        minute = None if late else event_time // MINUTE
        arrived = self._arrived
        head = (
            event_time // 1_000,
            record.event_id,
            arrived,
            minute,
            number,
            event_type,
            event_time,
        )
        event = head + get(record)
        for place, rows in keys:
            entity_id = event[place]
            if entity_id is not None:
                events = rows.get(entity_id)
                if events is None:
                    rows[entity_id] = [event]
                else:
                    events.append(event)

    def take(self) -> Iterator[RowPart]:
        """Yield what was collected, row by row, and forget it."""
        for fold, rows in zip(self._folds, self._rows, strict=True):
            while rows:
                entity_id, events = rows.popitem()
                part = fold.part(str(entity_id), events, self._any_late)
                if part.state or part.tiles:
                    yield part
        self._any_late = False

    def clear(self) -> None:
        """Forget what was collected."""
        for rows in self._rows:
            rows.clear()
        self._any_late = False

    def _compile(self, event_type: str) -> _Program:
        paths = feature_paths(self._sets, event_type)
        fields = RecordFields(self._contracts, event_type, paths)
        keys = tuple(
            (HEAD + fields.index[each.key], rows)
            for each, rows, fold in zip(self._sets, self._rows, self._folds, strict=True)
            if fold.add_type(event_type, fields)
        )
        return _Program(len(self._programs), event_type, fields.get, keys)


def feature_paths(sets: Iterable[FeatureSet], event_type: str) -> set[str]:
    """Return all paths that the features of an event type read.

    Of the envelope they are those of all event types, so that a value has one place for all.
    """
    paths: set[str] = set()
    for each in sets:
        own: list[StateField | Feature] = [*each.state, *each.features]
        for field in own:
            read = {each.key, field.field or each.key, *(test.path for test in field.where)}
            applies = event_type in field.event_types
            paths.update(path for path in read if applies or "." not in path)
    return paths
