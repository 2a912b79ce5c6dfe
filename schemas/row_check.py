"""What is wrong with a row of a table, told without a value; asked only of loads that failed."""

import base64
import binascii
import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from schemas.record_file import NOT_READ

__all__ = ["row_problem"]

Column = Mapping[str, Any]

_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_TIME = re.compile(r"\s*[+-]?(\d{1,4}-\d{1,2}-\d|\d+(\.\d*)?\s*\Z)", re.ASCII)
_BOUND = 2**63
_NAMES = {"INT64": "INTEGER", "BOOL": "BOOLEAN", "FLOAT64": "FLOAT"}


def row_problem(row: bytes, columns: Sequence[Column]) -> str:
    """Return the rule that a row breaks and the field, "" of one in which nothing is found.

    What is found is wrong for good; a row in which nothing is found may still be refused.

    >>> row_problem(b'{"n":"x"}', [{"name": "n", "type": "INTEGER"}])
    'another type: n'

    Args:
        row: a JSON object.
        columns: of the table, in BigQuery's JSON form.
    """
    try:
        value = msgspec.json.decode(row)
    except NOT_READ:
        return "no JSON"
    return _record_problem(value, columns, "")


def _record_problem(value: Any, columns: Sequence[Column], path: str) -> str:
    if not isinstance(value, dict):
        return f"another type: {path.rstrip('.') or 'row'}"
    # Names of columns differ by more than case.
    given = {name.lower(): each for name, each in value.items()}
    known = {column["name"].lower(): column for column in columns}
    if unknown := [name for name in value if name.lower() not in known]:
        return f"no such field: {path}{unknown[0]}"
    problems = (_column_problem(given.get(name), each, path) for name, each in known.items())
    return next(filter(None, problems), "")


def _column_problem(value: Any, column: Column, path: str) -> str:
    place, mode = path + column["name"], column.get("mode", "NULLABLE")
    if mode == "REPEATED":
        if not isinstance(value, list | None):
            return f"another type: {place}"
        return next(filter(None, (_value_problem(each, column, place) for each in value or ())), "")
    if value is None:
        return f"a required field is missing: {place}" if mode == "REQUIRED" else ""
    return _value_problem(value, column, place)


def _value_problem(value: Any, column: Column, place: str) -> str:
    kind = str(column["type"])
    if kind in ("RECORD", "STRUCT"):
        return _record_problem(value, column.get("fields", ()), f"{place}.")
    fits = _FITS.get(_NAMES.get(kind, kind), _is_anything)
    return "" if fits(value) else f"another type: {place}"


def _is_anything(_: Any) -> bool:
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_integer(value: Any) -> bool:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    return type(value) is int and -_BOUND <= value < _BOUND


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        Decimal(value)
    except (ArithmeticError, TypeError, ValueError):
        return False
    return True


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and value.lower() in _TRUTHS)


def _is_base64(value: Any) -> bool:
    try:
        return isinstance(value, str) and base64.b64decode(value) is not None
    except binascii.Error:
        return False


def _is_time(value: Any) -> bool:
    """Return False of what is no time in any of the forms that BigQuery takes."""
    if isinstance(value, str):
        return _TIME.match(value) is not None
    return type(value) in (int, float)


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.date.fromisoformat(value) is not None
    except ValueError:
        return False


_TRUTHS = ("true", "false")
_FITS: dict[str, Callable[[Any], bool]] = {
    "STRING": _is_text,
    "INTEGER": _is_integer,
    "FLOAT": _is_number,
    "NUMERIC": _is_number,
    "BIGNUMERIC": _is_number,
    "BOOLEAN": _is_truth,
    "BYTES": _is_base64,
    "DATE": _is_date,
    "TIMESTAMP": _is_time,
}
