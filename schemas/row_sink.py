"""Where rows of tables go, and what has to be known of them there: one value, made of options."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.merge_rows import MergeRule
from schemas.row_order import ROW_ORDER, Ordered
from schemas.table_names import Datasets
from schemas.tables import Table, TableError

__all__ = ["METHODS", "RowSink", "merge_rule"]

METHODS = ("files", "inserts", "load", "storage")

_INSERT_ID = "insert_id"


@dataclass(frozen=True)
class RowSink:
    """One of four ways to write rows; made by `files`, `inserts`, `load` or `storage`.

    Args:
        method: which.
        path: of the folder for `files`.
        datasets: of the tables; None for `files`.
        staging: `gs://` folder for the objects that are loaded.
        run: names the run; load jobs, merges and staging tables of one run have the same ids
            whenever they are tried again.
        expires: when staging tables are gone at the latest, in microseconds since the epoch.
        rules: for `load`, how rows of each table are merged.
        columns: for `storage`, the columns of each table in BigQuery's JSON form.
        expansion_service: for `storage`, `HOST:PORT` of one that runs; "" to start one.
        counted: how the counters of its rows begin.
    """

    method: str
    path: str = ""
    datasets: Datasets | None = None
    staging: str = ""
    run: str = ""
    expires: int = 0
    rules: Mapping[str, MergeRule] = field(default_factory=dict)
    columns: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    expansion_service: str = ""
    counted: str = "rows"

    @classmethod
    def files(cls, path: str) -> "RowSink":
        """Write NDJSON: `PATH/<dataset>.<table>/<digest>.ndjson`."""
        return cls("files", path=path)

    @classmethod
    def inserts(cls, datasets: Datasets) -> "RowSink":
        """Insert rows as they come (tabledata.insertAll)."""
        return cls("inserts", datasets=datasets)

    @classmethod
    def load(
        cls, datasets: Datasets, staging: str, tables: Iterable[Table], *, run: str, expires: int
    ) -> "RowSink":
        """Load objects into staging tables and merge these; for bounded input."""
        rules = {table.full_name: merge_rule(table) for table in tables}
        return cls("load", "", datasets, staging, run, expires, rules)

    @classmethod
    def storage(
        cls, datasets: Datasets, tables: Iterable[Table], expansion_service: str = ""
    ) -> "RowSink":
        """Append by the Storage Write API; needs an expansion service, or Java to start one."""
        columns = {table.full_name: table.schema() for table in tables}
        service = expansion_service
        return cls("storage", datasets=datasets, columns=columns, expansion_service=service)

    def full_name(self, table: str) -> str:
        """Return the full name of a table of the suite.

        >>> RowSink.inserts(Datasets("my-project", "dev_")).full_name("ops.late")
        'my-project.dev_ops.late'
        """
        assert self.datasets is not None
        return self.datasets.full(table)


def merge_rule(table: Table) -> MergeRule:
    """Return how rows of a table are merged.

    Of rows of one key the first by `ROW_ORDER` stays, as far as the table has its columns: the rule
    of the `_current` views.

    Raises:
        TableError: nothing tells its rows apart.
    """
    names = {column.name: column.type for column in table.columns}
    key = table.key or tuple({_INSERT_ID} & set(names))
    if not key:
        msg = f"{table.full_name}: no key tells its rows apart, so it cannot be loaded; insert them"
        raise TableError(msg)
    order = tuple(by for by in ROW_ORDER if _columns(by) <= names.keys())
    dated = table.partition is not None and names.get(table.partition) == "TIMESTAMP"
    return MergeRule(key, order, table.partition if dated else None)


def _columns(by: Ordered) -> set[str]:
    return {by} if isinstance(by, str) else set(by.columns)
