"""Cells -> mutations with the client's `DirectRow`, one cell per field.

The rows are only built: encoding them, which the client does when it sends, is not counted against
the peer. The cells' times are datetimes beforehand, as `DirectRow` takes them.
"""

import datetime
from collections.abc import Iterable
from typing import Any

from google.cloud.bigtable.row import DirectRow

from benchmarks.bench_mutations import main
from schemas.cells import RowChange

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_Fields = list[tuple[str, bytes, bytes, datetime.datetime]]


def _prepare(changes: list[RowChange]) -> list[tuple[bytes, _Fields]]:
    return [
        (
            change.row_key,
            [
                (
                    cell.family,
                    cell.qualifier.encode(),
                    cell.value,
                    _EPOCH + datetime.timedelta(microseconds=cell.timestamp),
                )
                for cell in change.cells
            ],
        )
        for change in changes
    ]


def _build(given: list[tuple[bytes, _Fields]]) -> list[DirectRow]:
    rows = []
    for row_key, fields in given:
        row = DirectRow(row_key)
        for family, qualifier, value, time in fields:
            row.set_cell(family, qualifier, value, timestamp=time)
        rows.append(row)
    return rows


def _read(rows: list[DirectRow]) -> Iterable[tuple[bytes, Any]]:
    for row in rows:
        yield row.row_key, [mutation._to_pb()._pb for mutation in row._get_mutations()]


if __name__ == "__main__":
    main(_prepare, _build, _read)
