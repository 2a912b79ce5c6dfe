"""Compiles what a contract declares personal into a function that changes it in place."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from schemas.field_types import FieldType

__all__ = ["Change", "Get", "Put", "asks", "compile_change"]

Change: TypeAlias = Callable[[Any], Any]
Get: TypeAlias = Callable[[Any, str], Any]
Put: TypeAlias = Callable[[Any, str, Any], None]


def asks(field: FieldType, pii: str) -> bool:
    """Return whether a field, or anything inside it, is declared so.

    Args:
        field: of a contract.
        pii: "pseudonymise" or "drop".
    """
    inside = [*field.fields.values(), *([field.items] if field.items else [])]
    return field.pii == pii or any(asks(child, pii) for child in inside)


def compile_change(field: FieldType, hide: Change, get: Get, put: Put) -> Change | None:
    """Return what changes a value of this type in place and returns it; None: nothing to change.

    Args:
        field: what a contract says of the value.
        hide: text -> its pseudonym.
        get: (record, name) -> value of its field.
        put: (record, name, value), sets it.
    """
    if field.pii == "drop":
        return _nothing
    if field.pii == "pseudonymise":
        return _on_strings(field, hide)
    if field.items is not None:
        return _on_items(compile_change(field.items, hide, get, put))
    compiled = {name: compile_change(each, hide, get, put) for name, each in field.fields.items()}
    return _on_fields({name: step for name, step in compiled.items() if step}, get, put)


def _nothing(_value: Any) -> None:
    return None


def _on_strings(field: FieldType, hide: Change) -> Change | None:
    return hide if field.items is None else _on_items(_on_strings(field.items, hide))


def _on_items(step: Change | None) -> Change | None:
    if step is None:
        return None

    def change(values: Any) -> Any:
        for key in values if isinstance(values, dict) else range(len(values)):
            if values[key] is not None:
                values[key] = step(values[key])
        return values

    return change


def _on_fields(steps: Mapping[str, Change], get: Get, put: Put) -> Change | None:
    pairs = list(steps.items())

    def change(record: Any) -> Any:
        for name, step in pairs:
            value = get(record, name)
            if value is not None:
                put(record, name, step(value))
        return record

    return change if pairs else None
