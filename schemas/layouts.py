"""What a record is encoded as: its fields in their order, as texts that two releases can compare.

A step that keeps records shows them among its display data, so that they stand in its graph.
"""

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

__all__ = ["DEFAULT", "layout_shown", "layouts", "shown_layouts"]

DEFAULT = " = ..."
"""What stands behind a field that need not be there."""

_SHOWN = "fields of "
_BETWEEN = "; "


def layouts(*structs: type[Any]) -> dict[str, list[str]]:
    """Return the fields of structs, and of those that are in them, by class.

    Each is `name: type`, those with a default with ` = ...` behind it.
    """
    found: dict[str, list[str]] = {}
    for struct in structs:
        _add(struct, found)
    return found


def shown_layouts(*structs: type[Any]) -> dict[str, str]:
    """Return the layouts of structs as display data."""
    found = layouts(*structs).items()
    return {f"{_SHOWN}{name}": _BETWEEN.join(fields) for name, fields in found}


def layout_shown(key: str, value: str) -> tuple[str, list[str]] | None:
    """Return class and fields of what `shown_layouts` has made, None for other display data.

    >>> layout_shown("fields of a.B", "first: int; last: str = ...")
    ('a.B', ['first: int', 'last: str = ...'])
    """
    return (key.removeprefix(_SHOWN), value.split(_BETWEEN)) if key.startswith(_SHOWN) else None


def _add(struct: type[Any], found: dict[str, list[str]]) -> None:
    name = f"{struct.__module__}.{struct.__qualname__}"
    if name in found:
        return
    types = get_type_hints(struct)
    fields = msgspec.structs.fields(struct)
    found[name] = [
        f"{each.name}: {_text(types[each.name])}{'' if each.required else DEFAULT}"
        for each in fields
    ]
    for each in fields:
        for part in _classes(types[each.name]):
            if issubclass(part, msgspec.Struct):
                _add(part, found)


def _classes(annotation: Any) -> list[type[Any]]:
    inner = [found for part in get_args(annotation) for found in _classes(part)]
    is_plain = isinstance(annotation, type) and get_origin(annotation) is None
    return [annotation, *inner] if is_plain else inner


def _text(annotation: Any) -> str:
    """Write a type the same in every Python."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _text(parts[0])
    if origin in (Union, UnionType):
        return " | ".join(map(_text, parts))
    if origin is not None:
        return f"{_text(origin)}[{', '.join(map(_text, parts))}]"
    if annotation is type(None):
        return "None"
    if isinstance(annotation, type):
        is_builtin = annotation.__module__ == "builtins"
        return (
            annotation.__name__ if is_builtin else f"{annotation.__module__}.{annotation.__name__}"
        )
    return "..." if annotation is Ellipsis else repr(annotation)
