"""Derives the struct that `msgspec` decodes an event into from its contract."""

import functools
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from types import GenericAlias
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from schemas.contract_set import Contract, Contracts
from schemas.field_types import FieldType

__all__ = ["Record", "event_structs", "value_type"]

Record = Any
"""A decoded event: a mutable struct with the envelope's fields and `event_details`.

Its class is made at run time, so it can neither be imported nor pickled; its event type is
`type(record).__struct_config__.tag`.
"""

_MAX_FLOAT = 3.4028234663852886e38
_SCALARS: dict[str, Any] = {
    "boolean": bool,
    "int": Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
    "long": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    "float": Annotated[float, msgspec.Meta(ge=-_MAX_FLOAT, le=_MAX_FLOAT)],
    "double": float,
    "bytes": bytes,
    "string": str,
    "date": date,
    "timestamp-millis": Annotated[datetime, msgspec.Meta(tz=True)],
    "timestamp-micros": Annotated[datetime, msgspec.Meta(tz=True)],
    "decimal": Decimal,
    "uuid": UUID,
}


def value_type(field: FieldType, name: str = "value") -> Any:
    """Return the Python type of a field's values; `name` names the structs inside it."""
    bare = _bare_type(field, name)
    return bare | None if field.nullable else bare


def _bare_type(field: FieldType, name: str) -> Any:
    if field.kind == "record":
        return _struct(name, field.fields)
    if field.items is not None:
        items = value_type(field.items, f"{name}_{field.kind}")
        container, arguments = (list, items) if field.kind == "array" else (dict, (str, items))
        return GenericAlias(container, arguments)
    if field.kind == "enum":
        return Literal[field.symbols]
    return _SCALARS[field.kind]


def _struct(name: str, fields: dict[str, FieldType], **options: Any) -> Any:
    # Sorted, so that the content digest does not depend on the order of fields in a file; null is
    # left out when encoding, so that a nullable field added to a contract changes no digest.
    members = [_member(name, key, fields[key]) for key in sorted(fields)]
    return msgspec.defstruct(
        name, members, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False,
        **options,
    )  # fmt: skip


def _member(struct: str, name: str, field: FieldType) -> Any:
    kind = value_type(field, f"{struct}_{name}")
    if field.required:
        return (name, kind)
    if field.default is None:
        return (name, kind, None)
    return (name, kind, msgspec.field(default_factory=_maker(field.default)))


def _maker(default: object) -> Callable[[], Any]:
    """A value that is not null is made anew: only so is it encoded, whether it was sent or not."""
    if isinstance(default, (list, dict)):
        return type(default)
    return functools.partial(lambda value: value, default)


def event_structs(contracts: Contracts) -> dict[str, Any]:
    """Return the struct of each event type, tagged by `event_type`; new ones at each call."""
    return {name: _event_struct(each, contracts.envelope) for name, each in contracts.types.items()}


def _event_struct(contract: Contract, envelope: Contract) -> Any:
    details = FieldType(kind="record", fields=contract.fields)
    fields = {name: field for name, field in envelope.fields.items() if name != "event_type"}
    fields["event_details"] = details
    return _struct(contract.event_type, fields, tag_field="event_type", tag=contract.event_type)
