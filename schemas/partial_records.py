"""Derives the structs that only some fields of accepted events are decoded into."""

import functools
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from schemas.contract_set import Contract, Contracts
from schemas.field_types import FieldType
from schemas.record_types import Record, value_type

__all__ = ["partial_contracts", "partial_decoder"]

_DETAILS = "event_details"
_TAG = "event_type"
_ALWAYS = "event_id"


def partial_contracts(contracts: Contracts, paths: Mapping[str, Collection[str]]) -> Contracts:
    """Return contracts of nothing but the fields that paths lead to, and the event id.

    The envelope's fields are those of all event types.

    Args:
        contracts: of all event types.
        paths: such as `user_id` and `event_details.page`, by event type.
    """
    envelope = {_ALWAYS, *(path for each in paths.values() for path in each if "." not in path)}
    types = {
        name: Contract(name, each.domain, each.doc, _part(each.fields, _below(paths.get(name, ()))))
        for name, each in contracts.types.items()
    }
    whole = contracts.envelope
    return Contracts(types, msgspec.structs.replace(whole, fields=_part(whole.fields, envelope)))


def partial_decoder(contracts: Contracts) -> Callable[[bytes], Record]:
    """Return what decodes JSON of accepted events into the fields of partial contracts.

    What the contracts do not name is passed over, whatever it is. Values are those that `Decoder`
    gives, except that equal values may have several forms, such as decimals of another scale. Bytes
    that are no JSON, another event type and values that do not fit raise as msgspec does.
    """
    structs = [_event_struct(each, contracts.envelope) for each in contracts.types.values()]
    return msgspec.json.Decoder(functools.reduce(operator.or_, structs)).decode


def _below(paths: Collection[str]) -> list[str]:
    return [path.partition(".")[2] for path in paths if path.startswith(f"{_DETAILS}.")]


def _part(fields: Mapping[str, FieldType], paths: Collection[str]) -> dict[str, FieldType]:
    part: dict[str, FieldType] = {}
    for name, field in fields.items():
        inside = [path.partition(".")[2] for path in paths if path.startswith(f"{name}.")]
        if name in paths:
            part[name] = field
        elif inside:
            part[name] = msgspec.structs.replace(field, fields=_part(field.fields, inside))
    return part


def _event_struct(contract: Contract, envelope: Contract) -> Any:
    fields = {name: field for name, field in envelope.fields.items() if name != _TAG}
    if contract.fields:
        fields[_DETAILS] = FieldType(kind="record", fields=contract.fields)
    return _struct(contract.event_type, fields, tag_field=_TAG, tag=contract.event_type)


def _struct(name: str, fields: Mapping[str, FieldType], **options: Any) -> Any:
    members = [_member(name, key, fields[key]) for key in sorted(fields)]
    return msgspec.defstruct(name, members, kw_only=True, gc=False, **options)


def _member(struct: str, name: str, field: FieldType) -> Any:
    kind: Any
    if field.kind == "record":
        bare = _struct(f"{struct}_{name}", field.fields)
        kind = bare | None if field.nullable else bare
    else:
        kind = value_type(field, f"{struct}_{name}")
    return (name, kind) if field.required else (name, kind, field.default)
