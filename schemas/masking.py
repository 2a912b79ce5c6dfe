"""What may be shown of a refused record: nothing that is not known to be harmless.

Known is what a contract declares, and harmless what it does not declare personal. `user_id` and
`session_id` name a person whatever the contract says, so they are never shown.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from schemas.bigtable_table import TABLE_ATTRIBUTE, TableName
from schemas.compression import inflate, is_gzip
from schemas.contract_check import MAX_DEPTH
from schemas.contract_set import Contracts
from schemas.field_types import CONTAINERS, FieldType
from schemas.malformed import is_deeper
from schemas.record_types import value_type
from schemas.refusal import Refusal
from schemas.rejected import Reason, Rejected
from schemas.shapes import begins_with, is_name, shape_of, shown_names, type_mark

__all__ = ["Masking"]

_EVENT_TYPE = "event_type"
_PERSONS = ("user_id", "session_id")
_MOST_INFLATED = 16_000_000
# Decimals keep numbers that no float can hold, and numbers as they were written.
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_PLACES = ("family", "qualifier")
_MICROS = "_micros"
_OBJECT_REASONS = frozenset(each.value for each in Reason if each.name.startswith("OBJECT_"))
_KEPT = re.compile(
    r"/(?:source=[^/]+/dt=[\d-]{10}/hr=\d\d|step=\w+/dt=[\d-]{10})/[0-9a-f]{32}\.avro\Z", re.ASCII
)


class Masking:
    """Masks payloads, attributes and ordering keys by the contracts of their event types.

    Nothing is raised, whatever bytes come.

    Args:
        contracts: what is known, and what of it is personal.
    """

    def __init__(self, contracts: Contracts) -> None:
        self._fields = {name: _fields(contracts, name) for name in contracts.types}

    def payload(self, record: Rejected) -> Any:
        """Return the payload as a JSON value.

        An event of a known type shows the values of fields that are known, not personal, and of
        their declared type; all else shows names and types, and where it is no JSON only the class
        of its first byte. A refused change shows family, qualifier and times of its cells; a bad
        object its path, if that is one of the archive or of a quarantine.
        """
        if record.reason in _OBJECT_REASONS and (path := _object_path(record.payload)):
            return path
        value = _parsed(record)
        if isinstance(value, Refusal):
            return f"<unreadable: begins with {begins_with(record.payload)}>"
        if record.reason == Reason.MUTATION_REFUSED.value:
            return _change(value)
        return self._event(value) if isinstance(value, dict) else shape_of(value)

    def attributes(self, record: Rejected) -> dict[str, Any]:
        """Return the names of the attributes, with a mark in the place of each value.

        The table of a refused change is told by the suite itself.
        """
        is_change = record.reason == Reason.MUTATION_REFUSED.value
        return {
            name: value if is_change and _is_table(name, value) else type_mark(value)
            for name, value in record.attributes.items()
        }

    def ordering_key(self, record: Rejected) -> str | None:
        """Return a mark where there is an ordering key: it is as a rule the id of a person."""
        return type_mark(record.ordering_key) if record.ordering_key else ""

    def _event(self, event: dict[str, Any]) -> Any:
        named = event.get(_EVENT_TYPE)
        fields = self._fields.get(named) if isinstance(named, str) else None
        if fields is not None:
            return _members(event, fields)
        shape = shape_of(event)
        return {**shape, _EVENT_TYPE: named} if is_name(named) else shape


def _fields(contracts: Contracts, event_type: str) -> dict[str, FieldType]:
    fields = contracts.event(event_type).fields
    persons = {name: msgspec.structs.replace(fields[name], pii="drop") for name in _PERSONS}
    return {**fields, **persons}


def _parsed(record: Rejected) -> Any:
    """Return the JSON value of a payload, or a refusal where it has none."""
    plain: bytes | Refusal = record.payload
    if is_gzip(record.attributes):
        plain = inflate(record.payload, _MOST_INFLATED)
    if isinstance(plain, Refusal):
        return plain
    if is_deeper(plain, MAX_DEPTH):
        return Refusal(Reason.TOO_DEEP, "")
    try:
        return _decode(plain)
    except (msgspec.DecodeError, ValueError, ArithmeticError):
        return Refusal(Reason.NOT_JSON, "")


def _object_path(payload: bytes) -> str | None:
    path = payload.decode(errors="replace")
    return path if _KEPT.search(path) else None


def _members(record: Mapping[str, Any], fields: Mapping[str, FieldType]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    unknown: dict[str, Any] = {}
    for name, value in record.items():
        if name in fields:
            shown[name] = _known(value, fields[name])
        else:
            unknown[name] = value
    return {**shown, **shape_of(unknown)}


def _known(value: Any, field: FieldType) -> Any:
    """Return a value of a field as it may be shown; keys of maps are values too."""
    if value is None or field.pii is not None:
        return type_mark(value)
    if field.kind == "record" and isinstance(value, dict):
        return _members(value, field.fields)
    if field.items is not None and isinstance(value, list) and field.kind == "array":
        return [_known(each, field.items) for each in value]
    if field.items is not None and isinstance(value, dict) and field.kind == "map":
        items = field.items
        return {f"<key {n}>": _known(each, items) for n, each in enumerate(value.values(), 1)}
    if field.kind in CONTAINERS or not _fits(value, field):
        return shape_of(value)
    return value


def _fits(value: Any, field: FieldType) -> bool:
    """Return whether a value is one of its field: what is not may be another field's."""
    try:
        msgspec.convert(value, value_type(field))
    except (msgspec.ValidationError, ArithmeticError):
        return False
    return True


def _change(value: Any) -> Any:
    """Return a refused change as it may be shown: places and times of cells, no keys or values."""
    if isinstance(value, list):
        return [_change(each) for each in value]
    if not isinstance(value, dict):
        return type_mark(value)
    return {
        shown: each if _is_place(name, each) else _change(each)
        for shown, (name, each) in zip(shown_names(value), value.items(), strict=True)
    }


def _is_table(name: str, value: str) -> bool:
    try:
        TableName.parse(value)
    except ValueError:
        return False
    return name == TABLE_ATTRIBUTE


def _is_place(name: str, value: object) -> bool:
    if name in _PLACES:
        return is_name(value)
    return name.endswith(_MICROS) and type(value) is int
