"""Rows as BigQuery's client reads them -> lines, as `--rows_output` writes and loads take them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from schemas.bigquery_json import encode_json
from schemas.tables import Column

__all__ = ["stored_line"]

_EXACT = 2**53 - 1


def stored_line(values: Mapping[str, Any], columns: Sequence[Column]) -> bytes:
    """Return a row as a JSON object: of its values those that the columns name, without nulls.

    Fields of records that are not declared (any more) are left out as well.

    >>> stored_line({"n": 2**60, "old": 1}, [Column("a", "STRING"), Column("n", "INTEGER")])
    b'{"n":"1152921504606846976"}'
    """
    return encode_json(_record(values, columns))


def _record(values: Mapping[str, Any], columns: Sequence[Column]) -> dict[str, Any]:
    told = {}
    for column in columns:
        value = values.get(column.name)
        # BigQuery knows no difference between an empty list and none.
        if value is not None and value != []:
            told[column.name] = _value(value, column)
    return told


def _value(value: Any, column: Column) -> Any:
    if isinstance(value, list):
        return [_value(each, column) for each in value]
    if column.type == "RECORD":
        return _record(value, column.fields)
    if isinstance(value, Decimal):
        return _digits(value, column.scale)
    # Readers of JSON round what is larger.
    return str(value) if column.type == "INTEGER" and abs(value) > _EXACT else value


def _digits(value: Decimal, scale: int | None) -> str:
    """Return a decimal with the digits of its column, of which BigQuery keeps those that count."""
    shown = f"{value:f}"
    if scale is None:
        return shown
    whole, _, fraction = shown.partition(".")
    return f"{whole}.{fraction[:scale]:0<{scale}}" if scale else whole
