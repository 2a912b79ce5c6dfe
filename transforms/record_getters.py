"""Functions that read the fields of decoded records, made once per process and event type."""

import operator
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from schemas.contract import Contracts
from schemas.feature_where import Condition
from schemas.values import ValueType, plain_form

__all__ = ["Get", "Getters", "Tests"]

Get: TypeAlias = Callable[[Any], Any]
"""Record -> the plain value of one field, or None."""
Tests: TypeAlias = tuple[tuple[Get, frozenset[Any]], ...]
"""Conditions: what a getter returns has to be in the set."""


class Getters:
    """Makes functions that read paths of the records of one event type.

    `now` holds the event time of the record at hand, in microseconds: cheaper than its datetime.
    """

    def __init__(self, contracts: Contracts, event_type: str, now: list[int]) -> None:
        self._contracts = contracts
        self._event_type = event_type
        self._now = now

    def plain(self, path: str) -> Get:
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

    def tests(self, where: Iterable[Condition]) -> Tests:
        """Return the conditions; that of the event type is settled by whose getters these are."""
        return tuple(
            (self.plain(each.path), frozenset(each.values))
            for each in where
            if each.path != "event_type"
        )


def _same(value: Any) -> Any:
    return value


def _constant(value: Any) -> Get:
    return lambda _record: value


def _first_of(box: list[int]) -> Get:
    return lambda _record: box[0]


def _formed(get: Get, form: Get) -> Get:
    def formed(record: Any) -> Any:
        try:
            value = get(record)
        except AttributeError:
            return None
        return None if value is None else form(value)

    return formed
