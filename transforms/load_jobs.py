"""Load jobs and merges of one run: whoever asks for one again gets the one that there is.

The id of a job is made of the run and the content, so a retry that asks for it is answered by 409
and waits for the first one. A job that failed of something passing is tried under its next id, for
an id is taken for good.
"""

import datetime
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from google.api_core.exceptions import Conflict, GoogleAPICallError, NotFound
from google.cloud import bigquery

from schemas.merge_rows import MergeRule, Span, digest_of, merge_statement
from transforms.bigquery_connection import bigquery_client
from transforms.mutate_rows import Patience

__all__ = ["BadRowsError", "LoadFailedError", "TableLoad"]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_NDJSON = bigquery.SourceFormat.NEWLINE_DELIMITED_JSON
_ATTEMPTS = 6
_CALL_SECONDS = 60.0
"""Of one request; a job itself may take as long as it needs."""
_BAD_ROWS = "invalid"
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 32.0
_PASSING_STATUS = {429, 500, 502, 503, 504}
_PASSING_REASONS = {
    "backendError",
    "internalError",
    "jobBackendError",
    "jobInternalError",
    "jobRateLimitExceeded",
    "rateLimitExceeded",
    "quotaExceeded",
    "tableUnavailable",
    "timeout",
}
# Two statements change one table at the same time: one of them is given up.
_CONCURRENT = "concurrent update"
_REMEDIES = {
    401: "give the job credentials",
    403: "grant roles/bigquery.dataEditor and roles/bigquery.jobUser to the job's service account",
    404: "create it by `penstock tables create`, or mend its name",
}


class LoadFailedError(RuntimeError):
    """Rows cannot be loaded or merged; the text is one line that names the table."""


class BadRowsError(Exception):
    """A load job says that rows of it are bad."""


@dataclass
class TableLoad:
    """What one run does with one table.

    Args:
        table: `PROJECT.DATASET.TABLE`.
        run: names the run.
        expires: when the staging table is gone at the latest, in microseconds since the epoch.
        sleep: waits, between attempts.
    """

    table: str
    run: str
    expires: int
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        """Look at the table: it names the columns and the location of all jobs."""
        project, dataset, name = self.table.rsplit(".", 2)
        self._client = bigquery_client(project)
        self.staging = f"{self.table}__staging_{digest_of(self.run, self.table)}"
        self._base = f"{dataset}_{name}"
        with self._told():
            self._found = self._client.get_table(self.table, timeout=_CALL_SECONDS)
        self.columns = [field.to_api_repr() for field in self._found.schema]

    def prepare(self) -> None:
        """Make the staging table, unless it is there.

        It has no partitions: each of a load job's would count against the quota of changes, and
        expire as those of the table do.
        """
        staging = bigquery.Table(self.staging, self._found.schema)
        staging.expires = _EPOCH + datetime.timedelta(microseconds=self.expires)
        with self._told():
            self._client.create_table(staging, exists_ok=True, timeout=_CALL_SECONDS)

    def load(self, uri: str, name: str) -> None:
        """Append an NDJSON object to the staging table, once in this run.

        Args:
            uri: of the object.
            name: of its content.

        Raises:
            BadRowsError: rows of it do not fit, for good.
            LoadFailedError: the job failed of anything else.
        """
        config = bigquery.LoadJobConfig(
            source_format=_NDJSON,
            schema=self._found.schema,
            create_disposition="CREATE_NEVER",
            write_disposition="WRITE_APPEND",
        )
        start = functools.partial(
            self._client.load_table_from_uri,
            uri,
            self.staging,
            location=self._found.location,
            job_config=config,
            timeout=_CALL_SECONDS,
        )
        base = f"penstock_load_{self._base}_{digest_of(self.run, self.table, name)}"
        try:
            self._once(base, lambda job_id: start(job_id=job_id))
        except GoogleAPICallError as error:
            if _reason(error) == _BAD_ROWS:
                raise BadRowsError from None
            self._raise(error)

    def merge(self, rule: MergeRule, spans: Sequence[Span | None], rows: int, content: str) -> None:
        """Merge what is staged, range by range, each once in this run; then drop what is staged.

        Args:
            rule: of the table.
            spans: the ranges of partitions that the staged rows are in.
            rows: how many were staged, at least.
            content: stands for all that was loaded.

        Raises:
            LoadFailedError: a merge failed, or staged rows are gone.
        """
        names = [column["name"] for column in self.columns]
        for span in spans:
            sql = merge_statement(self.table, self.staging, names, rule, span)
            base = f"penstock_merge_{self._base}_{digest_of(self.run, sql, content)}"
            if not self._is_done(base):
                self._check_staged(rows)
                with self._told():
                    self._once(base, functools.partial(self._query, sql))
        with self._told():
            self._client.delete_table(self.staging, not_found_ok=True, timeout=_CALL_SECONDS)

    def _query(self, sql: str, job_id: str) -> Any:
        # The client's own way of trying again needs ids that it makes up itself.
        return self._client.query(
            sql,
            job_id=job_id,
            job_retry=None,
            location=self._found.location,
            timeout=_CALL_SECONDS,
        )

    def _check_staged(self, rows: int) -> None:
        """A load that is done is not done again, also where its staging table has expired."""
        try:
            found = self._client.get_table(self.staging, timeout=_CALL_SECONDS).num_rows or 0
        except NotFound:
            found = 0
        if found < rows:
            msg = f"{self.table}: staged rows of run {self.run} have expired; start another run"
            raise LoadFailedError(msg)

    def _is_done(self, base: str) -> bool:
        """Return whether a job of some attempt has succeeded."""
        for attempt in range(_ATTEMPTS):
            try:
                self._found_job(f"{base}_{attempt}").result()
            except NotFound:
                return False
            except GoogleAPICallError:
                continue
            return True
        return False

    def _once(self, base: str, start: Callable[[str], Any]) -> None:
        """Run a job of this id, or wait for the one that there is."""
        for attempt in range(_ATTEMPTS):
            job_id = f"{base}_{attempt}"
            try:
                self._job(job_id, start).result()
            except GoogleAPICallError as error:
                if attempt + 1 == _ATTEMPTS or not _passes(error):
                    raise
                self._rest(attempt)
                continue
            return

    def _job(self, job_id: str, start: Callable[[str], Any]) -> Any:
        try:
            return start(job_id)
        except Conflict:
            return self._found_job(job_id)

    def _found_job(self, job_id: str) -> Any:
        location = self._found.location
        return self._client.get_job(job_id, location=location, timeout=_CALL_SECONDS)

    def _rest(self, attempt: int) -> None:
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**attempt)
        self.sleep(longest * (0.5 + Patience().jitter() / 2))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except GoogleAPICallError as error:
            self._raise(error)

    def _raise(self, error: GoogleAPICallError) -> NoReturn:
        """Tell status and reason: the message may quote a row."""
        told = f"{self.table}: {error.code} {_reason(error)}".strip()
        remedy = _REMEDIES.get(int(error.code or 0), "see the job in BigQuery")
        msg = f"{told}: {remedy}"
        raise LoadFailedError(msg) from None


def _passes(error: GoogleAPICallError) -> bool:
    if _reason(error) in _PASSING_REASONS or _CONCURRENT in str(error.message or ""):
        return True
    return int(error.code or 0) in _PASSING_STATUS and not _reason(error)


def _reason(error: GoogleAPICallError) -> str:
    found = [str(each.get("reason", "")) for each in error.errors or () if isinstance(each, dict)]
    return found[0] if found else ""
