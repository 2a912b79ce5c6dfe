"""Brings decoded values into the one form that equal values share.

Decimals get their contract's scale, a float's minus zero becomes zero, a timestamp becomes UTC.
Event types without such fields need nothing, so this is compiled per type.
"""

from collections.abc import Callable
from datetime import timezone
from decimal import Context, Decimal, Inexact, InvalidOperation
from operator import attrgetter
from typing import Any

from schemas.field_types import FieldType
from schemas.refusal import UnusableError
from schemas.rejected import Reason

__all__ = ["Normalise", "compile_normaliser"]

Normalise = Callable[[Any], Any]


def compile_normaliser(field: FieldType, path: str) -> Normalise | None:
    """Return a function of a decoded value, None where all values are in their form as decoded.

    It changes records, lists and maps in place, returns the value, and raises `UnusableError` where
    a number or a time is beyond what its field can hold.
    """
    bare = _compile(field, path)
    if bare is None or not field.nullable:
        return bare
    return lambda value: None if value is None else bare(value)


def _compile(field: FieldType, path: str) -> Normalise | None:
    if field.kind == "record":
        return _record(field, path)
    if field.items is not None:
        return _items(field.items, f"{path}[]")
    if field.kind in ("float", "double"):
        return _float
    if field.kind == "decimal":
        return _decimal(field, path)
    return _timestamp(path) if field.kind.startswith("timestamp") else None


def _record(field: FieldType, path: str) -> Normalise | None:
    inside = f"{path}." if path else ""
    compiled = {name: _compile(each, inside + name) for name, each in field.fields.items()}
    floats = [name for name, step in compiled.items() if step is _float]
    steps = [(name, step) for name, step in compiled.items() if step and step is not _float]
    if not floats:
        return _each_field(steps) if steps else None
    # Zero alone can have a minus: to look for one costs a fifth of going through the fields.
    read, settle = attrgetter(*floats, floats[0]), _each_field([(name, _float) for name in floats])
    rest = _each_field(steps) if steps else None

    def normalise(record: Any) -> Any:
        if 0.0 in read(record):
            settle(record)
        return record if rest is None else rest(record)

    return normalise


def _each_field(steps: list[tuple[str, Normalise]]) -> Normalise:
    def normalise(record: Any) -> Any:
        for name, step in steps:
            value = getattr(record, name)
            if value is not None and (settled := step(value)) is not value:
                setattr(record, name, settled)
        return record

    return normalise


def _items(items: FieldType, path: str) -> Normalise | None:
    step = compile_normaliser(items, path)
    if step is None:
        return None

    def normalise(values: Any) -> Any:
        for key in values if isinstance(values, dict) else range(len(values)):
            values[key] = step(values[key])
        return values

    return normalise


def _float(value: float) -> float:
    return value or 0.0


def _decimal(field: FieldType, path: str) -> Normalise:
    unit = Decimal((0, (1,), -field.scale))
    context = Context(prec=field.precision, traps=[InvalidOperation, Inexact])
    quantize = context.quantize
    too_fine = f"more than {field.scale} decimal places"
    too_large = f"more than {field.precision} digits at scale {field.scale}"

    def normalise(value: Decimal) -> Decimal:
        if not value.is_finite():
            raise UnusableError(Reason.NUMBER_OUT_OF_RANGE, path, "not a number")
        try:
            settled = quantize(value, unit)
            # Of zero alone there is one with a minus, too.
            return settled or context.plus(settled)
        except Inexact:
            raise UnusableError(Reason.BAD_VALUE, path, too_fine) from None
        except InvalidOperation:
            raise UnusableError(Reason.NUMBER_OUT_OF_RANGE, path, too_large) from None

    return normalise


def _timestamp(path: str) -> Normalise:
    def normalise(value: Any) -> Any:
        if value.tzinfo is timezone.utc:
            return value
        try:
            return value.astimezone(timezone.utc)
        except OverflowError:
            raise UnusableError(Reason.BAD_TIMESTAMP, path, "no such time in UTC") from None

    return normalise
