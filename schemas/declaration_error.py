"""The errors of files that declare something: features, metrics."""

from typing import NamedTuple

__all__ = ["DeclarationError", "DeclarationKind"]


class DeclarationError(ValueError):
    """A declaration cannot be used; from a whole file one line: file, entry, problem, remedy."""

    def __init__(self, told: str = "") -> None:
        # A name in a file may hold line breaks, and what moves a terminal's cursor.
        super().__init__("".join(each if each.isprintable() else " " for each in told))


class DeclarationKind(NamedTuple):
    """What is declared, in the word that messages use, and the error of such files."""

    name: str
    error: type[DeclarationError]
