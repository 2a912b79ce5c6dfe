"""Sizes as people write them: `128MB`, `1.5GiB`, or a plain number of bytes."""

import re

__all__ = ["format_size", "parse_size"]

_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BINARY = {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_FORM = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?(B|[KMGT]i?B)?", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Return the number of bytes; units are powers of a thousand, or of 1024 as in `MiB`.

    >>> parse_size("128MB"), parse_size("1.5 kb"), parse_size("1KiB"), parse_size("77")
    (128000000, 1500, 1024, 77)

    Raises:
        ValueError: the text is not a number with an optional unit; the message names the remedy.
    """
    form = _FORM.fullmatch(text.strip())
    if form is None:
        msg = f"{text!r} is no size: write a number and its unit, such as 500KB, 128MB or 1GiB"
        raise ValueError(msg)
    return round(float(form[1]) * (_BYTES | _BINARY)[(form[2] or "B").upper()])


def format_size(size: int) -> str:
    """Return a size for reading, with three digits.

    >>> format_size(999), format_size(128_400_000)
    ('999 B', '128 MB')
    """
    for unit in ("TB", "GB", "MB", "KB"):
        if size >= _BYTES[unit]:
            return f"{float(f'{size / _BYTES[unit]:.3g}'):g} {unit}"
    return f"{size} B"
