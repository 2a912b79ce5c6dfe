"""Reads the Avro of a contract into `FieldType`s, and refuses what the suite does not carry."""

import dataclasses
import re
from typing import Any, NoReturn

import msgspec

from schemas.field_types import ContractError, FieldType

__all__ = ["Place", "read_record"]

_PRIMITIVES = ("boolean", "int", "long", "float", "double", "bytes", "string")
_LOGICAL = {
    "date": "int",
    "timestamp-millis": "long",
    "timestamp-micros": "long",
    "decimal": "bytes",
    "uuid": "string",
}
_NUMBERS = ("int", "long", "float", "double", "decimal")
_NAME = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*\Z")
_MAX_PRECISION = 38
_SUPPORTED = "use a primitive, a logical type, enum, array, map, record or a union with null"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where in a contract file the reading is, and which named types it has seen there.

    A named type is None while it is being read: whoever meets it then is inside itself.
    """

    file: str
    field: str = ""
    named: dict[str, FieldType | None] = dataclasses.field(default_factory=dict)

    def inside(self, name: str) -> "Place":
        """Return the place of a field of this one."""
        return dataclasses.replace(self, field=f"{self.field}.{name}" if self.field else name)

    def refuse(self, problem: str, remedy: str) -> NoReturn:
        """Raise the `ContractError` of this place."""
        raise ContractError(self.file, self.field, problem, remedy) from None


def read_record(spec: dict[str, Any], place: Place) -> FieldType:
    """Read an Avro record; raise `ContractError` for whatever is not supported in it."""
    listed = spec.get("fields")
    if not isinstance(listed, list):
        place.refuse("the record has no list of fields", 'add "fields": []')
    fields: dict[str, FieldType] = {}
    for one in listed:
        name = _field_name(one, place, fields)
        fields[name] = _read_field(one, place.inside(name))
    return FieldType(kind="record", fields=fields, doc=_text(spec, "doc", place))


def _field_name(spec: object, place: Place, seen: dict[str, FieldType]) -> str:
    name = spec.get("name") if isinstance(spec, dict) else None
    if not isinstance(name, str) or not _NAME.match(name):
        problem = "a field without a usable name"
        place.refuse(problem, "use letters, digits and _, with no digit or __ in front")
    # BigQuery's column names do not know upper from lower case.
    if name.lower() in {other.lower() for other in seen}:
        place.inside(name).refuse("the name is there twice", "names differ by more than case")
    return name


def _read_field(spec: dict[str, Any], place: Place) -> FieldType:
    if "type" not in spec:
        place.refuse("the field has no type", _SUPPORTED)
    # An attribute that is nearly pii would leave a personal value in the open.
    for key in spec:
        if key != "pii" and key.lower() == "pii":
            place.refuse(f"unknown attribute {key}", 'write it "pii"')
    bare = _read_type(spec["type"], place)
    has_default = "default" in spec
    return msgspec.structs.replace(
        bare,
        pii=_pii(spec.get("pii"), bare, place),
        doc=_text(spec, "doc", place) or bare.doc,
        required=not (bare.nullable or has_default),
        default=_default(spec, bare, place),
        examples=_examples(spec, place),
        minimum=_bound(spec, "minimum", bare, place),
        maximum=_bound(spec, "maximum", bare, place),
    )


def _read_type(spec: object, place: Place) -> FieldType:
    if isinstance(spec, list):
        return _read_union(spec, place)
    if isinstance(spec, str):
        return _read_named(spec, place)
    if not isinstance(spec, dict):
        place.refuse("the type is neither a name nor an object nor a union", _SUPPORTED)
    if any(key.lower() == "pii" for key in spec):
        place.refuse("pii stands inside the type", "put it beside the field's name")
    if "logicalType" in spec:
        return _read_logical(spec, place)
    return _read_complex(spec, place)


def _read_union(spec: list[object], place: Place) -> FieldType:
    branches = [branch for branch in spec if branch != "null"]
    if len(branches) != 1 or len(spec) > 2 or isinstance(branches[0], list):
        place.refuse("a union of other than null and one type", _SUPPORTED)
    branch = _read_type(branches[0], place)
    nullable = len(spec) == 2
    return msgspec.structs.replace(branch, nullable=nullable, required=not nullable)


def _read_named(name: str, place: Place) -> FieldType:
    if name in _PRIMITIVES:
        return FieldType(kind=name)
    short = name.rpartition(".")[2]
    if short not in place.named:
        place.refuse(f"type {name} is not supported", _SUPPORTED)
    known = place.named[short]
    if known is None:
        place.refuse(f"record {name} holds itself", "say how deep it may go: nest it by hand")
    return known


def _read_logical(spec: dict[str, Any], place: Place) -> FieldType:
    logical, base = spec["logicalType"], spec.get("type")
    expected = _LOGICAL.get(logical) if isinstance(logical, str) else None
    if expected is None:
        known = ", ".join(_LOGICAL)
        place.refuse(f"logicalType {logical} is not supported", f"use one of {known}")
    if base != expected:
        place.refuse(f"logicalType {logical} is not of type {expected}", f"use {expected}")
    if logical != "decimal":
        return FieldType(kind=str(logical))
    return _read_decimal(spec, place)


def _read_decimal(spec: dict[str, Any], place: Place) -> FieldType:
    precision, scale = spec.get("precision"), spec.get("scale", 0)
    if type(precision) is not int or not 1 <= precision <= _MAX_PRECISION:
        place.refuse("no usable precision", f"give a precision from 1 to {_MAX_PRECISION}")
    if type(scale) is not int or not 0 <= scale <= precision:
        place.refuse("no usable scale", "give a scale from 0 to the precision")
    return FieldType(kind="decimal", precision=precision, scale=scale)


def _read_complex(spec: dict[str, Any], place: Place) -> FieldType:
    kind = spec.get("type")
    if kind == "array":
        return FieldType(kind=kind, items=_read_type(spec.get("items"), place.inside("items")))
    if kind == "map":
        return FieldType(kind=kind, items=_read_type(spec.get("values"), place.inside("values")))
    if kind == "enum":
        return _define(spec, place, _read_enum(spec, place))
    if kind == "record":
        place.named[_type_name(spec, place)] = None
        return _define(spec, place, read_record(spec, place))
    if isinstance(kind, (str, dict, list)):
        if kind == "fixed":
            place.refuse("type fixed is not supported", "use bytes, or string with base64")
        return _read_type(kind, place)
    place.refuse("the type has no kind", _SUPPORTED)


def _define(spec: dict[str, Any], place: Place, parsed: FieldType) -> FieldType:
    place.named[_type_name(spec, place)] = parsed
    return parsed


def _type_name(spec: dict[str, Any], place: Place) -> str:
    name = spec.get("name")
    if not isinstance(name, str) or not _NAME.match(name.rpartition(".")[2]):
        place.refuse(f"the {spec['type']} has no usable name", 'give it a "name"')
    return name.rpartition(".")[2]


def _read_enum(spec: dict[str, Any], place: Place) -> FieldType:
    symbols = spec.get("symbols")
    usable = isinstance(symbols, list) and all(
        isinstance(symbol, str) and _NAME.match(symbol) for symbol in symbols
    )
    if not usable or not symbols or len(set(symbols)) < len(symbols):
        place.refuse("no usable symbols", "list each symbol once: letters, digits and _")
    return FieldType(kind="enum", symbols=tuple(symbols), doc=_text(spec, "doc", place))


def _pii(value: object, bare: FieldType, place: Place) -> str | None:
    if value is None:
        return None
    if value not in ("pseudonymise", "drop"):
        place.refuse("unknown value of pii", 'use "pseudonymise" or "drop"')
    if value == "drop" and not bare.nullable:
        place.refuse('pii "drop" on a field that cannot be null', 'add "null" to its type')
    if value == "pseudonymise" and not _is_text(bare):
        remedy = 'use "drop", or declare the fields inside it'
        place.refuse('pii "pseudonymise" on what is not a string', remedy)
    return str(value)


def _is_text(bare: FieldType) -> bool:
    if bare.kind in ("array", "map"):
        return bare.items is not None and _is_text(bare.items)
    return bare.kind == "string"


def _default(spec: dict[str, Any], bare: FieldType, place: Place) -> object:
    default = spec.get("default")
    if default is None:
        if "default" in spec and not bare.nullable:
            place.refuse("default null on a field that cannot be null", "add null to its type")
        return None
    plain = (*_PRIMITIVES, "enum")
    if (bare.kind in plain and bare.kind != "bytes") or default in ([], {}):
        return default
    place.refuse(f"a default of kind {bare.kind}", "make the field nullable, default null")


def _examples(spec: dict[str, Any], place: Place) -> tuple[object, ...]:
    examples = spec.get("examples", [])
    if not isinstance(examples, list):
        place.refuse("examples is not a list", "list values as they stand in the JSON event")
    return tuple(examples)


def _bound(spec: dict[str, Any], name: str, bare: FieldType, place: Place) -> int | float | None:
    bound = spec.get(name)
    if bound is None:
        return None
    if bare.kind not in _NUMBERS or type(bound) not in (int, float):
        place.refuse(f"{name} is no number, or not on a number", f"remove {name}")
    return bound if isinstance(bound, (int, float)) else None


def _text(spec: dict[str, Any], name: str, place: Place) -> str:
    text = spec.get(name, "")
    if not isinstance(text, str):
        place.refuse(f"{name} is not text", f"write {name} as a string")
    return text
