"""Adds to a graph what it cannot tell itself: the fields of the suite's records that are kept."""

import importlib
import json
import re
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from console.graph_form import DEFAULT, Graph

__all__ = ["with_structs"]

_NAMED = re.compile(r"\bStructCoder\((schemas(?:\.\w+)+)\)")


def with_structs(graph: Graph) -> Graph:
    """Return the graph of a pipeline that this release staged, with the fields of its records.

    A coder of a record is pickled as the name of its class, so two releases' coders look the same
    where the class has changed.
    """
    texts = [json.dumps(step.holds) for step in graph.steps.values()]
    named = {name for text in texts for name in _NAMED.findall(text)}
    found: dict[str, list[str]] = {}
    for name in sorted(named):
        module, _, class_name = name.rpartition(".")
        _add(getattr(importlib.import_module(module), class_name), found)
    return Graph(graph.steps, found)


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
