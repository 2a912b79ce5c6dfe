"""The options by which a job that makes rows is told where they go and how."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.option_words import Kind, Words
from pipelines.options import UsageError, one_of, path, required, runs_here, text
from pipelines.shared_options import only_one
from schemas.credentials import BIGQUERY, require_credentials
from schemas.locations import is_remote, write_problem
from schemas.row_sink import RowSink
from schemas.table_names import Datasets
from schemas.tables import Table, TableError
from schemas.times import SECOND
from transforms.bigquery_connection import bigquery_client
from transforms.check_tables import check_tables
from transforms.expand_java import is_address
from transforms.object_store import check_path, has_bucket

__all__ = ["ROWS", "ROWS_ONLY_WITH", "check_rows", "row_sink"]

_METHODS = ("load", "inserts", "storage")

ROWS = {
    "rows_output": Words(
        "folder for the rows as NDJSON, one folder for each table", Kind.OUTPUT_FOLDER
    ),
    "bigquery_project": Words("project of the tables in BigQuery", Kind.PROJECT),
    "dataset_prefix": Words("stands before the name of each dataset", example="dev_"),
    "write_method": Words(
        "how rows are written (default: load of bounded input, else inserts)",
        Kind.CHOICE,
        example="inserts",
        choices=_METHODS,
    ),
    "staging": Words(
        "folder in Cloud Storage for what is loaded; with --write_method=load",
        Kind.OUTPUT_FOLDER,
        example="gs://my-bucket/staging",
    ),
    "expansion_service": Words(
        "HOST:PORT of a running expansion service of Beam's Java, seen from the launch; by default"
        " the launch starts one itself; with --write_method=storage",
        Kind.ADDRESS,
    ),
}
"""Options with their words for `--help`."""

ROWS_ONLY_WITH = {
    "bigquery_project": ("dataset_prefix", "write_method", "staging", "expansion_service")
}
"""Options that do nothing without another one."""

_SINKS = ("rows_output", "bigquery_project")
_STAGED_FOR = 2 * 86_400 * SECOND


def row_sink(given: Any, tables: Sequence[Table], *, bounded: bool, now: int, run: str) -> RowSink:
    """Return where rows go.

    Args:
        given: the parsed options, which have those of `ROWS`.
        tables: all that the job writes.
        bounded: whether the input ends, so that rows can be loaded.
        now: time of the launch in microseconds; staging tables expire two days later.
        run: names the run.

    Raises:
        UsageError: one line that names the option and the remedy.
    """
    if only_one(given, _SINKS) == "rows_output":
        return RowSink.files(path(given.rows_output) or "")
    default = "load" if bounded else "inserts"
    method = one_of("write_method", given.write_method, _METHODS, default)
    if method != "load" and text(given.staging):
        msg = f"--staging goes with --write_method=load, not with {method}: leave it out"
        raise UsageError(msg)
    service = _expansion_service(given.expansion_service, method)
    try:
        datasets = Datasets(text(given.bigquery_project) or "", text(given.dataset_prefix) or "")
        if method == "storage":
            return RowSink.storage(datasets, tables, service)
        if method == "inserts":
            return RowSink.inserts(datasets)
        expires = now + _STAGED_FOR
        staging = _staging(given.staging, bounded)
        return RowSink.load(datasets, staging, tables, run=run, expires=expires)
    except TableError as error:
        msg = f"--bigquery_project: {error}"
        raise UsageError(msg) from None


def check_rows(
    sink: RowSink,
    tables: Sequence[Table],
    runner: str,
    declared: Mapping[str, str | None] | None = None,
) -> None:
    """Raise where a sink cannot be used from here; nothing is made.

    Where an engine's own machines do the work, only they see the tables and say what is missing.

    Args:
        sink: where rows go.
        tables: all that the job writes.
        runner: the engine.
        declared: as given to `check_tables`.

    Raises:
        UsageError: the folder cannot be written, the bucket is not there, or a table is missing or
            has other columns.
        CredentialsError: a service of Google is named, and there are no credentials.
    """
    if not runs_here(runner):
        return
    if sink.method == "storage":
        msg = (
            "--write_method=storage: its sink is Java, which no engine on this machine runs; name"
            " --runner=DataflowRunner, or use load or inserts"
        )
        raise UsageError(msg)
    for option, place in (("rows_output", sink.path), ("staging", sink.staging)):
        if is_remote(place):
            require_credentials(f"--{option}={place}")
        elif place and (problem := write_problem(place, is_file=False)):
            msg = f"--{option}={place}: {problem}"
            raise UsageError(msg)
    if is_remote(sink.staging) and not has_bucket(sink.staging):
        msg = f"--staging={sink.staging}: no such bucket; create it, in the location of the tables"
        raise UsageError(msg)
    if sink.datasets is not None:
        project = sink.datasets.project
        require_credentials(f"--bigquery_project={project}", BIGQUERY)
        try:
            check_tables(bigquery_client(project), sink.datasets, tables, declared)
        except TableError as error:
            msg = f"--bigquery_project={project}: {error}"
            raise UsageError(msg) from None


def _expansion_service(value: object, method: str) -> str:
    service = text(value) or ""
    if service and method != "storage":
        msg = (
            f"--expansion_service goes with --write_method=storage, not with {method}: leave it out"
        )
        raise UsageError(msg)
    if service and not is_address(service):
        msg = f"--expansion_service={service}: write HOST:PORT, such as localhost:8097"
        raise UsageError(msg)
    return service


def _staging(value: object, bounded: bool) -> str:
    if not bounded:
        msg = "--write_method=load: a stream has no end at which to merge; use inserts or storage"
        raise UsageError(msg)
    staging = required("staging", value, "what is loaded is staged there; name a gs:// folder")
    try:
        staging = check_path(staging)
    except ValueError as error:
        msg = f"--staging: {error}"
        raise UsageError(msg) from None
    if not is_remote(staging):
        msg = f"--staging={staging}: BigQuery loads from Cloud Storage; write gs://BUCKET/FOLDER"
        raise UsageError(msg)
    return staging
