"""The errors of files that declare something: features, metrics."""

from typing import NamedTuple

__all__ = ["DeclarationError", "DeclarationKind"]


class DeclarationError(ValueError):
    """A declaration cannot be used; from a whole file one line: file, entry, problem, remedy."""


class DeclarationKind(NamedTuple):
    """What is declared, in the word that messages use, and the error of such files."""

    name: str
    error: type[DeclarationError]
