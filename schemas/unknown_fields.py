"""Parts what a contract knows of a payload from what it does not: the drift.

Works on the JSON text: numbers of unknown fields keep their spelling, and what is known is decoded
by the one strict decoder afterwards, so both ways of reading agree by construction.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from schemas.field_types import FieldType, holds_record
from schemas.shapes import is_name
from schemas.surrogates import hide

__all__ = [
    "MASK",
    "Part",
    "PartMembers",
    "drift_names",
    "elements",
    "masked_names",
    "members",
    "parting_members",
]

MASK = "<name "
"""How a name that is masked begins, in place of the name."""


Part = Callable[[Any], tuple[Any, bytes | None]]
"""JSON text -> the known part of it, and the unknown part as a JSON object or None."""
PartMembers = Callable[[Mapping[str, Any]], tuple[bytes, bytes | None]]
"""The same of an object whose members have been found."""
_Names = set[tuple[str, str]]
"""Unknown fields: the place, and the name as it was received."""

members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
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
        found = _read(elements, text)
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

    A name that does not look like one (`is_name`) may be a value itself, such as an address of
    mail. It is masked by its number among those of its place in their order: equal drifts have
    equal names, and as many as there are fields.

    >>> drift_names('{"colour": "red", "b@example.com": 1, "a@example.com": 2}', {})
    ['<name 1>', '<name 2>', 'colour']

    Args:
        drift: what is unknown of an event, as JSON text.
        fields: those of the whole event: the envelope's and `event_details`.
    """
    masked: Counter[str] = Counter()
    paths = []
    for path, name in sorted(_names(members(hide(drift.encode())), fields, "")):
        masked[path] += not is_name(name)
        paths.append(path + (name if is_name(name) else f"{MASK}{masked[path]}>"))
    return sorted(paths)


def masked_names(text: bytes) -> int:
    """Return how many names are masked in encoded `drift_names`.

    >>> masked_names(b'["<name 1>","event_details.<name 1>","event_details.colour"]')
    2
    """
    return text.count(MASK.encode())


def _names(found: Mapping[str, Any], fields: Mapping[str, FieldType], path: str) -> _Names:
    names: _Names = set()
    for name, value in found.items():
        field = fields.get(name)
        names |= {(path, name)} if field is None else _names_inside(value, field, path + name)
    return names


def _names_inside(value: Any, field: FieldType, path: str) -> _Names:
    if field.items is None:
        return _names(members(value), field.fields, f"{path}.")
    inside = members(value).values()
    return set().union(*(_names_inside(each, field.items, f"{path}[]") for each in inside))
