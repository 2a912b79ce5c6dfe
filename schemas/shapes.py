"""What can be told of JSON and bytes without a word of their content: names and types.

A name is shown where it looks like that of a field: ASCII letters, `_`, `-`, `$`, `@` in front, at
most three digits, at most 64 characters. Whatever else stands as a key may be a value itself.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

__all__ = ["begins_with", "is_name", "shape_of", "shown_names", "type_mark"]

_NAME = re.compile(r"[A-Za-z_$@][A-Za-z0-9_$-]{0,63}\Z", re.ASCII)
_MOST_DIGITS = 3
_OPENINGS = {b"{": "a brace", b"[": "a bracket", b'"': "a quote"}
_encode = msgspec.json.Encoder(order="deterministic").encode


def is_name(text: object) -> bool:
    """Return whether a text looks like the name of a field, and not like a value.

    >>> is_name("duration_ms"), is_name("ana@example.com"), is_name("u000123")
    (True, False, False)
    """
    if not isinstance(text, str) or not _NAME.match(text):
        return False
    return sum(map(str.isdigit, text)) <= _MOST_DIGITS


def shown_names(names: Iterable[str]) -> Iterator[str]:
    """Yield what stands for each key of an object: itself, or a number where it is no name.

    >>> [*shown_names(["plan", "+49 30 1", "é"])]
    ['plan', '<name 1>', '<name 2>']
    """
    hidden = 0
    for name in names:
        if is_name(name):
            yield name
        else:
            hidden += 1
            yield f"<name {hidden}>"


def type_mark(value: object) -> str | None:
    """Return what stands for a JSON value: its type alone; null is itself.

    >>> type_mark("ana"), type_mark(True), type_mark(None)
    ('<string>', '<boolean>', None)
    """
    if value is None:
        return None
    for kinds, mark in _MARKS:
        if isinstance(value, kinds):
            return mark
    return "<number>"


def shape_of(value: Any) -> Any:
    """Return a JSON value with its types in the place of its values; of a list, each shape once.

    >>> shape_of({"a": [1, 2, "x"], "b": {"c": False}})
    {'a': ['<integer>', '<string>'], 'b': {'c': '<boolean>'}}
    """
    if isinstance(value, Mapping):
        return {
            shown: shape_of(each)
            for shown, each in zip(shown_names(value), value.values(), strict=True)
        }
    if isinstance(value, list):
        return [*{_encode(shape): shape for shape in map(shape_of, value)}.values()]
    return type_mark(value)


def begins_with(content: bytes) -> str:
    """Return the class of the first byte, which tells JSON from text, gzip and binary forms.

    >>> begins_with(b"{"), begins_with(bytes([0x1f, 0x8b]))
    ('a brace', 'a control byte')
    """
    first = content[:1]
    if not first:
        return "nothing"
    if first > b"\x7f":
        return "a byte above 0x7f"
    for is_one, name in _CLASSES:
        if is_one(first):
            return name
    return _OPENINGS.get(first, "a control byte" if first < b"!" or first > b"~" else "a sign")


# Booleans are integers to Python, so they come first.
_MARKS: tuple[tuple[type, str], ...] = (
    (bool, "<boolean>"),
    (str, "<string>"),
    (int, "<integer>"),
    (Mapping, "<object>"),
    (list, "<array>"),
)
_CLASSES = ((bytes.isalpha, "a letter"), (bytes.isdigit, "a digit"), (bytes.isspace, "a space"))
