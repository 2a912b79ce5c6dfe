"""What the BigQuery emulator needs beside the calls that suffice in production.

It takes a changed schema without giving its store the columns.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.cloud import bigquery

from schemas.credentials import BIGQUERY
from schemas.tables import Column

__all__ = ["is_emulated", "widen_columns"]

_SQL_TYPES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
_SCALES = {"NUMERIC": 9, "BIGNUMERIC": 18}
_PATIENCE = 20.0


def is_emulated() -> bool:
    """Return whether the client of this process talks to an emulator."""
    return bool(os.environ.get(BIGQUERY))


def widen_columns(
    client: bigquery.Client, full_name: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    """Give a table of the emulator the columns, and fields, that its schema has got.

    Args:
        client: of the emulator.
        full_name: of the table.
        before: BigQuery's JSON of it before its schema was changed.
        after: the same with the new schema.
    """
    there = {column.name: column for column in _columns(before)}
    for column in _columns(after):
        for clause in _clauses(there.get(column.name), column):
            _run(client, f"ALTER TABLE `{full_name}` {clause}")


def _run(client: bigquery.Client, sql: str) -> None:
    job = client.query(sql, retry=None, job_retry=None, timeout=_PATIENCE)
    job.result(retry=None, timeout=_PATIENCE)


def _columns(table: Mapping[str, Any]) -> Sequence[Column]:
    return [Column.of(each) for each in table["schema"]["fields"]]


def _clauses(there: Column | None, column: Column) -> Iterator[str]:
    kind = _sql_type(column)
    if there is None:
        yield f"ADD COLUMN IF NOT EXISTS `{column.name}` {kind}"
    elif _sql_type(there) != kind:
        yield f"ALTER COLUMN `{column.name}` SET DATA TYPE {kind}"


def _scale(column: Column) -> int:
    """Return the scale that the store keeps decimals with, as `local/bigquery_guard.py` has it."""
    if column.type == "NUMERIC" or column.precision is None:
        return _SCALES[column.type]
    return column.scale or 0


def _sql_type(column: Column) -> str:
    kind = _SQL_TYPES.get(column.type, column.type)
    if column.type in _SCALES:
        # Without digits the store would cut to three places.
        kind = f"{kind}(38, {_scale(column)})"
    if column.type == "RECORD":
        fields = ", ".join(f"`{field.name}` {_sql_type(field)}" for field in column.fields)
        kind = f"STRUCT<{fields}>"
    return f"ARRAY<{kind}>" if column.mode == "REPEATED" else kind
