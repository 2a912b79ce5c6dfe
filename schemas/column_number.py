"""Numbers in rows that anyone may have put there, as no job of the suite writes them."""

import re
from decimal import Decimal
from typing import Any

import msgspec

__all__ = ["column_number"]

_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_BOUND = 2**63
_MOST_DIGITS = 76
"""In front of the point, of a decimal; that of a few letters can have a billion."""


def column_number(value: Any) -> Any:
    """Return a number that a column can hold, an integer also where it is text; null is itself.

    Raises:
        msgspec.ValidationError: no column holds it.

    >>> column_number("-12"), column_number(Decimal("0.5")), column_number(None)
    (-12, Decimal('0.5'), None)
    """
    if isinstance(value, str):
        if not _INTEGER.fullmatch(value):
            msg = "no integer"
            raise msgspec.ValidationError(msg)
        value = int(value)
    if isinstance(value, int) and not -_BOUND <= value < _BOUND:
        msg = "an integer of more than 64 bits"
        raise msgspec.ValidationError(msg)
    if isinstance(value, Decimal) and not (value.is_finite() and value.adjusted() < _MOST_DIGITS):
        msg = "a decimal of too many digits, or none"
        raise msgspec.ValidationError(msg)
    return value
