"""The errors of files that declare something: features, metrics."""

from typing import NamedTuple

__all__ = ["DeclarationError", "DeclarationKind", "in_one_line"]


class DeclarationError(ValueError):
    """A declaration cannot be used; from a whole file one line: file, entry, problem, remedy."""

    def __init__(self, told: str = "") -> None:
        super().__init__(in_one_line(told))


class DeclarationKind(NamedTuple):
    """What is declared, in the word that messages use, and the error of such files."""

    name: str
    error: type[DeclarationError]


def in_one_line(told: str) -> str:
    r"""Return a message without the line breaks and control characters of names in a file.

    >>> in_one_line("orders\n: no field")
    'orders : no field'
    """
    return "".join(each if each.isprintable() else " " for each in told)
