"""Entries of declaration files: their form, their names, and errors that say where they are."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from schemas.declaration_error import DeclarationError, DeclarationKind

__all__ = ["Entries", "check_name", "label_of"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_T = TypeVar("_T")
_Entry = TypeVar("_Entry", bound=msgspec.Struct)


class Entries:
    """Reads entries of one file; every error begins with the file and the label of the entry."""

    def __init__(self, file: str, kind: DeclarationKind) -> None:
        self._file = file
        self._kind = kind

    def converted(self, label: str, entry: object, form: type[_Entry]) -> _Entry:
        """Return an entry in its form."""
        try:
            return msgspec.convert(entry, form)
        except msgspec.ValidationError as error:
            allowed = ", ".join(form.__struct_fields__)
            msg = f"{self._file}: {label}: {error}; the keys here are {allowed}"
            raise self._kind.error(msg) from error
        except UnicodeEncodeError as error:
            msg = f"{self._file}: {label}: a text in it holds half a character; correct it"
            raise self._kind.error(msg) from error

    def at(self, label: str, check: Callable[..., _T], *given: Any) -> _T:
        """Return what a check of an entry returns; its `ValueError` is told with the place."""
        try:
            return check(*given)
        except ValueError as error:
            msg = f"{self._file}: {label}: {error}"
            raise self._kind.error(msg) from error


def label_of(kind: str, index: int, entry: object) -> str:
    """Return what an entry is called in errors.

    >>> label_of("feature", 0, {"name": "views"}), label_of("feature", 1, None)
    ("feature 'views'", 'feature number 2')
    """
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return f"{kind} '{name}'" if isinstance(name, str) else f"{kind} number {index + 1}"


def check_name(name: str) -> None:
    """Refuse what cannot name a cell, a column and a table alike."""
    if not _NAME.fullmatch(name):
        msg = f"name {name!r} is no name; use up to 64 letters, digits and _, a letter first"
        raise DeclarationError(msg)
