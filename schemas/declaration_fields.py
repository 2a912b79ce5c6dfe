"""Declarations against contracts: what a path is, and in which event types it is.

Every problem is a `DeclarationError` that names path and remedy.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from schemas.contract_set import Contracts
from schemas.declaration_error import DeclarationError
from schemas.declaration_where import listed
from schemas.field_types import FieldType
from schemas.values import ValueType

__all__ = ["EVENT_TYPE", "Finder", "common_type", "event_types"]

EVENT_TYPE = "event_type"
_MAX_PRECISION = 18

_FAMILIES = {
    "int": "long",
    "long": "long",
    "float": "double",
    "double": "double",
    "string": "string",
    "enum": "string",
    "uuid": "string",
}
_SCALARS = {
    *_FAMILIES,
    "boolean",
    "bytes",
    "date",
    "timestamp-millis",
    "timestamp-micros",
    "decimal",
}


class Finder:
    """Looks paths up in the contracts of the event types that are still possible: `event_types`."""

    def __init__(self, contracts: Contracts, event_types: Iterable[str]) -> None:
        self._contracts = contracts
        self.event_types = set(event_types)

    def narrow(self, path: str, role: str) -> dict[str, FieldType]:
        """Keep the event types that know a path; raise where none does."""
        found = {
            event_type: field
            for event_type in sorted(self.event_types)
            if (field := _field(self._contracts, event_type, path)) is not None
        }
        if not found:
            raise DeclarationError(self._unknown(path, role))
        self.event_types = set(found)
        return found

    def known(self, path: str, role: str) -> dict[str, FieldType]:
        """Return the types of a path where it is known; raise where it is nowhere."""
        return Finder(self._contracts, self.event_types).narrow(path, role)

    def _unknown(self, path: str, role: str) -> str:
        types = sorted(self.event_types)
        known = {known for name in types for known in _paths(self._contracts, name)}
        close = difflib.get_close_matches(path, known, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else "; correct the path or the contract"
        among = ", ".join(types[:3]) + (", ..." if len(types) > 3 else "")
        return f"{role} '{path}' is in no contract that it could apply to ({among}){hint}"


def event_types(contracts: Contracts, where: Mapping[str, object]) -> list[str]:
    """Return the event types that a `where` leaves possible by its `event_type`."""
    if EVENT_TYPE not in where:
        return list(contracts.types)
    wanted = listed(EVENT_TYPE, where[EVENT_TYPE])
    for name in wanted:
        if name not in contracts.types:
            known = ", ".join(sorted(contracts.types))
            msg = f"where names the event type {name!r}, which has no contract; known: {known}"
            raise DeclarationError(msg)
    return [str(name) for name in wanted]


def _field(contracts: Contracts, event_type: str, path: str) -> FieldType | None:
    try:
        found = contracts.field(event_type, path)
    except KeyError:
        return None
    parents = _parents(contracts, event_type, path)
    pii = next((parent.pii for parent in parents if parent.pii), found.pii)
    return msgspec.structs.replace(found, pii=pii)


def _parents(contracts: Contracts, event_type: str, path: str) -> Iterator[FieldType]:
    """Yield the records around a field: what is said of them holds for it too."""
    names = path.split(".")
    for length in range(2, len(names)):
        yield contracts.field(event_type, ".".join(names[:length]))


def common_type(path: str, fields: Mapping[str, FieldType]) -> ValueType:
    """Return the one type of a field in all contracts, or refuse."""
    types = {_value_type(path, name, field) for name, field in fields.items()}
    if len(types) > 1:
        kinds = ", ".join(f"{field.kind} in {name}" for name, field in sorted(fields.items())[:3])
        msg = f"field '{path}' has several types ({kinds}); restrict `where: {{event_type: ...}}`"
        raise DeclarationError(msg)
    return types.pop()


def _value_type(path: str, event_type: str, field: FieldType) -> ValueType:
    if field.pii == "drop":
        msg = f"field '{path}' of {event_type} is personal and dropped; use another field"
        raise DeclarationError(msg)
    if field.kind not in _SCALARS:
        msg = f"field '{path}' of {event_type} is of kind {field.kind}; name a single value in it"
        raise DeclarationError(msg)
    if field.kind == "decimal":
        return _decimal_type(path, event_type, field)
    return ValueType(_FAMILIES.get(field.kind, field.kind))


def _decimal_type(path: str, event_type: str, field: FieldType) -> ValueType:
    if field.precision > _MAX_PRECISION:
        msg = (
            f"field '{path}' of {event_type} is a decimal of precision {field.precision};"
            f" cells hold up to {_MAX_PRECISION} digits"
        )
        raise DeclarationError(msg)
    return ValueType("decimal", field.scale)


def _paths(contracts: Contracts, event_type: str) -> Iterator[str]:
    """Yield every path of an event type that holds a single value, for hints."""
    yield from contracts.envelope.fields
    yield from _scalars("event_details", contracts.types[event_type].fields)


def _scalars(prefix: str, fields: Mapping[str, FieldType]) -> Iterator[str]:
    for name, field in fields.items():
        if field.kind == "record":
            yield from _scalars(f"{prefix}.{name}", field.fields)
        elif field.kind in _SCALARS:
            yield f"{prefix}.{name}"
