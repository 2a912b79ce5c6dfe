"""Features against contracts: which event types a declaration applies to, and whether it can work.

Every problem is a `DeclarationError` that names what is wrong and the remedy.
"""

from collections.abc import Mapping

import msgspec

from schemas.contract_set import Contracts
from schemas.declaration_error import DeclarationError
from schemas.declaration_fields import EVENT_TYPE, Finder, common_type, event_types
from schemas.declaration_where import Condition, condition
from schemas.values import ValueType

__all__ = ["Scope", "check_aggregate", "check_key", "scope_of"]

AGGREGATES = ("count", "sum", "min", "max", "approx_distinct", "last")

_SUMMABLE = ("long", "decimal")
_KEYS = ("string", "long")


class Scope(msgspec.Struct, frozen=True):
    """What a declaration applies to: event types by name, conditions, the type of its field."""

    event_types: tuple[str, ...]
    where: tuple[Condition, ...]
    value: ValueType | None


def scope_of(
    contracts: Contracts, key: str, field: str | None, where: Mapping[str, object]
) -> Scope:
    """Return what a declaration applies to.

    Event types that lack one of the named fields are left out; `where: {event_type: ...}` restricts
    them further.

    Raises:
        DeclarationError: a path is in no contract, personal, or of a kind that has no value here;
            or a condition can never be true.
    """
    finder = Finder(contracts, event_types(contracts, where))
    finder.narrow(key, "key")
    fields = finder.narrow(field, "field") if field is not None else {}
    tests = {path: finder.narrow(path, "where") for path in where if path != EVENT_TYPE}
    reachable = {name: found for name, found in fields.items() if name in finder.event_types}
    return Scope(
        tuple(sorted(finder.event_types)),
        tuple(condition(path, where[path], tests[path]) for path in tests),
        common_type(field, reachable) if field is not None else None,
    )


def check_key(contracts: Contracts, key: str) -> None:
    """Refuse a key that does not name an entity in text or integers."""
    finder = Finder(contracts, contracts.types)
    value = common_type(key, finder.narrow(key, "key"))
    if value.kind not in _KEYS:
        msg = f"key '{key}' is a {value.kind}; an entity is named by a string or an integer field"
        raise DeclarationError(msg)


def check_aggregate(aggregate: str, field: str | None, value: ValueType | None) -> None:
    """Refuse an aggregate that does not exist or that its field cannot have."""
    if aggregate not in AGGREGATES:
        msg = f"aggregate '{aggregate}' is unknown; use one of {', '.join(AGGREGATES)}"
        raise DeclarationError(msg)
    if value is None:
        if aggregate != "count":
            msg = f"{aggregate} needs a field; add `field: event_details.<name>`"
            raise DeclarationError(msg)
        return
    if aggregate == "sum" and value.kind not in _SUMMABLE:
        msg = (
            f"sum of '{field}', which is a {value.kind}; sum only integers (money in minor units)"
            " and decimals"
        )
        raise DeclarationError(msg)
