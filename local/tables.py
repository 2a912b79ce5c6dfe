"""Creates tables and reads single rows, on Bigtable or its emulator."""

import operator
import os
from collections.abc import Iterator
from typing import Any

import grpc
from google.cloud import bigtable_admin_v2
from google.cloud.bigtable import row_filters
from google.cloud.bigtable.data import BigtableDataClient, ReadRowsQuery, RowRange

from local.check_rows import Found
from schemas.bigtable_table import FAMILIES, Family, TableName
from schemas.tiles import ReadCell

__all__ = ["admin_client", "create_table", "families", "read_cells", "read_rows", "read_table"]

_DAY_SECONDS = 86_400
# The client would try for ten minutes, and somebody is looking at the terminal.
_PATIENCE = 15.0
_PAGE_ROWS = 50


def create_table(name: TableName) -> None:
    """Create a table with the families of the hot path.

    Raises:
        google.api_core.exceptions.AlreadyExists: there is a table of this name.
    """
    table = bigtable_admin_v2.Table(column_families=families())
    admin_client(os.environ.get("BIGTABLE_EMULATOR_HOST")).create_table(
        parent=name.instance_path, table_id=name.table, table=table
    )


def families() -> dict[str, object]:
    """Return the families and their garbage collection as the admin API takes them."""
    return {family.name: {"gc_rule": _rule(family)} for family in FAMILIES}


def _rule(family: Family) -> dict[str, object]:
    if family.max_versions is not None:
        return {"max_num_versions": family.max_versions}
    return {"max_age": {"seconds": (family.max_age_days or 0) * _DAY_SECONDS}}


def read_cells(
    name: TableName, key: bytes, only: row_filters.RowFilter | None = None
) -> list[ReadCell]:
    """Return the cells of one row, of every version; none where there is no such row.

    Args:
        name: of the table.
        key: of the row.
        only: which cells are meant; all of them where it is not said.
    """
    with BigtableDataClient(project=name.project) as client:
        table = client.get_table(name.instance, name.table)
        row = table.read_row(
            key,
            row_filter=only or row_filters.PassAllFilter(True),
            operation_timeout=_PATIENCE,
            attempt_timeout=_PATIENCE,
        )
    return _cells_of(row) if row is not None else []


def read_table(name: TableName) -> Iterator[Found]:
    """Yield all cells of a table, of every version, row by row."""
    for key, cells in read_rows(name):
        for family, qualifier, timestamp, value in cells:
            yield key.decode(), family, qualifier, timestamp, value


def read_rows(name: TableName) -> Iterator[tuple[bytes, list[ReadCell]]]:
    """Yield each row's key and all of its cells, of every version, in order of row keys.

    Rows are asked for a few at a time: memory is bounded by them, and whoever reads may be slow,
    while a single long read would run out of its time.
    """
    after: RowRange | None = None
    with BigtableDataClient(project=name.project) as client:
        table = client.get_table(name.instance, name.table)
        while page := _page(table, after):
            for row in page:
                yield row.row_key, _cells_of(row)
            after = RowRange(start_key=page[-1].row_key, start_is_inclusive=False)


def _page(table: Any, after: RowRange | None) -> list[Any]:
    query = ReadRowsQuery(
        row_ranges=after, limit=_PAGE_ROWS, row_filter=row_filters.PassAllFilter(True)
    )
    rows: list[Any] = table.read_rows(query, operation_timeout=_PATIENCE, attempt_timeout=_PATIENCE)
    return rows


def _cells_of(row: Any) -> list[ReadCell]:
    cells = [
        (cell.family, cell.qualifier.decode(), cell.timestamp_micros, cell.value)
        for cell in row.cells
    ]
    # The emulator puts the families of each table in an order of its own.
    return sorted(cells, key=operator.itemgetter(0))


def admin_client(address: str | None) -> bigtable_admin_v2.BaseBigtableTableAdminClient:
    """Return a client for tables: of the emulator at an address, or of Google Cloud."""
    if not address:
        return bigtable_admin_v2.BaseBigtableTableAdminClient()
    kind = bigtable_admin_v2.BaseBigtableTableAdminClient.get_transport_class("grpc")
    return bigtable_admin_v2.BaseBigtableTableAdminClient(
        transport=kind(channel=grpc.insecure_channel(address))
    )
