"""Derives the columns of an event type's BigQuery table from its contract."""

from typing import Any

from schemas.contract_set import Contracts
from schemas.field_types import FieldType

__all__ = ["UNKNOWN_FIELDS", "bigquery_schema", "has_column"]

UNKNOWN_FIELDS = "unknown_fields"
"""The column with the names of the fields that the contract did not know; never their values."""

_TYPES = {
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "long": "INTEGER",
    "float": "FLOAT",
    "double": "FLOAT",
    "bytes": "BYTES",
    "string": "STRING",
    "date": "DATE",
    "timestamp-millis": "TIMESTAMP",
    "timestamp-micros": "TIMESTAMP",
    "uuid": "STRING",
    "enum": "STRING",
}


def bigquery_schema(contracts: Contracts, event_type: str) -> list[dict[str, Any]]:
    """Return the columns of an event type, in the JSON form of BigQuery's table schema.

    Envelope fields, `event_details` as a RECORD, and `unknown_fields`. A map is a REPEATED RECORD
    of key and value; items that may be null or are lists stand in a RECORD of their own, as
    BigQuery has neither. What is dropped as personal has no column.
    """
    columns = _columns(contracts.event(event_type))
    doc = "Paths of the fields that the contract did not know."
    return [*columns, _column(UNKNOWN_FIELDS, "STRING", "REPEATED", doc)]


def _columns(record: FieldType) -> list[dict[str, Any]]:
    return [_of(name, field) for name, field in record.fields.items() if has_column(field)]


def has_column(field: FieldType) -> bool:
    """Return whether a field has a column: not if it is dropped, or if nothing is left of it.

    >>> has_column(FieldType(kind="record", fields={"a": FieldType(kind="string", pii="drop")}))
    False
    """
    if field.pii == "drop":
        return False
    if field.kind == "record":
        return any(map(has_column, field.fields.values()))
    return field.kind != "array" or field.items is None or has_column(field.items)


def _of(name: str, field: FieldType) -> dict[str, Any]:
    if field.kind == "map":
        return _column(name, "RECORD", "REPEATED", field.doc, fields=_key_and_value(field))
    if field.kind == "array":
        return {**_item(name, field), "mode": "REPEATED", **_described(field.doc)}
    return {**_single(name, field), "mode": "REQUIRED" if field.required else "NULLABLE"}


def _single(name: str, field: FieldType) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": _type(field), **_described(field.doc)}
    if field.kind == "record":
        column["fields"] = _columns(field)
    if field.kind == "decimal":
        column |= {"precision": str(field.precision), "scale": str(field.scale)}
    return column


def _item(name: str, array: FieldType) -> dict[str, Any]:
    assert array.items is not None
    if array.items.nullable or array.items.items is not None:
        return {"name": name, "type": "RECORD", "fields": [_of("value", array.items)]}
    return _single(name, array.items)


def _key_and_value(field: FieldType) -> list[dict[str, Any]]:
    assert field.items is not None
    value = [_of("value", field.items)] if has_column(field.items) else []
    return [_column("key", "STRING", "REQUIRED", ""), *value]


def _type(field: FieldType) -> str:
    if field.kind == "record":
        return "RECORD"
    if field.kind == "decimal":
        fits = field.scale <= 9 and field.precision - field.scale <= 29
        return "NUMERIC" if fits else "BIGNUMERIC"
    return _TYPES[field.kind]


def _column(name: str, kind: str, mode: str, doc: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "mode": mode, **_described(doc), **more}


def _described(doc: str) -> dict[str, str]:
    return {"description": doc} if doc else {}
