"""Feature sets compiled: what one event of a type changes, without a look at what it cannot change.

Plain logic without Beam. Everything that depends on the declaration alone is decided once per
process and event type.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from schemas.changes import MINUTE, RowPart
from schemas.contract import Contracts
from schemas.coverage import Coverage
from schemas.feature_set import Feature, FeatureSet, StateField
from schemas.times import MILLISECOND
from transforms.event_places import HEAD, EventPlaces, KeptEvent
from transforms.record_fields import RecordColumns
from transforms.row_fold import RowFold

__all__ = ["FeatureProgram", "feature_paths"]

_MOST_WAITING = 500
_NEVER = itertools.repeat(None)
_OF_HEAD = {"event_id", "event_type", "event_timestamp"}

_Waiting: TypeAlias = defaultdict[Any, list[tuple[Any, int, int]]]
_Type: TypeAlias = tuple[RecordColumns, Iterator[int], Iterator[str]]
_Rows: TypeAlias = defaultdict[Any, list[KeptEvent]]


class FeatureProgram:
    """Collects what records change, by entity and id, until it is taken.

    Events wait by type until there are some hundreds, are then read column by column and put to
    their rows; a row is made of all its events at once. To go back to each row with each event, or
    to events long after they came, takes longer: many of them do not fit a processor's cache.
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
        known = {name: feature_paths(self._sets, name) - _OF_HEAD for name in contracts.types}
        self._paths = sorted({path for paths in known.values() for path in paths})
        self._places = EventPlaces(self._paths, known)
        self._folds = [RowFold(each, self._places, state_span) for each in self._sets]
        self._types: dict[str, _Type] = {}
        self._keys = [self._places.of(each.key) for each in self._sets]
        self._rows: list[_Rows] = [defaultdict(list) for _ in self._sets]
        self._waiting: _Waiting = defaultdict(list)
        self._late: _Waiting = defaultdict(list)
        self._arrived = itertools.count()
        self._waits, self._any_late = 0, False

    def add(self, record: Any, event_time: int, late: bool) -> None:
        """Add what one event changes; a late event changes last values only.

        `event_time` is in microseconds.
        """
        waiting = self._late if late else self._waiting
        waiting[type(record)].append((record, event_time, next(self._arrived)))
        self._any_late |= late
        self._waits += 1
        if self._waits >= _MOST_WAITING:
            self._spread()

    def add_all(self, records: Sequence[Any], event_times: Iterable[int]) -> None:
        """Add what events change of which none is late; times are in microseconds."""
        waiting = self._waiting
        for event in zip(records, event_times, self._arrived, strict=False):
            waiting[type(event[0])].append(event)
        self._waits += len(records)
        if self._waits >= _MOST_WAITING:
            self._spread()

    def take(self) -> Iterator[RowPart]:
        """Yield what was collected, row by row, and forget it."""
        self._spread()
        for fold, rows in zip(self._folds, self._rows, strict=True):
            rows.pop(None, None)
            while rows:
                entity_id, events = rows.popitem()
                part = fold.part(str(entity_id), events, self._any_late)
                if part.state or part.tiles:
                    yield part
        self._any_late = False

    def clear(self) -> None:
        """Forget what was collected."""
        for waiting in (self._waiting, self._late, *self._rows):
            waiting.clear()
        self._waits, self._any_late = 0, False

    def _spread(self) -> None:
        """Put the events that wait to their rows."""
        for late, waiting in ((False, self._waiting), (True, self._late)):
            for kind, arrived in waiting.items():
                event_type = kind.__struct_config__.tag
                events = self._kept(event_type, arrived, late)
                for place, fold, rows in zip(self._keys, self._folds, self._rows, strict=True):
                    if fold.reads(event_type):
                        for event in events:
                            rows[event[place]].append(event)
            waiting.clear()
        self._waits = 0

    def _kept(
        self, event_type: str, arrived: Sequence[tuple[Any, int, int]], late: bool
    ) -> list[KeptEvent]:
        """Return what is kept of events of one type."""
        columns, number, name = self._types.get(event_type) or self._compiled(event_type)
        records, times, order = zip(*arrived, strict=True)
        ids, _, *values = columns.read(records)
        head = (
            [time // MILLISECOND for time in times],
            ids,
            order,
            _NEVER if late else [time // MINUTE for time in times],
            number,
            name,
            times,
        )
        assert len(head) == HEAD
        return [*zip(*head, *values, strict=False)]

    def _compiled(self, event_type: str) -> _Type:
        paths = sorted(self._places.read[event_type])
        columns = RecordColumns(self._contracts, event_type, paths, self._paths)
        number = itertools.repeat(self._places.numbers[event_type])
        compiled = self._types[event_type] = (columns, number, itertools.repeat(event_type))
        return compiled


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
