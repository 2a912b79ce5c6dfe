"""Reads all fields that features need of a decoded record at once, compiled once per event type."""

import itertools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from schemas.contract import Contracts
from schemas.declaration_where import Condition
from schemas.values import ValueType, plain_form

__all__ = ["EVENT_ID", "RecordColumns", "RecordFields", "Tests", "passes"]

Tests: TypeAlias = tuple[tuple[int, frozenset[Any]], ...]
"""Conditions: the value at an index has to be in the set."""

EVENT_ID = 2
"""Index of the event id among the values of every event type."""

_Get: TypeAlias = Callable[[Any], Any]

_NOTHING = itertools.repeat(None)


class RecordFields:
    """The plain values of some paths in the records of one event type, as one tuple.

    `get` returns what `read` does of a record, without its type and time, which are the first two.

    Args:
        contracts: of all event types.
        event_type: whose records are read.
        paths: what to read; `index` tells where each one is in the tuple. Values before `shared`
            have the same places for all event types whose paths have the same envelope fields.
    """

    def __init__(self, contracts: Contracts, event_type: str, paths: Iterable[str]) -> None:
        self._event_type = event_type
        direct, made = [], {}
        for path in sorted(set(paths) - {"event_type", "event_timestamp", "event_id"}):
            get = _special(contracts, event_type, path)
            if get is None:
                direct.append(path)
            else:
                made[path] = get
        direct.sort(key=_is_of_details)
        # Two names at least, so that what is got is a tuple.
        self._direct = operator.attrgetter("event_id", "event_id", *direct)
        self._made = tuple(made.values())
        self.get: Callable[[Any], tuple[Any, ...]] = self._with_made if made else self._direct
        layout = ["event_type", "event_timestamp", "event_id", "event_id", *direct, *made]
        self.shared = len(layout) - len(made) - sum(map(_is_of_details, direct))
        self.index = {path: layout.index(path) for path in layout}

    def read(self, record: Any, event_time: int) -> tuple[Any, ...]:
        """Return the values of a record, None where there is none; `event_time` in microseconds."""
        # To unpack one tuple into another takes longer than to add two.
        return (self._event_type, event_time) + self.get(record)  # noqa: RUF005

    def _with_made(self, record: Any) -> tuple[Any, ...]:
        return (*self._direct(record), *[get(record) for get in self._made])

    def tests(self, where: Iterable[Condition]) -> Tests:
        """Return the conditions; that of the event type is settled by whose fields these are."""
        return tuple(
            (self.index[each.path], frozenset(each.values))
            for each in where
            if each.path != "event_type"
        )


class RecordColumns:
    """The plain values of some paths in many records of one event type, as a column for each.

    Args:
        contracts: of all event types.
        event_type: whose records are read.
        paths: what to read; below `event_details` or of the envelope, its type and time left out.
        columns: what `read` returns, in that order; what is no path has None without end.
    """

    def __init__(
        self, contracts: Contracts, event_type: str, paths: Iterable[str], columns: Sequence[str]
    ) -> None:
        special = {path: _special(contracts, event_type, path) for path in paths}
        direct = [path for path, get in special.items() if get is None]
        self._made = [get for get in special.values() if get is not None]
        # Two names at least, so that what is got is a tuple.
        self._direct = operator.attrgetter("event_id", "event_id", *direct)
        found = ["event_id", "", *direct, *(path for path, get in special.items() if get)]
        nothing = len(found)
        places = [found.index(path) if path in special else nothing for path in columns]
        # The id twice, so that it is a tuple here too.
        self._arranged = operator.itemgetter(0, 0, *places)

    def read(self, records: Sequence[Any]) -> Sequence[Iterable[Any]]:
        """Return the event ids twice, and then the columns, of one record at least."""
        direct = zip(*map(self._direct, records), strict=True)
        columns: Sequence[Iterable[Any]] = self._arranged(
            (*direct, *[map(get, records) for get in self._made], _NOTHING)
        )
        return columns


def passes(values: Sequence[Any], tests: Tests) -> bool:
    """Return whether all conditions hold.

    >>> passes(("login", 5), ((1, frozenset([4, 5])),))
    True
    """
    # A loop takes half the time of `all` with a generator.
    for index, allowed in tests:  # noqa: SIM110
        if values[index] not in allowed:
            return False
    return True


def _is_of_details(path: str) -> bool:
    return "." in path


def _special(contracts: Contracts, event_type: str, path: str) -> _Get | None:
    """Return what reads a path that takes more than to follow it."""
    field = contracts.field(event_type, path)
    form = plain_form(ValueType(field.kind, field.scale))
    # event_details is always there; a record below it may be null.
    if form is None and path.count(".") < 2:
        return None
    return _formed(operator.attrgetter(path), form or _same)


def _same(value: Any) -> Any:
    return value


def _formed(get: _Get, form: _Get) -> _Get:
    def formed(record: Any) -> Any:
        try:
            value = get(record)
        except AttributeError:
            return None
        return None if value is None else form(value)

    return formed
