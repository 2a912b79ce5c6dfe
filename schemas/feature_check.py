"""Features against contracts: which event types a declaration applies to, and whether it can work.

Every problem is a `FeatureError` of one line: file, name, problem, remedy.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from schemas.contract import Contracts
from schemas.feature_error import FeatureError
from schemas.feature_where import Condition, condition, listed
from schemas.field_types import FieldType
from schemas.values import ValueType

__all__ = ["Scope", "check_aggregate", "check_key", "scope_of"]

EVENT_TYPE = "event_type"
MAX_PRECISION = 18
AGGREGATES = ("count", "sum", "min", "max", "approx_distinct", "last")

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
_SUMMABLE = ("long", "decimal")
_KEYS = ("string", "long")


class Scope(msgspec.Struct, frozen=True):
    """What a declaration applies to: event types by name, conditions, the type of its field."""

    event_types: tuple[str, ...]
    where: tuple[Condition, ...]
    value: ValueType | None


class _Finder:
    """Looks paths up in the contracts of the event types that are still possible."""

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
            raise FeatureError(self._unknown(path, role))
        self.event_types = set(found)
        return found

    def _unknown(self, path: str, role: str) -> str:
        types = sorted(self.event_types)
        known = {known for name in types for known in _paths(self._contracts, name)}
        close = difflib.get_close_matches(path, known, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else "; correct the path or the contract"
        among = ", ".join(types[:3]) + (", ..." if len(types) > 3 else "")
        return f"{role} '{path}' is in no contract that it could apply to ({among}){hint}"


def scope_of(
    contracts: Contracts, key: str, field: str | None, where: Mapping[str, object]
) -> Scope:
    """Return what a declaration applies to.

    Event types that lack one of the named fields are left out; `where: {event_type: ...}` restricts
    them further.

    Raises:
        FeatureError: a path is in no contract, personal, or of a kind that has no value here; or a
            condition can never be true.
    """
    finder = _Finder(contracts, _event_types(contracts, where))
    finder.narrow(key, "key")
    fields = finder.narrow(field, "field") if field is not None else {}
    tests = {path: finder.narrow(path, "where") for path in where if path != EVENT_TYPE}
    reachable = {name: found for name, found in fields.items() if name in finder.event_types}
    return Scope(
        tuple(sorted(finder.event_types)),
        tuple(condition(path, where[path], tests[path]) for path in tests),
        _common_type(field, reachable) if field is not None else None,
    )


def check_key(contracts: Contracts, key: str) -> None:
    """Refuse a key that does not name an entity in text or integers."""
    finder = _Finder(contracts, contracts.types)
    value = _common_type(key, finder.narrow(key, "key"))
    if value.kind not in _KEYS:
        msg = f"key '{key}' is a {value.kind}; an entity is named by a string or an integer field"
        raise FeatureError(msg)


def check_aggregate(aggregate: str, field: str | None, value: ValueType | None) -> None:
    """Refuse an aggregate that does not exist or that its field cannot have."""
    if aggregate not in AGGREGATES:
        msg = f"aggregate '{aggregate}' is unknown; use one of {', '.join(AGGREGATES)}"
        raise FeatureError(msg)
    if value is None:
        if aggregate != "count":
            msg = f"{aggregate} needs a field; add `field: event_details.<name>`"
            raise FeatureError(msg)
        return
    if aggregate == "sum" and value.kind not in _SUMMABLE:
        msg = (
            f"sum of '{field}', which is a {value.kind}; sum only integers (money in minor units)"
            " and decimals"
        )
        raise FeatureError(msg)


def _event_types(contracts: Contracts, where: Mapping[str, object]) -> list[str]:
    if EVENT_TYPE not in where:
        return list(contracts.types)
    wanted = listed(EVENT_TYPE, where[EVENT_TYPE])
    for name in wanted:
        if name not in contracts.types:
            known = ", ".join(sorted(contracts.types))
            msg = f"where names the event type {name!r}, which has no contract; known: {known}"
            raise FeatureError(msg)
    return [str(name) for name in wanted]


def _field(contracts: Contracts, event_type: str, path: str) -> FieldType | None:
    if path == EVENT_TYPE:
        return FieldType(kind="string")
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


def _common_type(path: str, fields: Mapping[str, FieldType]) -> ValueType:
    """Return the one type of a field in all contracts, or refuse."""
    types = {_value_type(path, name, field) for name, field in fields.items()}
    if len(types) > 1:
        kinds = ", ".join(f"{field.kind} in {name}" for name, field in sorted(fields.items())[:3])
        msg = f"field '{path}' has several types ({kinds}); restrict `where: {{event_type: ...}}`"
        raise FeatureError(msg)
    return types.pop()


def _value_type(path: str, event_type: str, field: FieldType) -> ValueType:
    if field.pii == "drop":
        msg = f"field '{path}' of {event_type} is personal and dropped; use another field"
        raise FeatureError(msg)
    if field.kind not in _SCALARS:
        msg = f"field '{path}' of {event_type} is of kind {field.kind}; name a single value in it"
        raise FeatureError(msg)
    if field.kind == "decimal":
        return _decimal_type(path, event_type, field)
    return ValueType(_FAMILIES.get(field.kind, field.kind))


def _decimal_type(path: str, event_type: str, field: FieldType) -> ValueType:
    if field.precision > MAX_PRECISION:
        msg = (
            f"field '{path}' of {event_type} is a decimal of precision {field.precision};"
            f" cells hold up to {MAX_PRECISION} digits"
        )
        raise FeatureError(msg)
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
