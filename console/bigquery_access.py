"""Looks at the datasets, tables and views of an environment, and changes them one at a time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from google.api_core.exceptions import Conflict, GoogleAPICallError, NotFound, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from requests.exceptions import RequestException

from local.bigquery_columns import is_emulated, widen_columns
from schemas.credentials import BIGQUERY, require_credentials
from schemas.table_names import Datasets
from schemas.tables import Table, TableError, View
from transforms.bigquery_connection import bigquery_client
from transforms.check_tables import PATIENCE, told, wait

__all__ = ["BigQueryAccess"]

_PROPERTIES = {"schema": "schema", "description": "description", "view": "view_query"}


class BigQueryAccess:
    """BigQuery as the commands need it; each failure is a `TableError` of one line.

    Raises:
        CredentialsError: there are none.
    """

    def __init__(self, datasets: Datasets) -> None:
        require_credentials(f"--project={datasets.project}", BIGQUERY)
        self.datasets = datasets
        with _failing(datasets.project):
            self._client = bigquery_client(datasets.project)

    def location(self, dataset: str) -> str | None:
        """Return where a dataset is, None where there is none of this name."""
        name = self._dataset(dataset)
        with _failing(name):
            try:
                return str(self._client.get_dataset(name, retry=wait(), timeout=PATIENCE).location)
            except NotFound as error:
                if "not found: project" in told(error).lower():
                    raise
                return None

    def make_dataset(self, dataset: str, doc: str, location: str | None) -> None:
        """Create a dataset; one that was made meanwhile is good too."""
        made = bigquery.Dataset(self._dataset(dataset))
        made.description = doc
        if location is not None:
            made.location = location
        with _failing(self._dataset(dataset)):
            self._client.create_dataset(made, exists_ok=True, retry=wait(), timeout=PATIENCE)

    def look(self, thing: Table | View) -> dict[str, Any] | None:
        """Return BigQuery's JSON of a table or view, None where there is none of this name."""
        name = self.datasets.full(thing.full_name)
        with _failing(name):
            try:
                there = self._client.get_table(name, retry=wait(), timeout=PATIENCE)
            except NotFound:
                return None
            found: dict[str, Any] = there.to_api_repr()
            return found

    def make(self, thing: Table | View, body: Mapping[str, Any]) -> bool:
        """Create a table or view; return whether it was not there yet."""
        made = bigquery.Table.from_api_repr({**body, "tableReference": self._reference(thing)})
        with _failing(self.datasets.full(thing.full_name)):
            try:
                self._client.create_table(made, retry=wait(), timeout=PATIENCE)
            except Conflict:
                return False
            return True

    def patch(self, thing: Table | View, there: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        """Change what `body` names of a table or view, unless somebody else just did."""
        after = {**there, **body}
        changed = [_PROPERTIES[name] for name in body]
        name = self.datasets.full(thing.full_name)
        with _failing(name):
            table = bigquery.Table.from_api_repr(after)
            self._client.update_table(table, changed, retry=wait(), timeout=PATIENCE)
            if "schema" in body and is_emulated():
                widen_columns(self._client, name, there, after)

    def query(self, thing: Table | View, sql: str) -> list[Any]:
        """Return the rows of a query, or of a statement, about a table or view."""
        with _failing(self.datasets.full(thing.full_name)):
            return list(self._client.query(sql, timeout=PATIENCE).result())

    def _dataset(self, name: str) -> str:
        return f"{self.datasets.project}.{self.datasets.dataset(name)}"

    def _reference(self, thing: Table | View) -> dict[str, str]:
        dataset = self.datasets.dataset(thing.dataset)
        return {
            "projectId": self.datasets.project, "datasetId": dataset, "tableId": thing.name,
        }  # fmt: skip


@contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except (GoogleAPICallError, RetryError, GoogleAuthError, RequestException) as error:
        msg = f"{what}: {told(error)}"
        raise TableError(msg) from None
