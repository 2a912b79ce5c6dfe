"""Values of contracts in BigQuery's JSON form: what load jobs and insertAll take for a column.

Mostly it is the form that `msgspec` writes by itself, so nothing has to be done. It is not where
BigQuery lacks the type: a map, a list in a list, a null in a list, an integer that readers of JSON
round, a decimal that Python writes with an exponent. So what has to be done is compiled per type.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from schemas.bigquery_schema import has_column
from schemas.field_types import FieldType

__all__ = ["Prepare", "compile_form", "encode_json"]

Prepare: TypeAlias = Callable[[Any], Any]

_EXACT = 2**53 - 1
_PLAIN_SCALE = 6
"""Up to this scale Python writes every decimal without an exponent."""

encode_json = msgspec.json.Encoder(decimal_format="string").encode
"""Writes what is in its form, without a line end."""


def compile_form(field: FieldType) -> Prepare | None:
    """Return what brings decoded values that are not null into their form; None: they are in it.

    It changes records and lists in place and returns the value. In a record what is null, and what
    has no column, is left out when it is encoded.

    >>> compile_form(FieldType(kind="map", items=FieldType(kind="int")))({"b": 1, "a": 2})
    [{'key': 'a', 'value': 2}, {'key': 'b', 'value': 1}]
    """
    if field.kind == "record":
        return _record(field.fields)
    if field.kind == "map":
        return _map(_items(field))
    if field.kind == "array":
        return _array(_items(field))
    if field.kind == "decimal":
        return _digits if field.scale > _PLAIN_SCALE else None
    return _exact if field.kind == "long" else None


def _record(fields: Mapping[str, FieldType]) -> Prepare | None:
    gone = [name for name, each in fields.items() if not has_column(each) and not _vanishes(each)]
    # What is null is left out where that is the default: here it is not.
    nulls = [name for name, each in fields.items() if each.nullable and each.default is not None]
    kept = {name: compile_form(each) for name, each in fields.items() if has_column(each)}
    steps = [(name, step) for name, step in kept.items() if step not in (None, _exact)]
    # Nearly all of them are in their form, so they are only looked at.
    longs = [name for name, step in kept.items() if step is _exact]

    def prepare(record: Any) -> Any:
        for name in longs:
            value = getattr(record, name)
            if value is not None and not -_EXACT <= value <= _EXACT:
                setattr(record, name, str(value))
        for name, step in steps:
            value = getattr(record, name)
            if value is not None:
                setattr(record, name, step(value))
        for name in nulls:
            if getattr(record, name) is None:
                setattr(record, name, msgspec.UNSET)
        for name in gone:
            setattr(record, name, msgspec.UNSET)
        return record

    return prepare if longs or steps or nulls or gone else None


def _vanishes(field: FieldType) -> bool:
    """Return whether a field without a column is left out anyhow: dropped, so null, its default."""
    return field.pii == "drop" and field.default is None


def _map(values: FieldType) -> Prepare:
    if has_column(values) and not values.nullable and compile_form(values) is None:
        return lambda entries: [{"key": key, "value": entries[key]} for key in sorted(entries)]
    member = _member(values)

    def prepare(entries: Mapping[str, Any]) -> list[dict[str, Any]]:
        # In the order of the keys, for that of the event means nothing.
        return [{"key": key, **member(entries[key])} for key in sorted(entries)]

    return prepare


def _array(items: FieldType) -> Prepare | None:
    # Such items stand in a record of their own.
    step = _member(items) if items.nullable or items.items is not None else compile_form(items)
    if step is None:
        return None
    return lambda values: [step(value) for value in values]


def _member(field: FieldType) -> Callable[[Any], dict[str, Any]]:
    """Return what puts a value under the name that it has in a record of its own."""
    step = compile_form(field) or _same
    if not has_column(field):
        return lambda value: {}
    return lambda value: {} if value is None else {"value": step(value)}


def _items(field: FieldType) -> FieldType:
    assert field.items is not None
    return field.items


def _exact(value: int) -> int | str:
    return value if -_EXACT <= value <= _EXACT else str(value)


def _digits(value: Decimal) -> str:
    return format(value, "f")


def _same(value: Any) -> Any:
    return value
