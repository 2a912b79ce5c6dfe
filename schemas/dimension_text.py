"""Values of dimensions as text: in row keys and on command lines, readable and reversible.

A key is the values in the order of their declaration, with `#` between them. A string is itself,
with `%25` for `%` and `%23` for `#`; null is `%` alone. Other values are written as rows of
BigQuery show them: digits, `true` and `false`, `2026-01-31`, `2026-01-31T12:00:00.000000Z`.
"""

import datetime
import re
from collections.abc import Callable, Sequence
from decimal import Context, Decimal, DecimalException

from schemas.metric import Dimension
from schemas.pane_rows import json_value
from schemas.times import MILLISECOND, parse_rfc3339
from schemas.values import INT64_MAX, INT64_MIN, Plain, ValueType, to_plain

__all__ = ["key_text", "parse_key", "parse_value", "value_text"]

_NULL = "%"
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_EXACT = Context(prec=10_000)


def key_text(dimensions: Sequence[Dimension], values: Sequence[Plain | None]) -> str:
    """Return the text of a key; other values have another text.

    >>> [status, size] = Dimension("status", "s", ValueType("string")), Dimension(
    ...     "size", "n", ValueType("long")
    ... )
    >>> key_text([status, size, status], ["50%#", 7, None])
    '50%25%23#7#%'
    """
    return "#".join(
        _NULL if value is None else _escaped(value_text(each.value, value))
        for each, value in zip(dimensions, values, strict=True)
    )


def parse_key(dimensions: Sequence[Dimension], text: str) -> list[Plain | None]:
    """Return the values that a text was made from.

    Raises:
        ValueError: it was not made by `key_text` of these dimensions.
    """
    parts = text.split("#") if dimensions else [text] * bool(text)
    if len(parts) != len(dimensions):
        msg = f"{len(parts)} values, and there are {len(dimensions)} dimensions"
        raise ValueError(msg)
    return [
        None if part == _NULL else parse_value(each.value, _unescaped(part))
        for each, part in zip(dimensions, parts, strict=True)
    ]


def value_text(value_type: ValueType, value: Plain) -> str:
    """Return the text of a value that is not null.

    >>> value_text(ValueType("decimal", 2), 1990), value_text(ValueType("boolean"), True)
    ('19.90', 'true')
    """
    shown = json_value(value_type, value)
    return str(shown).lower() if isinstance(shown, bool) else str(shown)


def parse_value(value_type: ValueType, text: str) -> Plain:
    """Return the value that a text stands for, also where a person has written it.

    >>> parse_value(ValueType("decimal", 2), "19.9"), parse_value(ValueType("date"), "1970-01-02")
    (1990, 1)

    Raises:
        ValueError: it is no value of this type; the message names the form, never the text.
    """
    return _PARSERS[value_type.kind](value_type, text)


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("#", "%23")


def _unescaped(text: str) -> str:
    return text.replace("%23", "#").replace("%25", "%")


def _string(_type: ValueType, text: str) -> str:
    return text


def _integer(_type: ValueType, text: str) -> int:
    if not _INTEGER.fullmatch(text) or not INT64_MIN <= int(text) <= INT64_MAX:
        msg = "no integer of 64 bits; write digits"
        raise ValueError(msg)
    return int(text)


def _boolean(_type: ValueType, text: str) -> bool:
    if text not in ("true", "false"):
        msg = "no boolean; write true or false"
        raise ValueError(msg)
    return text == "true"


def _date(value_type: ValueType, text: str) -> Plain:
    try:
        return to_plain(value_type, datetime.date.fromisoformat(text))
    except ValueError:
        msg = "no date; write it like 2026-01-31"
        raise ValueError(msg) from None


def _micros(_type: ValueType, text: str) -> int:
    return parse_rfc3339(text)


def _millis(_type: ValueType, text: str) -> int:
    return parse_rfc3339(text) // MILLISECOND


def _decimal(value_type: ValueType, text: str) -> int:
    try:
        scaled = Decimal(text).scaleb(value_type.scale, _EXACT)
        whole = int(scaled)
    except (DecimalException, ValueError, OverflowError):
        whole, scaled = 0, Decimal(1)
    if whole != scaled:
        msg = f"no decimal with at most {value_type.scale} digits behind the point"
        raise ValueError(msg)
    return whole


_PARSERS: dict[str, Callable[[ValueType, str], Plain]] = {
    "string": _string,
    "long": _integer,
    "boolean": _boolean,
    "date": _date,
    "timestamp-micros": _micros,
    "timestamp-millis": _millis,
    "decimal": _decimal,
}
