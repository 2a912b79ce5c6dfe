"""Where the demo's jobs put their rows: the local BigQuery, or files where it cannot be had."""

import datetime
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from local.errors import ServiceError
from local.services import PROJECT
from schemas.contract import load_contracts
from schemas.current_panes import current_panes
from schemas.current_rows import current_rows
from schemas.metric import Metric
from schemas.metric_tables import GOLD, pane_table
from schemas.ops_tables import RECOMPUTED
from schemas.silver_tables import silver_table
from schemas.table_names import Datasets
from schemas.tables import TableError
from schemas.times import format_rfc3339
from transforms.object_store import read_objects
from transforms.query_tables import query_tables

__all__ = ["Row", "RowFiles", "RowPlace", "RowTables"]

Row: TypeAlias = Mapping[str, Any]
"""A row as its JSON form is parsed; times are RFC 3339 texts."""

_LINES = ".ndjson"


class RowPlace(ABC):
    """Tables of rows, wherever they are."""

    name: str
    """What to call it."""

    def prepare(self) -> None:  # noqa: B027 (files need nothing)
        """Make what has to be there before a job writes.

        Raises:
            ServiceError: it cannot be made.
        """

    @abstractmethod
    def options(self) -> list[str]:
        """Return the options by which a job writes here."""

    @abstractmethod
    def audited(self) -> str:
        """Return the option by which an audit finds the rows."""

    @abstractmethod
    def rows(self, table: str) -> list[Row]:
        """Return all rows of a table, `<dataset>.<name>`; none where nobody wrote any."""

    @abstractmethod
    def current(self, metric: Metric) -> list[Row]:
        """Return what holds now of a metric, as the view `gold.<metric>` shows it."""

    @abstractmethod
    def curated(self, event_type: str) -> list[Row]:
        """Return the rows that the view `<event_type>_current` shows."""


class RowFiles(RowPlace):
    """Files below a folder, as `--rows_output` writes them."""

    name = "files"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def options(self) -> list[str]:
        """Return the option that names the folder."""
        return [f"--rows_output={self._folder}"]

    def audited(self) -> str:
        """Return the option that names the folder."""
        return f"--rows={self._folder}"

    def rows(self, table: str) -> list[Row]:
        """Read the files of a table."""
        folder = self._folder / table
        if not folder.is_dir():
            return []
        bodies = (body for _, body in read_objects(str(folder), _LINES))
        return [msgspec.json.decode(line) for body in bodies for line in body.splitlines()]

    def current(self, metric: Metric) -> list[Row]:
        """Apply the rule of the view."""
        panes, recomputed = self.rows(pane_table(metric).full_name), self.rows(_RECOMPUTED)
        return [*current_panes(metric, panes, recomputed).values()]

    def curated(self, event_type: str) -> list[Row]:
        """Apply the rule of the view."""
        table = silver_table(load_contracts(None), event_type).full_name
        return [*current_rows(self.rows(table)).values()]


class RowTables(RowPlace):
    """Tables of the local BigQuery.

    Args:
        metrics: folder of the metrics whose tables are made.
    """

    name = "the local BigQuery"

    def __init__(self, metrics: Path) -> None:
        self._metrics = metrics
        self._datasets = Datasets(PROJECT, "")

    def prepare(self) -> None:
        """Make all tables and views, as an operator does."""
        command = ["tables", "create", f"--project={PROJECT}", f"--metrics={self._metrics}"]
        made = subprocess.run(
            [sys.executable, "-m", "console", *command], capture_output=True, text=True, check=False
        )
        if made.returncode:
            msg = f"penstock {' '.join(command)}: {made.stderr.strip()[-500:]}"
            raise ServiceError(msg)

    def options(self) -> list[str]:
        """Return the project, and the method that needs no Cloud Storage beside BigQuery."""
        return [f"--bigquery_project={PROJECT}", "--write_method=inserts"]

    def audited(self) -> str:
        """Return the option that names the project."""
        return f"--bigquery_project={PROJECT}"

    def rows(self, table: str) -> list[Row]:
        """Read a table."""
        return list(self._query(table))

    def current(self, metric: Metric) -> list[Row]:
        """Read the view."""
        return list(self._query(f"{GOLD}.{metric.name}"))

    def curated(self, event_type: str) -> list[Row]:
        """Read the view."""
        table = silver_table(load_contracts(None), event_type).full_name
        return list(self._query(f"{table}_current"))

    def _query(self, name: str) -> Iterator[Row]:
        try:
            for row in query_tables(self._datasets, f"SELECT * FROM {{table:{name}}}"):  # noqa: S608
                yield {key: _plain(value) for key, value in row.items() if value is not None}
        except TableError as error:
            raise ServiceError(str(error)) from None


def _plain(value: Any) -> Any:
    """Return a value as the JSON form of a row has it, so far as the demo looks at it."""
    if isinstance(value, datetime.datetime):
        return format_rfc3339(round(value.timestamp() * 1_000_000))
    return value


_RECOMPUTED = RECOMPUTED.full_name
