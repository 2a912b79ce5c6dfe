"""The options of an audit and the configuration they are parsed into, once."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import shared_options as shared
from pipelines.common_arguments import DECLARED
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
from schemas.credentials import BIGQUERY, BIGTABLE, require_credentials
from schemas.locations import is_remote, write_problem
from schemas.table_names import Datasets
from schemas.tables import TableError
from schemas.times import format_rfc3339
from transforms.archive_manifest import read_marker
from transforms.audit_layers import AuditPlaces
from transforms.choose_sources import choose_sources
from transforms.object_store import check_path

__all__ = ["AuditConfig", "AuditOptions"]

_GROUPS: dict[str, Mapping[str, str]] = {
    "what is audited": {
        "input_archive": "root of the raw archive",
        "source": "of the archive, where others of it feed other tables (default: all)",
        "from": "RFC 3339 time at which the span begins: of publishing in the archive, of events"
        " in tables",
        "to": "its end, not in it; the archive must be complete up to there",
    },
    "tables, one of the first two": {
        "bigquery_project": "project of the tables",
        "rows": "folder that --rows_output of the jobs wrote; the findings go there as well",
        "dataset_prefix": "stands before the name of each dataset, such as dev_",
    },
    "what explains a message beside them": {
        "quarantine": "folder of the jobs' --quarantine_output",
        "late": "folder of a job's --late_output",
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
        "quality": "file or folder of checks (default: the shipped ones)",
        "contracts": DECLARED["contracts"],
        "metrics": "file or folder of metrics (default: the shipped ones)",
    },
    "bounds": {
        "max_future": "how far ahead of its publishing an event may be, as in the jobs (1d)",
        "max_event_bytes": "the largest message, as in the jobs (1 MB)",
        "run_id": "name of the audit (default: the time of the launch)",
        "now": "RFC 3339 time of the launch (default: the clock)",
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
    """The constants of an audit; times in microseconds. Either `rows` or `datasets` is given."""

    places: AuditPlaces
    rows: str | None
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

    @classmethod
    def of(cls, options: PipelineOptions) -> "AuditConfig":
        """Check and convert the options.

        Raises:
            UsageError: one line that names the option and the remedy.
            CredentialsError: a service of Google is named, and there are no credentials.
        """
        given = options.view_as(AuditOptions)
        now = shared.launch_time(given.now)
        is_files = shared.only_one(given, _TABLES) == "rows"
        refuse_idle(given, {"bigquery_project": ("dataset_prefix",), "bigtable_table": _SERVED})
        return cls(
            places=_places(given),
            rows=_folder("rows", given.rows) if is_files else None,
            datasets=None if is_files else _datasets(given),
            quality=path(given.quality),
            contracts=path(given.contracts),
            metrics=path(given.metrics),
            served=_served(given.bigtable_table),
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
    if is_remote(root):
        require_credentials(f"--input_archive={root}")
    start, end = (
        moment(name, required(name, getattr(given, name), "give an RFC 3339 time"))
        for name in ("from", "to")
    )
    assert start is not None
    assert end is not None
    if start >= end:
        msg = f"--from={getattr(given, 'from')} is not before --to={given.to}; give a span"
        raise UsageError(msg)
    sources = choose_sources(root, shared.source("source", given.source) or None)
    for source in sources:
        _check_complete(root, source, end)
    quarantine, late = (_folder(name, getattr(given, name)) for name in ("quarantine", "late"))
    return AuditPlaces(root, tuple(sources), start, end, quarantine, late)


def _check_complete(root: str, source: str, end: int) -> None:
    """Refuse a span of which messages may still come."""
    complete = read_marker(root, source)
    if complete is None or complete < end:
        known = "nothing says" if complete is None else format_rfc3339(complete)
        msg = f"--to: source {source} of {root} is complete up to: {known}; end the span there"
        raise UsageError(msg)


def _folder(name: str, value: object) -> str | None:
    given = path(value)
    if given is None:
        return None
    try:
        folder = check_path(given)
    except ValueError as error:
        msg = f"--{name}: {error}"
        raise UsageError(msg) from None
    if is_remote(folder):
        require_credentials(f"--{name}={folder}")
    elif problem := write_problem(folder, is_file=False):
        msg = f"--{name}={folder}: {problem}"
        raise UsageError(msg)
    return folder


def _served(value: object) -> TableName | None:
    name = shared.table(value)
    if name is None:
        return None
    require_credentials(f"--bigtable_table={name}", BIGTABLE)
    return TableName.parse(name)


def _datasets(given: AuditOptions) -> Datasets:
    try:
        datasets = Datasets(text(given.bigquery_project) or "", text(given.dataset_prefix) or "")
    except TableError as error:
        msg = f"--bigquery_project: {error}"
        raise UsageError(msg) from None
    require_credentials(f"--bigquery_project={datasets.project}", BIGQUERY)
    return datasets
