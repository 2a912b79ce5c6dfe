"""Who may do what: the roles that the account of each pipeline needs, and nothing beyond them.

`tests/security` holds it against what the code of each pipeline calls, both ways; `docs/roles.md`
is written from it by `make docs`.
"""

from typing import NamedTuple

__all__ = [
    "CONDITIONS",
    "CUSTOM",
    "PEOPLE",
    "PIPELINES",
    "PLACES",
    "PREDEFINED",
    "SERVICE",
    "Grant",
    "grants_of",
]


class Grant(NamedTuple):
    """A role on a place; `options`: it is needed only where one of them is given, () is always."""

    role: str
    place: str
    options: tuple[str, ...] = ()


CUSTOM: dict[str, tuple[str, ...]] = {
    "penstockObjectWriter": ("storage.objects.create",),
    "penstockFileReplacer": ("storage.objects.create", "storage.objects.delete"),
    "penstockMarkerReplacer": ("storage.objects.delete",),
    "penstockArchiveWriter": (
        "storage.objects.create",
        "storage.objects.get",
        "storage.objects.list",
    ),
    "penstockArchiveCompactor": (
        "storage.objects.create",
        "storage.objects.delete",
        "storage.objects.get",
        "storage.objects.list",
    ),
    "penstockStagingKeeper": (
        "storage.buckets.get",
        "storage.objects.create",
        "storage.objects.delete",
        "storage.objects.get",
        "storage.objects.list",
    ),
    "penstockSubscriptionReader": (
        "pubsub.subscriptions.consume",
        "pubsub.subscriptions.get",
    ),
    "penstockCellWriter": ("bigtable.tables.mutateRows",),
    "penstockRowAppender": ("bigquery.tables.get", "bigquery.tables.updateData"),
    "penstockRowLoader": (
        "bigquery.tables.create",
        "bigquery.tables.delete",
        "bigquery.tables.get",
        "bigquery.tables.getData",
        "bigquery.tables.update",
        "bigquery.tables.updateData",
    ),
}
"""Roles of one's own, where those that Google defines would allow more than is called."""

PREDEFINED: dict[str, tuple[str, ...]] = {
    "roles/bigquery.dataViewer": ("bigquery.tables.get", "bigquery.tables.getData"),
    "roles/bigquery.jobUser": ("bigquery.jobs.create",),
    "roles/bigtable.reader": ("bigtable.instances.ping", "bigtable.tables.readRows"),
    "roles/secretmanager.secretAccessor": ("secretmanager.versions.access",),
    "roles/storage.objectViewer": ("storage.objects.get", "storage.objects.list"),
}
"""Google's roles, with what the suite needs of them."""

PLACES: dict[str, str] = {
    "project": "the project",
    "repository": "the repository of the image",
    "job bucket": "the bucket of `--staging_location` and `--temp_location`",
    "subscription": "the subscription",
    "declarations": "the bucket of contracts, features and metrics",
    "secret": "the pseudonym key",
    "input": "the bucket that is read from",
    "rows": "the bucket of rows",
    "archive": "the archive's bucket",
    "marker": "the archive's bucket, on condition",
    "quarantine": "the quarantine's bucket",
    "outputs": "each bucket that an output or `--quarantine` names",
    "file": "the bucket of a single file of cells",
    "staging": "the bucket of `--staging`",
    "bigtable": "the Bigtable table",
    "instance": "the Bigtable instance",
    "datasets": "the datasets",
}
"""Where a role is granted, in words."""

CONDITIONS: dict[str, str] = {"marker": 'resource.name.endsWith("/_complete.json")'}
"""What a name must be for a grant to count: of an archive only the markers are ever replaced."""

SERVICE: tuple[Grant, ...] = (
    Grant("roles/dataflow.worker", "project"),
    Grant("roles/artifactregistry.reader", "repository"),
    Grant("roles/storage.objectUser", "job bucket"),
)
"""What Dataflow asks of the account of any job, whatever the job does."""

_READER = "roles/storage.objectViewer"
_DECLARED = (
    Grant(_READER, "declarations", ("contracts", "features", "metrics")),
    Grant("roles/secretmanager.secretAccessor", "secret", ("pseudonym_key",)),
)
_STREAM = Grant("penstockSubscriptionReader", "subscription", ("input_subscription",))
_FILES = Grant(_READER, "input", ("input_files",))
_LIVE = (_STREAM, _FILES, *_DECLARED)
_ARCHIVE = Grant(_READER, "archive", ("input_archive", "warm_from_archive"))
_CELLS = (
    Grant("penstockCellWriter", "bigtable", ("bigtable_table",)),
    Grant("penstockFileReplacer", "file", ("cells_output",)),
)
_OUTPUTS = ("quarantine_output", "late_output", "rows_output", "cells_output")
_RECORDS = Grant("penstockObjectWriter", "outputs", _OUTPUTS)
_INSERTS = Grant("penstockRowAppender", "datasets", ("bigquery_project",))
_LOADS = (
    Grant("penstockRowLoader", "datasets", ("staging",)),
    Grant("roles/bigquery.jobUser", "project", ("staging",)),
    Grant("penstockStagingKeeper", "staging", ("staging",)),
)

PIPELINES: dict[str, tuple[Grant, ...]] = {
    "hot_path": (
        *(*_LIVE, _ARCHIVE, *_CELLS, _RECORDS),
        # A repair is entered in the archive, where releases look for it.
        Grant("penstockObjectWriter", "archive", ("write_mode=repair",)),
    ),
    "archive_raw": (
        *(_STREAM, _FILES, Grant("penstockArchiveWriter", "archive")),
        Grant("penstockMarkerReplacer", "marker"),
    ),
    "compact_archive": (Grant("penstockArchiveCompactor", "archive"),),
    "curate_events": (*_LIVE, _ARCHIVE, _RECORDS, _INSERTS, *_LOADS),
    "window_metrics": (*_LIVE, _ARCHIVE, *_CELLS, _RECORDS, _INSERTS, *_LOADS),
    "recompute_windows": (
        *(*_DECLARED, _ARCHIVE, *_CELLS, _RECORDS, *_LOADS),
        Grant(_READER, "rows", ("input_rows", "rows_output")),
        Grant(_READER, "input", ("input_rows",)),
        Grant("roles/bigquery.dataViewer", "datasets", ("input_bigquery_project",)),
    ),
    "release_quarantine": (
        *(*_DECLARED, _ARCHIVE, *_CELLS, Grant(_READER, "quarantine")),
        # What is refused again goes into the quarantine that it came from.
        Grant("penstockObjectWriter", "outputs"),
        Grant("penstockObjectWriter", "archive", ("bigtable_table",)),
    ),
    "fill_from_drift": (
        *(*_DECLARED, _RECORDS, *_LOADS),
        Grant(_READER, "input", ("rows_input",)),
    ),
    "audit": (
        *(*_DECLARED[:1], Grant(_READER, "archive")),
        Grant(_READER, "quarantine", ("quarantine",)),
        Grant(_READER, "rows", ("rows",)),
        Grant("penstockObjectWriter", "rows", ("rows",)),
        Grant("roles/bigtable.reader", "instance", ("bigtable_table",)),
        Grant("roles/bigquery.dataViewer", "datasets", ("bigquery_project",)),
        Grant("roles/bigquery.jobUser", "project", ("bigquery_project",)),
        _INSERTS,
    ),
}
"""What the account of each pipeline needs beside `SERVICE`."""

PEOPLE: dict[str, tuple[Grant, ...]] = {
    "whoever launches (`penstock launch`, `gcloud dataflow flex-template run`)": (
        Grant("roles/dataflow.developer", "project"),
        Grant("roles/iam.serviceAccountUser", "the pipelines' accounts"),
        Grant(_READER, "the bucket of the templates"),
        Grant(_READER, "job bucket", ("update",)),
    ),
    "the build (`cloudbuild.yaml`)": (
        Grant("roles/logging.logWriter", "project"),
        Grant("roles/artifactregistry.writer", "repository"),
        Grant("roles/storage.objectUser", "the bucket of the templates"),
    ),
    "whoever sets up (`penstock tables`, `penstock topics`)": (
        Grant("roles/bigquery.dataEditor", "project"),
        Grant("roles/bigquery.jobUser", "project"),
        Grant("roles/bigtable.admin", "instance"),
        Grant("roles/pubsub.editor", "project"),
    ),
    "whoever looks (`penstock features`, `penstock metrics`)": (
        Grant("roles/bigtable.reader", "instance"),
        Grant("roles/secretmanager.secretAccessor", "secret", ("pseudonym_key",)),
    ),
    "whoever may see raw events (`penstock archive`, `penstock quarantine`)": (
        Grant(_READER, "archive"),
        Grant(_READER, "quarantine"),
    ),
}
"""What people and the build need; from the services' documents, since they call them by hand."""


def grants_of(pipeline: str) -> tuple[Grant, ...]:
    """Return all that the account of a pipeline is granted, without what is granted twice."""
    return tuple(dict.fromkeys((*SERVICE, *PIPELINES[pipeline])))
