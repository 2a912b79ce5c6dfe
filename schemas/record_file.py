"""Reads the small files of JSON that hold one record each."""

from typing import TypeVar

import msgspec

__all__ = ["NOT_READ", "read_record"]

NOT_READ = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not what was asked for."""

_Record = TypeVar("_Record")


def read_record(content: bytes, kind: type[_Record], problem: str) -> _Record:
    """Return the record that a file holds.

    >>> read_record(b"7", int, "no number; move it away")
    7

    Raises:
        ValueError: it holds none; the text is the problem, and no word of the content.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except NOT_READ:
        raise ValueError(problem) from None
