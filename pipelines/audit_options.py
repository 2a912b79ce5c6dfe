"""The options of an audit and the configuration they are parsed into, once."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import shared_options as shared
from pipelines.common_arguments import DECLARED, RUN
from pipelines.option_words import Kind, Words
from pipelines.options import (
    UsageError,
    add_options,
    count,
    duration,
    moment,
    path,
    refuse_idle,
    required,
    text,
)
from schemas.bigtable_table import TableName
from schemas.locations import is_remote, write_problem
from schemas.table_names import Datasets
from schemas.tables import TableError
from transforms.audit_layers import AuditPlaces
from transforms.object_store import check_path

__all__ = ["AuditConfig", "AuditOptions"]

_FOLDER_OF_ROWS = Words(
    "folder that --rows_output of the jobs wrote; the findings go there as well", Kind.FOLDER
)
_GROUPS: dict[str, Mapping[str, str]] = {
    "what is audited": {
        "input_archive": Words(
            "root of the raw archive", Kind.FOLDER, example="gs://my-archive", needed=True
        ),
        "source": Words(
            "of the archive, where others of it feed other tables (default: all)",
            example="my-events",
        ),
        "from": Words(
            "RFC 3339 time at which the span begins: of publishing in the archive, of events in"
            " tables",
            Kind.MOMENT,
            needed=True,
        ),
        "to": Words(
            "its end, not in it; the archive must be complete up to there",
            Kind.MOMENT,
            needed=True,
        ),
    },
    "tables, one of the first two": {
        "bigquery_project": Words("project of the tables", Kind.PROJECT),
        "rows": _FOLDER_OF_ROWS,
        "dataset_prefix": Words(
            "stands before the name of each dataset, such as dev_", example="dev_"
        ),
    },
    "what explains a message beside them": {
        "quarantine": Words(
            "folder of the jobs' --quarantine_output",
            Kind.FOLDER,
            example="gs://my-bucket/quarantine",
        ),
        "late": Words(
            "folder of a job's --late_output", Kind.FOLDER, example="gs://my-bucket/late"
        ),
    },
    "values that are served, compared for a sample": {
        "bigtable_table": Words(
            "Bigtable table that the hot path writes, projects/P/instances/I/tables/T",
            Kind.BIGTABLE,
        ),
        "sample_entities": Words("entities of each feature set", Kind.COUNT, default="100"),
        "features": DECLARED["features"],
    },
    "what is declared": {
        "quality": Words(
            "file or folder of checks (default: the shipped ones)",
            Kind.FILE_OR_FOLDER,
            example="gs://my-bucket/quality",
        ),
        "contracts": DECLARED["contracts"],
        "metrics": Words(
            "file or folder of metrics (default: the shipped ones)",
            Kind.FILE_OR_FOLDER,
            example="gs://my-bucket/metrics",
        ),
    },
    "bounds": {
        "max_future": Words(
            "how far ahead of its publishing an event may be, as in the jobs",
            Kind.DURATION,
            default="1d",
        ),
        "max_event_bytes": Words("the largest message, as in the jobs", Kind.SIZE, default="1MB"),
        "run_id": Words(
            "name of the audit (default: the time of the launch)", example="audit-2026-01-31"
        ),
        "now": RUN["now"],
    },
}
_TABLES = ("rows", "bigquery_project")
_SERVED = ("sample_entities", "features")


class AuditOptions(PipelineOptions):
    """Command line of an audit; every value arrives as text."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(parser, _GROUPS)


@dataclass(frozen=True, kw_only=True)
class AuditConfig:
    """The constants of an audit; times in microseconds.

    Either `rows_folder` or `datasets` is given. `source` is "" where all are audited; those that
    there are come into `places` when the archive has been looked at.
    """

    places: AuditPlaces
    source: str
    rows_folder: str | None
    datasets: Datasets | None
    quality: str | None
    contracts: str | None
    metrics: str | None
    served: TableName | None
    features: str | None
    sample_entities: int
    max_future: int
    max_event_bytes: int
    run: str
    now: int
    input_files: None = None
    input_subscription: None = None
    counters_output: None = None
    job: ClassVar[str] = "audit"

    @classmethod
    def of(cls, options: PipelineOptions) -> "AuditConfig":
        """Check and convert the options; nothing is opened.

        Raises:
            UsageError: one line that names the option and the remedy.
        """
        given = options.view_as(AuditOptions)
        now = shared.launch_time(given.now)
        is_files = shared.only_one(given, _TABLES) == "rows"
        refuse_idle(given, {"bigquery_project": ("dataset_prefix",), "bigtable_table": _SERVED})
        name = shared.table(given.bigtable_table)
        return cls(
            places=_places(given),
            source=shared.source("source", given.source),
            rows_folder=_folder("rows", given.rows) if is_files else None,
            datasets=None if is_files else _datasets(given),
            quality=path(given.quality),
            contracts=path(given.contracts),
            metrics=path(given.metrics),
            served=None if name is None else TableName.parse(name),
            features=path(given.features),
            sample_entities=count("sample_entities", given.sample_entities, 100, 1_000_000),
            max_future=duration("max_future", given.max_future, "1d"),
            max_event_bytes=shared.size("max_event_bytes", given.max_event_bytes, 1_000_000),
            run=shared.run_id(given.run_id, now),
            now=now,
        )


def _places(given: AuditOptions) -> AuditPlaces:
    required("input_archive", given.input_archive, "name the root of the raw archive")
    root = shared.archive("input_archive", given.input_archive)
    start, end = (
        moment(name, required(name, getattr(given, name), "give an RFC 3339 time"))
        for name in ("from", "to")
    )
    assert start is not None
    assert end is not None
    if start >= end:
        msg = f"--from={getattr(given, 'from')} is not before --to={given.to}; give a span"
        raise UsageError(msg)
    quarantine, late = (_folder(name, getattr(given, name)) for name in ("quarantine", "late"))
    return AuditPlaces(root, (), start, end, quarantine, late)


def _folder(name: str, value: object) -> str | None:
    given = path(value)
    if given is None:
        return None
    try:
        folder = check_path(given)
    except ValueError as error:
        msg = f"--{name}: {error}"
        raise UsageError(msg) from None
    if not is_remote(folder) and (problem := write_problem(folder, is_file=False)):
        msg = f"--{name}={folder}: {problem}"
        raise UsageError(msg)
    return folder


def _datasets(given: AuditOptions) -> Datasets:
    try:
        return Datasets(text(given.bigquery_project) or "", text(given.dataset_prefix) or "")
    except TableError as error:
        msg = f"--bigquery_project: {error}"
        raise UsageError(msg) from None
