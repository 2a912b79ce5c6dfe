"""Checks a contract as a whole: that what is derived from it can be, and that its values fit."""

import msgspec

from schemas.avro_types import Place
from schemas.field_types import FieldType, depth
from schemas.record_types import value_type

__all__ = ["MAX_DEPTH", "check_details", "check_envelope"]

MAX_DEPTH = 64
"""The deepest nesting of objects and arrays in an event, its own braces included."""

_ENVELOPE: dict[str, tuple[str, bool]] = {
    "event_id": ("string", False),
    "event_type": ("string", False),
    "user_id": ("string", True),
    "session_id": ("string", True),
    "event_timestamp": ("timestamp-micros", False),
    "source_system": ("string", True),
}
_PERSONAL = ("user_id", "session_id")


_MOST_FIELDS = 10_000
"""What a table of BigQuery has columns for."""


def check_details(details: FieldType, place: Place) -> None:
    """Raise `ContractError` where the fields of an event type do not fit together."""
    if _count(details, {}) > _MOST_FIELDS:
        remedy = "use a named record less often"
        place.refuse(f"more than {_MOST_FIELDS} fields, each use of a record counted", remedy)
    if depth(details) >= MAX_DEPTH:
        place.refuse(f"fields nest deeper than {MAX_DEPTH} in an event", "flatten them")
    _check_fields(details, place)


def check_envelope(record: FieldType, place: Place) -> None:
    """Raise `ContractError` where the envelope is another than the suite's."""
    for name in record.fields.keys() ^ _ENVELOPE.keys():
        has = "holds" if name in record.fields else "lacks"
        remedy = "the envelope's fields are fixed; others go into event_details"
        place.inside(name).refuse(f"the envelope {has} this field", remedy)
    for name, (kind, may_be_null) in _ENVELOPE.items():
        _check_envelope_field(record.fields[name], kind, may_be_null, place.inside(name))
    for name in _ENVELOPE.keys() - set(_PERSONAL):
        if record.fields[name].pii is not None:
            place.inside(name).refuse("pii is not possible here", "only user_id, session_id")


def _count(field: FieldType, known: dict[int, int]) -> int:
    """Return how many fields there are; one walk over each record, however often it is used."""
    found = known.get(id(field))
    if found is None:
        inside = [*field.fields.values(), *([field.items] if field.items else [])]
        found = known[id(field)] = 1 + sum(_count(each, known) for each in inside)
    return found


def _check_envelope_field(field: FieldType, kind: str, may_be_null: bool, place: Place) -> None:
    if field.kind != kind or (field.nullable and not may_be_null):
        null = " or null" if may_be_null else ""
        place.refuse("a type that the envelope cannot have", f"use {kind}{null}")
    if field.default is not None:
        place.refuse("a default in the envelope", "remove it; null is possible where allowed")


def _check_fields(field: FieldType, place: Place) -> None:
    for name, child in field.fields.items():
        _check_values(child, place.inside(name))
        _check_fields(child, place.inside(name))
    if field.items is not None:
        _check_fields(field.items, place)


def _check_values(field: FieldType, place: Place) -> None:
    lower, upper = field.minimum, field.maximum
    if lower is not None and upper is not None and lower > upper:
        place.refuse("minimum is above maximum", "exchange them")
    given = [("default", field.default)] if field.default is not None else []
    given += [("an example", example) for example in field.examples]
    for label, value in given:
        _check_value(field, label, value, place)


def _check_value(field: FieldType, label: str, value: object, place: Place) -> None:
    try:
        msgspec.json.decode(msgspec.json.encode(value), type=value_type(field))
    except msgspec.ValidationError as error:
        remedy = "write it as it stands in the JSON event"
        place.refuse(f"{label} does not fit ({error})", remedy)
