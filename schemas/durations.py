"""Lengths of time as people write them: `90s`, `5m`, `1h`, `30d`, or a plain number of seconds."""

import re

__all__ = ["format_duration", "parse_duration"]

_MICROS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_FORM = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)?")


def parse_duration(text: str) -> int:
    """Return the length in microseconds.

    >>> parse_duration("5m"), parse_duration("0.5")
    (300000000, 500000)

    Raises:
        ValueError: the text is not a number with an optional unit; the message names the remedy.
    """
    form = _FORM.fullmatch(text.strip())
    if form is None:
        msg = f"{text!r} is no length of time: write a number and its unit, such as 90s or 1h"
        raise ValueError(msg)
    return round(float(form[1]) * _MICROS[form[2] or "s"])


def format_duration(micros: int) -> str:
    """Return the shortest form that `parse_duration` reads back.

    >>> format_duration(3_600_000_000), format_duration(1_500_000)
    ('1h', '1500ms')
    """
    for unit in ("d", "h", "m", "s", "ms"):
        if micros % _MICROS[unit] == 0:
            return f"{micros // _MICROS[unit]}{unit}"
    return f"{micros / 1e6:.6f}s"
