"""How commands print: lines to standard output, and what is to be said of them beside."""

import os
import sys
from collections.abc import Iterable

import typer

__all__ = ["print_lines", "say", "visible"]


def print_lines(lines: Iterable[str]) -> None:
    """Print lines while they are made; whoever reads them may stop at any."""
    try:
        for line in lines:
            typer.echo(visible(line))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads, such as `head`, has seen enough; Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(what: object) -> None:
    """Say something on standard error, in one line whatever it holds."""
    sys.stderr.write("penstock: " + visible(" ".join(str(what).split())) + "\n")


def visible(text: str) -> str:
    r"""Escape what a terminal obeys or cannot show, as names of files hold it; lines stay lines.

    >>> print(visible("a\x1b[2J" + chr(0x202E)))
    a\x1b[2J\u202e
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
