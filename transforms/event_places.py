"""Where the values of an event stand once only those are left that features need."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from schemas.declaration_where import Condition
from schemas.feature_set import Feature, StateField
from transforms.record_fields import Tests

__all__ = ["HEAD", "MINUTE_PLACE", "TYPE_PLACE", "EventPlaces", "KeptEvent"]

KeptEvent: TypeAlias = tuple[Any, ...]
"""What is kept of an event until its rows are made: `HEAD` values, then those of all paths.

They are event time in ms, event id, arrival, minute, number of the event type, event type, and
event time in microseconds; the minute is None of a late event. A plain tuple sorts as it stands, by
time, by id, then by arrival; and the garbage collector looks at it once, as nothing in it refers to
anything else.
"""
HEAD = 7

MINUTE_PLACE, TYPE_PLACE = 3, 4
_PLACES = {"event_id": 1, "event_type": 5, "event_timestamp": 6}


class EventPlaces:
    """Where in a `KeptEvent` a path is, and what its event type is numbered.

    Args:
        paths: in the order of their values, which stand behind the `HEAD` ones.
        read: which of them are read of each event type; the value of any other is None.
    """

    def __init__(self, paths: Iterable[str], read: Mapping[str, set[str]]) -> None:
        self._of = {**_PLACES, **{path: place for place, path in enumerate(paths, HEAD)}}
        self.read = read
        self.numbers = {event_type: number for number, event_type in enumerate(read)}

    def of(self, path: str) -> int:
        """Return the place of a path."""
        return self._of[path]

    def tests(self, where: Iterable[Condition]) -> Tests:
        """Return the conditions; that of the event type is settled by whose steps these are."""
        return tuple(
            (self._of[each.path], frozenset(each.values))
            for each in where
            if each.path != "event_type"
        )

    def is_for_all(self, field: StateField | Feature) -> bool:
        """Return whether a field can be taken of events of all types without a look at the type."""
        given = set(field.event_types)
        absent = {name for name, paths in self.read.items() if field.field not in paths}
        if field.field is None or field.field in _PLACES:
            absent = set()
        return not self.tests(field.where) and given | absent >= self.read.keys()
