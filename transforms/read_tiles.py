"""Reads the tiles of some rows of a Bigtable table, as readers of features do."""

import warnings
from collections.abc import Iterable, Iterator

from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud.bigtable.data import BigtableDataClient, ReadRowsQuery
from google.cloud.bigtable.data.exceptions import (
    FailedQueryShardError,
    RetryExceptionGroup,
    ShardedReadRowsExceptionGroup,
)
from google.cloud.bigtable.data.row_filters import FamilyNameRegexFilter

from schemas.bigtable_table import TableName
from schemas.cells import TILE_FAMILY
from schemas.tiles import ReadCell

__all__ = ["UnreadableTableError", "read_tiles"]

_PATIENCE = 60.0
_ROWS_A_REQUEST = 50
_FAILURES = (
    GoogleAPICallError,
    RetryError,
    GoogleAuthError,
    FailedQueryShardError,
    RetryExceptionGroup,
    ShardedReadRowsExceptionGroup,
)


class UnreadableTableError(RuntimeError):
    """A Bigtable table cannot be read: one line."""


def read_tiles(table: TableName, keys: Iterable[bytes]) -> Iterator[tuple[bytes, list[ReadCell]]]:
    """Yield the tile cells of those rows that are there, of every version, in batches of rows.

    Raises:
        UnreadableTableError: the table is missing, or Bigtable does not answer.
    """
    wanted = sorted(keys)
    try:
        with warnings.catch_warnings():
            # Whoever set the emulator's address knows of it.
            warnings.filterwarnings("ignore", "Connecting to Bigtable emulator")
            client = BigtableDataClient(project=table.project)
        with client:
            opened = client.get_table(table.instance, table.table)
            for first in range(0, len(wanted), _ROWS_A_REQUEST):
                query = ReadRowsQuery(
                    row_keys=list(wanted[first : first + _ROWS_A_REQUEST]),
                    row_filter=FamilyNameRegexFilter(TILE_FAMILY),
                )
                rows = opened.read_rows(
                    query, operation_timeout=_PATIENCE, attempt_timeout=_PATIENCE
                )
                for row in rows:
                    yield (
                        row.row_key,
                        [
                            (
                                cell.family,
                                cell.qualifier.decode(),
                                cell.timestamp_micros,
                                cell.value,
                            )
                            for cell in row.cells
                        ],
                    )
    except _FAILURES as error:
        told = " ".join(str(error).split())[:200]
        msg = f"{table}: cannot be read ({type(error).__name__}: {told})"
        raise UnreadableTableError(msg) from None
