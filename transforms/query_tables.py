"""Asks BigQuery: a query with times as parameters, its rows, and its failures in one line."""

import datetime
from collections.abc import Iterator
from typing import Any

from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from requests.exceptions import RequestException

from schemas.table_names import Datasets
from schemas.tables import TableError
from transforms.bigquery_connection import bigquery_client
from transforms.check_tables import PATIENCE, told, wait

__all__ = ["query_tables"]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_YEAR_1 = -62_135_596_800_000_000
_YEAR_10000 = 253_402_300_800_000_000


def query_tables(datasets: Datasets, template: str, **times: int) -> Iterator[Any]:
    """Yield the rows of a query, page by page.

    Args:
        datasets: where the tables are.
        template: the query, with `{table:...}` where tables are named.
        times: the parameters, in microseconds; one that BigQuery cannot have is the nearest.

    Raises:
        TableError: BigQuery refused it, or does not answer; one line.
    """
    parameters = [
        bigquery.ScalarQueryParameter(name, "TIMESTAMP", _moment(micros))
        for name, micros in times.items()
    ]
    config = bigquery.QueryJobConfig(query_parameters=parameters)
    client = bigquery_client(datasets.project)
    try:
        job = client.query(datasets.sql(template), job_config=config, timeout=PATIENCE)
        yield from job.result(retry=wait())
    except (GoogleAPICallError, RetryError, GoogleAuthError, RequestException) as error:
        msg = f"{datasets.project}: {told(error)}"
        raise TableError(msg) from None


def _moment(micros: int) -> datetime.datetime:
    known = min(max(micros, _YEAR_1), _YEAR_10000 - 1)
    return _EPOCH + datetime.timedelta(microseconds=known)
