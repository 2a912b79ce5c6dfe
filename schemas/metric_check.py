"""Metrics against contracts: which events they measure, and whether each measure can work.

Every problem is a `DeclarationError` that names what is wrong and the remedy.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from schemas.contract_set import Contract, Contracts
from schemas.declaration_error import DeclarationError
from schemas.declaration_fields import EVENT_TYPE, Finder, common_type, event_types
from schemas.declaration_where import Condition, condition
from schemas.field_types import FieldType
from schemas.metric import AGE_MS, EVENTS, REJECTS, Dimension, Measure
from schemas.rejected import Reason
from schemas.values import Plain, ValueType

__all__ = [
    "MetricScope",
    "check_columns",
    "dimension_of",
    "filled_key",
    "measure_scope",
    "measured_fields",
    "metric_scope",
    "result_type",
]

MEASURES = ("count", "sum", "min", "max", "approx_distinct", "ratio")
COLUMNS = (
    "window",
    "window_start",
    "window_end",
    "event_count",
    "pane_index",
    "timing",
    "generation",
    "insert_id",
)

_NUMBERS = ("long", "double", "decimal")
_SUMMABLE = ("long", "decimal")
# What BigQuery can group and cluster by, and what has one form of bytes.
_KEYS = ("string", "long", "boolean", "date", "timestamp-millis", "timestamp-micros", "decimal")
_FILLED = ("string", "long", "boolean", "decimal")


class MetricScope(NamedTuple):
    """The event types that a `where` leaves, and its conditions."""

    event_types: tuple[str, ...]
    where: tuple[Condition, ...]


def measured_fields(source: str, contracts: Contracts) -> Contracts:
    """Return what paths of a metric are looked up in: the contracts and the fields beside them."""
    if source == EVENTS:
        age = FieldType(kind="long", nullable=True, doc="Publish time less event time in ms.")
        fields = {**contracts.envelope.fields, AGE_MS: age}
        return Contracts(
            contracts.types, msgspec.structs.replace(contracts.envelope, fields=fields)
        )
    if source == REJECTS:
        symbols = tuple(reason.value for reason in Reason)
        fields = {
            "reason": FieldType(kind="enum", symbols=symbols),
            "step": FieldType(kind="string"),
        }
        return Contracts({REJECTS: Contract(REJECTS, "", "", {})}, Contract("", "", "", fields))
    msg = f"source '{source}' is unknown; use {EVENTS} or {REJECTS}"
    raise DeclarationError(msg)


def metric_scope(contracts: Contracts, where: Mapping[str, object]) -> MetricScope:
    """Return the events that a metric is about: their type has all fields of its `where`."""
    return _scope(contracts, Finder(contracts, _named_types(contracts, where)), where)


def measure_scope(
    contracts: Contracts,
    among: Iterable[str],
    field: str | None,
    where: Mapping[str, object],
) -> tuple[MetricScope, ValueType | None]:
    """Return which of a metric's events can contribute to a measure, and the type of its field."""
    possible = {*_named_types(contracts, where)} & {*among}
    if not possible:
        msg = "where names no event type that the metric is about; name one, or widen the metric's"
        raise DeclarationError(msg)
    finder = Finder(contracts, possible)
    fields = finder.narrow(field, "field") if field is not None else {}
    scope = _scope(contracts, finder, where)
    reachable = {name: found for name, found in fields.items() if name in scope.event_types}
    return scope, common_type(field, reachable) if field is not None else None


def dimension_of(contracts: Contracts, among: Iterable[str], name: str, path: str) -> Dimension:
    """Return a dimension that at least one of the event types has; it is null of the others."""
    value = common_type(path, Finder(contracts, among).narrow(path, "dimension"))
    if value.kind not in _KEYS:
        msg = f"dimension '{path}' is a {value.kind}; tables are not grouped by that: use another"
        raise DeclarationError(msg)
    return Dimension(name, path, value)


def result_type(measure: str, field: str | None, value: ValueType | None) -> ValueType:
    """Return the type of a measure, or refuse one that does not exist or that cannot be."""
    if measure not in MEASURES:
        msg = f"measure '{measure}' is unknown; use one of {', '.join(MEASURES)}"
        raise DeclarationError(msg)
    if value is None:
        if measure not in ("count", "ratio"):
            msg = f"{measure} needs a field; add `field: event_details.<name>`"
            raise DeclarationError(msg)
        return ValueType("double" if measure == "ratio" else "long")
    if measure == "sum" and value.kind not in _SUMMABLE:
        msg = (
            f"sum of '{field}', which is a {value.kind}; sum only integers (money in minor units)"
            " and decimals"
        )
        raise DeclarationError(msg)
    return ValueType("long") if measure in ("count", "approx_distinct") else value


def check_columns(dimensions: Iterable[Dimension], measures: Iterable[Measure]) -> None:
    """Refuse names that the tables of a metric have no room for, and ratios of what is no number.

    BigQuery takes names that differ in case only for the same column.
    """
    by_name = {each.name: each for each in measures}
    names = [each.name for each in dimensions]
    for measure in by_name.values():
        names.append(measure.name)
        names += [f"{measure.name}_theta"] if measure.measure == "approx_distinct" else []
    seen: dict[str, str] = dict.fromkeys(COLUMNS, "")
    for name in names:
        other = seen.get(name.lower())
        if other is not None:
            clash = f"is in the way of '{other}'" if other else "is a column of every metric"
            msg = f"name '{name}' {clash}; rename it"
            raise DeclarationError(msg)
        seen[name.lower()] = name
    for measure in by_name.values():
        _check_ratio(measure, by_name)


def filled_key(
    contracts: Contracts,
    among: Iterable[str],
    dimensions: Iterable[Dimension],
    entry: Mapping[str, Any],
) -> tuple[Plain | None, ...]:
    """Return the key that an entry of `fill: {zero: [...]}` names."""
    expected = {each.name: each for each in dimensions}
    if expected.keys() != entry.keys():
        told = ", ".join(expected) or "none, as the metric has no dimensions"
        msg = f"fill names {', '.join(entry) or 'no dimension'}; give a value of each: {told}"
        raise DeclarationError(msg)
    finder = Finder(contracts, among)
    return tuple(_filled(finder, each, entry[name]) for name, each in expected.items())


def _filled(finder: Finder, dimension: Dimension, value: object) -> Plain | None:
    if value is None:
        return None
    if dimension.value.kind not in _FILLED or isinstance(value, list):
        kinds = ", ".join(_FILLED)
        msg = f"fill of '{dimension.name}': give one value of a dimension that is one of {kinds}"
        raise DeclarationError(msg)
    if dimension.path == EVENT_TYPE and value not in [*finder.event_types]:
        msg = f"fill '{EVENT_TYPE}' can never be {value!r}: no event of it is in the metric"
        raise DeclarationError(msg)
    fields = finder.known(dimension.path, "dimension")
    return condition(dimension.path, value, fields, "fill").values[0]


def _check_ratio(measure: Measure, by_name: Mapping[str, Measure]) -> None:
    for name in measure.of:
        part = by_name.get(name)
        if part is None:
            known = ", ".join(each.name for each in by_name.values() if not each.of) or "none"
            msg = f"ratio '{measure.name}' is of '{name}', which is no measure here; there: {known}"
            raise DeclarationError(msg)
        if part.of or part.value.kind not in _NUMBERS:
            kind = "a ratio" if part.of else f"a {part.value.kind}"
            msg = f"ratio '{measure.name}' is of '{name}', which is {kind}; name measured numbers"
            raise DeclarationError(msg)


def _named_types(contracts: Contracts, where: Mapping[str, object]) -> list[str]:
    if EVENT_TYPE in where and EVENT_TYPE not in contracts.envelope.fields:
        Finder(contracts, contracts.types).narrow(EVENT_TYPE, "where")
    return event_types(contracts, where)


def _scope(contracts: Contracts, finder: Finder, where: Mapping[str, object]) -> MetricScope:
    tests = {path: finder.narrow(path, "where") for path in where if path != EVENT_TYPE}
    conditions = tuple(condition(path, where[path], fields) for path, fields in tests.items())
    return MetricScope(tuple(sorted(finder.event_types)), conditions)
