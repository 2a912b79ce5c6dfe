"""Checks at the launch of a job that the tables it writes are there and take its rows."""

import shlex
from collections.abc import Iterable, Mapping

from google.api_core.exceptions import (
    Forbidden,
    GoogleAPICallError,
    NotFound,
    PreconditionFailed,
    RetryError,
)
from google.api_core.retry import Retry
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from google.cloud.bigquery import DEFAULT_RETRY
from requests.exceptions import RequestException

from schemas.table_changes import unwritable
from schemas.table_names import Datasets
from schemas.tables import Table, TableError

__all__ = ["PATIENCE", "check_tables", "command_for", "told", "wait"]

PATIENCE = 20.0
"""For how many seconds BigQuery is asked again where it is busy: somebody waits at a terminal."""

_SHOWN = 3
_REMEDIES = {
    Forbidden: "check the project, and ask for the role roles/bigquery.dataEditor in it",
    NotFound: "check the project and the prefix",
}


def check_tables(
    client: bigquery.Client,
    datasets: Datasets,
    tables: Iterable[Table],
    declared: Mapping[str, str | None] | None = None,
) -> None:
    """Raise where a table is missing, or where its columns would refuse rows as declared.

    Tables are looked at and never changed. More columns than declared are none of a job's business,
    as long as they can be null.

    Args:
        client: of the project.
        datasets: where the tables are.
        tables: as they are declared.
        declared: the options that say where, for the command that mends it; None: not given.

    Raises:
        TableError: one line with what is wrong and the command that mends it.
    """
    missing: list[str] = []
    wrong: list[str] = []
    for table in tables:
        full_name = datasets.full(table.full_name)
        try:
            actual = client.get_table(full_name, retry=wait(), timeout=PATIENCE).to_api_repr()
        except NotFound:
            missing.append(full_name)
        except (GoogleAPICallError, RetryError, GoogleAuthError, RequestException) as error:
            msg = f"{full_name}: {told(error)}"
            raise TableError(msg) from None
        else:
            wrong += (f"{full_name}: {each}" for each in unwritable(table, actual))
    if missing:
        create = command_for("create", datasets, declared)
        msg = f"no such table: {_some(missing)}; {create} makes it"
        raise TableError(msg)
    if wrong:
        msg = f"{_some(wrong)}; {command_for('apply', datasets, declared)} adds what can be added"
        raise TableError(msg)


def command_for(
    verb: str, datasets: Datasets, declared: Mapping[str, str | None] | None = None
) -> str:
    """Return the command, with which whoever declared tables otherwise gets those and no others."""
    options = {"project": datasets.project, "prefix": datasets.prefix, **(declared or {})}
    given = [shlex.quote(f"--{name}={value}") for name, value in options.items() if value]
    return f"`{' '.join(['penstock', 'tables', verb, *given])}`"


def wait() -> Retry:
    """Return how often BigQuery is asked again: for `PATIENCE` seconds."""
    return DEFAULT_RETRY.with_timeout(PATIENCE)


def told(error: Exception) -> str:
    """Return what a failure of BigQuery means to whoever types, in one line with the remedy."""
    if isinstance(error, GoogleAuthError):
        return "no credentials; log in to gcloud, or export what `penstock up` prints"
    if isinstance(error, PreconditionFailed):
        return "somebody else changed it meanwhile; try again"
    remedy = _REMEDIES.get(type(error), "check the names, and that the service runs")
    return f"{_message(error)}; {remedy}"


def _message(error: Exception) -> str:
    """Return BigQuery's own words; the client's begin with the request."""
    error = getattr(error, "cause", None) or error
    told = [each.get("message") for each in getattr(error, "errors", None) or () if each]
    message = told[0] if told and told[0] else getattr(error, "message", None)
    return " ".join(str(message or type(error).__name__).split())[:300]


def _some(found: list[str]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more
