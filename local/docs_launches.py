"""Builds each pipeline as it is usually launched, for its picture; nothing is read or run."""

import secrets
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from local.docs_steps import Steps, steps_of
from pipelines.job import Job
from pipelines.options import parse_options

__all__ = ["LAUNCHES", "Launch", "launched_steps"]

_TABLE = "--bigtable_table=projects/p/instances/i/tables/t"
_LIVE = ("--input_subscription=projects/p/subscriptions/s", "--pubsub_source=portable")
_REFUSED = ("--quarantine_output=quarantine", "--pseudonym_key=file:{key}")
_ARCHIVE = ("--input_archive=archive", "--source=events")
_SPAN = (*_ARCHIVE, "--from=2026-01-05T00:00:00Z", "--to=2026-01-06T00:00:00Z")
_QUERY = ("--bigquery_project=my-project", "--staging=gs://my-bucket/staging")


class Launch:
    """One way to launch a pipeline: its name, what it is in words, and its options."""

    def __init__(self, pipeline: str, words: str, *argv: str) -> None:
        self.pipeline, self.words, self.argv = pipeline, words, argv


LAUNCHES: Mapping[str, Launch] = {
    "hot_path": Launch(
        "hot_path",
        "a live job that writes to Bigtable",
        *(*_LIVE, _TABLE, *_REFUSED, "--late_output=late"),
    ),
    "repair": Launch(
        "hot_path",
        "the repair of a span in Bigtable",
        *(*_SPAN, _TABLE, *_REFUSED, "--write_mode=repair"),
    ),
    "archive_raw": Launch("archive_raw", "a live job", *_LIVE, "--archive_output=archive"),
    "compact_archive": Launch("compact_archive", "any run", "--archive=archive"),
    "curate_events": Launch(
        "curate_events", "a live job that writes to BigQuery", *_LIVE, _QUERY[0], *_REFUSED
    ),
    "fill_from_drift": Launch(
        "fill_from_drift", "a run over tables of BigQuery", *_QUERY, *_REFUSED
    ),
    "window_metrics": Launch(
        "window_metrics",
        "a live job that writes to BigQuery",
        *(*_LIVE, _QUERY[0], *_REFUSED, "--late_output=late"),
    ),
    "recompute_windows": Launch(
        "recompute_windows", "a run over the raw archive", *_SPAN, *_QUERY, *_REFUSED
    ),
    "audit": Launch(
        "audit",
        "as a job of Dataflow",
        *(_ARCHIVE[0], *_SPAN[2:], _QUERY[0], "--quarantine=quarantine", _TABLE),
    ),
    "release_quarantine": Launch(
        "release_quarantine",
        "a release into Bigtable",
        *("--quarantine=quarantine", *_ARCHIVE, _TABLE, _REFUSED[1]),
    ),
}
"""By the name of the picture."""


def launched_steps(launch: Launch) -> Steps:
    """Return the steps of the pipeline that a launch builds."""
    job: Job = import_module(f"pipelines.{launch.pipeline}").JOB
    pipeline = beam.Pipeline(runner=FnApiRunner())
    with TemporaryDirectory() as folder:
        key = Path(folder) / "key"
        key.write_text(secrets.token_hex())
        argv = _filled(launch.argv, key)
        job.build(pipeline, job.configure(parse_options(argv, job.options, job.usage)))
    return steps_of(pipeline)


def _filled(argv: Sequence[str], key: Path) -> list[str]:
    return [each.replace("{key}", str(key)) for each in argv]
