"""Conditions of declarations: what `where` may compare a field with, in plain values."""

import decimal
import math
import re
import uuid
from collections.abc import Callable, Mapping

import msgspec

from schemas.declaration_error import DeclarationError
from schemas.field_types import FieldType
from schemas.values import INT64_MAX, INT64_MIN, Plain

__all__ = ["LONE_SURROGATE", "Condition", "condition", "listed"]

LONE_SURROGATE = re.compile("[\\ud800-\\udfff]")


class Condition(msgspec.Struct, frozen=True):
    """One `where`: the plain value at `path` must be one of `values`."""

    path: str
    values: tuple[Plain, ...]


def condition(
    path: str, wanted: object, fields: Mapping[str, FieldType], role: str = "where"
) -> Condition:
    """Return the condition that a path has one of the wanted values.

    `fields` are the types of the path by event type. A value that none of them can have is refused;
    `role` says in the message what the values are for.
    """
    values = listed(path, wanted)
    for name, field in fields.items():
        if field.pii:
            msg = f"{role} '{path}' of {name} is personal; compare another field"
            raise DeclarationError(msg)
    kept: dict[Plain, None] = {}
    for value in values:
        forms = [
            form for field in fields.values() if (form := _comparable(value, field)) is not None
        ]
        if not forms:
            raise DeclarationError(_impossible(role, path, value, fields))
        kept.update(dict.fromkeys(forms))
    return Condition(path, tuple(kept))


def listed(path: str, wanted: object) -> list[object]:
    """Return the values of a `where`, which may be one value or a list."""
    values = wanted if isinstance(wanted, list) else [wanted]
    if not values:
        msg = f"where '{path}' lists no value; give one or more"
        raise DeclarationError(msg)
    if any(isinstance(value, (list, dict, set)) for value in values):
        msg = f"where '{path}' compares with a list in a list, or a map; give one value or a list"
        raise DeclarationError(msg)
    return values


def _impossible(role: str, path: str, value: object, fields: Mapping[str, FieldType]) -> str:
    kinds = sorted({field.kind for field in fields.values()})
    symbols = sorted({symbol for field in fields.values() for symbol in field.symbols})
    allowed = f"one of {', '.join(symbols)}" if symbols else " or ".join(kinds)
    quote = "; quote it" if not isinstance(value, str) and {"string", "enum"} & {*kinds} else ""
    return f"{role} '{path}' can never be {value!r}: it is {allowed}{quote}"


def _comparable(value: object, field: FieldType) -> Plain | None:
    """Return the plain form of a value that a field of this type can have, else None."""
    test = _COMPARABLE.get(field.kind)
    return None if test is None else test(value, field)


def _text(value: object, field: FieldType) -> Plain | None:
    return value if isinstance(value, str) and LONE_SURROGATE.search(value) is None else None


def _uuid(value: object, field: FieldType) -> Plain | None:
    try:
        return str(uuid.UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _symbol(value: object, field: FieldType) -> Plain | None:
    return value if isinstance(value, str) and value in (field.symbols) else None


def _integer(value: object, field: FieldType) -> Plain | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if INT64_MIN <= value <= INT64_MAX else None


def _boolean(value: object, field: FieldType) -> Plain | None:
    return value if isinstance(value, bool) else None


def _double(value: object, field: FieldType) -> Plain | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value) + 0.0
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _decimal(value: object, field: FieldType) -> Plain | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        scaled = decimal.Decimal(str(value)).scaleb(field.scale)
    except (decimal.InvalidOperation, decimal.Overflow):
        return None
    if not scaled.is_finite() or scaled.adjusted() >= field.precision:
        return None
    return int(scaled) if scaled == scaled.to_integral_value() else None


_COMPARABLE: dict[str, Callable[[object, FieldType], Plain | None]] = {
    "string": _text,
    "uuid": _uuid,
    "enum": _symbol,
    "int": _integer,
    "long": _integer,
    "boolean": _boolean,
    "float": _double,
    "double": _double,
    "decimal": _decimal,
}
