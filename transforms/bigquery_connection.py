"""The wire to BigQuery: the official client, and on it the raw insertAll call.

`BIGQUERY_EMULATOR_HOST` counts, and needs no credentials. Requests are bytes already, and the
client's own insert would decode and encode every row once more.
"""

import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.cloud import bigquery

from transforms.insert_rows import Fault, InsertFailedError, RowError
from transforms.mutate_rows import NothingWrittenError

__all__ = ["TableConnection", "bigquery_client", "encode_entry", "told_of"]

_HEAD = b'{"kind":"bigquery#tableDataInsertAllRequest","skipInvalidRows":true,"rows":['
_DOWN = {502, 503, 504}
_LIMITS = {"rateLimitExceeded", "quotaExceeded", "userRateLimitExceeded"}
_ROWS_FAULT = {400, 413, 422}
_TRANSIENT_OF_ROWS = {
    "stopped",
    "timeout",
    "backendError",
    "internalError",
    "rateLimitExceeded",
    "quotaExceeded",
    "resourcesExceeded",
}
_RULES = (
    ("no such field", "no such field"),
    ("missing required field", "a required field is missing"),
    ("cannot convert", "another type"),
    ("could not", "another type"),
    ("too large", "too large"),
)
_REMEDIES = {
    401: "give the job credentials",
    403: "grant roles/bigquery.dataEditor to the job's service account",
    404: "create it by `penstock tables create`, or mend its name",
}


def bigquery_client(project: str) -> bigquery.Client:
    """Return the process's client of a project, one for each emulator address."""
    return _client(project, os.environ.get("BIGQUERY_EMULATOR_HOST"))


@functools.cache
def _client(project: str, emulator: str | None) -> bigquery.Client:
    if not emulator:
        return bigquery.Client(project=project)
    # Other emulators are named without a scheme, so people leave it out here too.
    endpoint = emulator if "://" in emulator else f"http://{emulator}"
    options = {"api_endpoint": endpoint}
    return bigquery.Client(project, credentials=AnonymousCredentials(), client_options=options)


def encode_entry(row: bytes, insert_id: str) -> bytes:
    """Return a row as an entry of an insertAll request.

    >>> encode_entry(b'{"a":1}', "x")
    b'{"insertId":"x","json":{"a":1}}'
    """
    return b'{"insertId":%b,"json":%b}' % (msgspec.json.encode(insert_id), row)


class TableConnection:
    """A way to insert rows into one table.

    Args:
        table: `PROJECT.DATASET.TABLE`.
    """

    def __init__(self, table: str) -> None:
        project, dataset, name = table.rsplit(".", 2)
        self._table = table
        self._path = f"/projects/{project}/datasets/{dataset}/tables/{name}/insertAll"
        self._client = bigquery_client(project)

    def send(self, entries: Sequence[bytes], timeout: float) -> Mapping[int, RowError]:
        """Insert encoded entries; return the errors by position.

        Raises:
            InsertFailedError: the request failed as a whole.
            NothingWrittenError: the table is to blame, or the credentials.
        """
        try:
            answer = self._client._connection.api_request(
                method="POST",
                path=self._path,
                data=b"".join((_HEAD, b",".join(entries), b"]}")),
                content_type="application/json",
                timeout=timeout,
            )
        except GoogleAPICallError as error:
            raise self._failure(error) from None
        except (requests.exceptions.RequestException, TransportError, OSError) as error:
            told = type(error).__name__
            raise InsertFailedError(Fault.SERVER if _is_slow(error) else Fault.DOWN, told) from None
        except GoogleAuthError as error:
            raise self._nothing(type(error).__name__, _REMEDIES[401]) from None
        return {int(each["index"]): _row_error(each) for each in answer.get("insertErrors", ())}

    def _failure(self, error: GoogleAPICallError) -> Exception:
        status, reason = int(error.code or 500), _reason(error)
        told = f"{status} {reason}".strip()
        if status == 429 or reason in _LIMITS:
            return InsertFailedError(Fault.QUOTA, told)
        if status in _DOWN:
            return InsertFailedError(Fault.DOWN, told)
        if status in _REMEDIES:
            return self._nothing(told, _REMEDIES[status])
        return InsertFailedError(Fault.ROW if status in _ROWS_FAULT else Fault.SERVER, told)

    def _nothing(self, told: str, remedy: str) -> NothingWrittenError:
        return NothingWrittenError(f"nothing can be written to {self._table}, {told}: {remedy}")


def told_of(message: str) -> str:
    """Return what may be told of BigQuery's message: the rule. The message may quote a value.

    >>> told_of("Cannot convert value to integer (bad value): 4711")
    'another type'
    """
    lowered = message.lower()
    return next((rule for start, rule in _RULES if start in lowered), "")


def _row_error(answer: Mapping[str, Any]) -> RowError:
    errors = answer.get("errors") or [{}]
    blamed = next((each for each in errors if each.get("reason") != "stopped"), errors[0])
    reason = str(blamed.get("reason") or "unknown")
    parts = (reason, str(blamed.get("location") or ""), told_of(str(blamed.get("message") or "")))
    return RowError(reason not in _TRANSIENT_OF_ROWS, ": ".join(part for part in parts if part))


def _reason(error: GoogleAPICallError) -> str:
    found = [str(each.get("reason", "")) for each in error.errors or () if isinstance(each, dict)]
    return found[0] if found else ""


def _is_slow(error: Exception) -> bool:
    """Whether there was no answer in time, of which a row can be the cause."""
    return isinstance(error, requests.exceptions.Timeout)
