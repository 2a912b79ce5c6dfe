"""Parts what a contract knows of a payload from what it does not: the drift.

Works on the JSON text: numbers of unknown fields keep their spelling, and what is known is decoded
by the one strict decoder afterwards, so both ways of reading agree by construction.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from schemas.field_types import FieldType, holds_record
from schemas.surrogates import has_hidden, hide, reveal

__all__ = ["Part", "PartMembers", "drift_names", "members", "parting_members"]

Part = Callable[[Any], tuple[Any, bytes | None]]
"""JSON text -> the known part of it, and the unknown part as a JSON object or None."""
PartMembers = Callable[[Mapping[str, Any]], tuple[bytes, bytes | None]]
"""The same of an object whose members have been found."""

members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.encode


def _compile_parting(field: FieldType) -> Part | None:
    """Return what parts a value of this type, None where it cannot hold an unknown field.

    Of a repeated key the last is kept. A value of another JSON type passes whole. The drift mirrors
    the place: `{"event_details": {"items": {"0": {"colour": "red"}}}}`, positions as keys.
    """
    if not holds_record(field):
        return None
    if field.items is None:
        return _parting_object(parting_members(field))
    inner = _compile_parting(field.items)
    return inner and (_parting_map(inner) if field.kind == "map" else _parting_array(inner))


def parting_members(record: FieldType) -> PartMembers:
    """Return what parts the members of a record."""
    inner = {name: _compile_parting(each) for name, each in record.fields.items()}
    keys = {name: b"%b:" % _encode(name) for name in inner}

    def part(found: Mapping[str, Any]) -> tuple[bytes, bytes | None]:
        known: list[Any] = []
        unknown: list[bytes] = []
        for name, value in found.items():
            key = keys.get(name)
            if key is None:
                unknown.append(b"%b:%b" % (_encode(name), value))
                continue
            step = inner[name]
            if step is None:
                known += (key, value, b",")
                continue
            kept, drift = step(value)
            known += (key, kept, b",")
            if drift is not None:
                unknown.append(key + drift)
        return b"{%b}" % b"".join(known[:-1]), _object(unknown) if unknown else None

    return part


def _parting_object(part_members: PartMembers) -> Part:
    def part(text: Any) -> tuple[Any, bytes | None]:
        found = _read(members, text)
        return (text, None) if found is None else part_members(found)

    return part


def _parting_map(inner: Part) -> Part:
    def part(text: Any) -> tuple[Any, bytes | None]:
        found = _read(members, text)
        if found is None:
            return text, None
        parts = [(b"%b:" % _encode(key), *inner(value)) for key, value in found.items()]
        drifts = [key + drift for key, _, drift in parts if drift]
        known = b",".join(b"%b%b" % (key, kept) for key, kept, _ in parts)
        return b"{%b}" % known, _object(drifts) if drifts else None

    return part


def _parting_array(inner: Part) -> Part:
    def part(text: Any) -> tuple[Any, bytes | None]:
        found = _read(_elements, text)
        if found is None:
            return text, None
        parts = [inner(each) for each in found]
        drifts = [b'"%d":%b' % (at, drift) for at, (_, drift) in enumerate(parts) if drift]
        return b"[%b]" % b",".join(kept for kept, _ in parts), _object(drifts) if drifts else None

    return part


def _read(decode: Callable[[Any], Any], text: Any) -> Any:
    try:
        return decode(text)
    except msgspec.ValidationError:
        return None


def _object(parts: list[bytes]) -> bytes:
    return b"{%b}" % b",".join(parts)


def drift_names(drift: str, fields: Mapping[str, FieldType]) -> list[str]:
    """Return the sorted paths of the unknown fields in a drift, without values, keys or positions.

    `fields` are those of the whole event: the envelope's and `event_details`. Half a character (a
    lone surrogate) in a name, which no text can hold, is shown as its escape.

    >>> drift_names('{"colour": "red"}', {})
    ['colour']
    """
    text = hide(drift.encode())
    names = _names(members(text), fields, "")
    if has_hidden(text):
        names = {reveal(name.encode()).decode() for name in names}
    return sorted(names)


def _names(found: Mapping[str, Any], fields: Mapping[str, FieldType], path: str) -> set[str]:
    names: set[str] = set()
    for name, value in found.items():
        field = fields.get(name)
        names |= {path + name} if field is None else _names_inside(value, field, path + name)
    return names


def _names_inside(value: Any, field: FieldType, path: str) -> set[str]:
    if field.items is None:
        return _names(members(value), field.fields, f"{path}.")
    inside = members(value).values()
    return set().union(*(_names_inside(each, field.items, f"{path}[]") for each in inside))
