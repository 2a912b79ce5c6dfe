"""The options of the archive job and the configuration they are parsed into, once."""

import argparse
from dataclasses import dataclass

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import shared_options as shared
from pipelines.common_arguments import CODEC, OUTPUTS, SOURCE
from pipelines.option_words import Kind, Words
from pipelines.options import (
    UsageError,
    add_options,
    count,
    duration,
    one_of,
    path,
    refuse_idle,
    required,
    subscription,
    text,
)
from pipelines.read_events import PUBSUB
from schemas.archive_avro import CODECS
from transforms.read_messages import SOURCES

__all__ = ["SECOND", "ArchiveRawConfig", "ArchiveRawOptions"]

SECOND = 1_000_000
"""In microseconds."""

_BATCHES = ("state", "bundle")
_GROUPS = {
    "source, one of": SOURCE,
    "archive": {
        "archive_output": Words(
            "folder of the archive",
            Kind.OUTPUT_FOLDER,
            example="gs://my-archive",
            needed=True,
        ),
        "source": Words("its name there (default: that of the subscription)", example="my-events"),
        "codec": CODEC,
        "event_time_attribute": Words(
            "attribute that tells a message's event time", example="event_time"
        ),
        "marker_every": Words(
            "how often the completeness marker moves", Kind.DURATION, default="1m"
        ),
        "counters_output": OUTPUTS["counters_output"],
    },
    "batches": {
        "batches": Words(
            "where batches are formed; by bundle they are written before acknowledged",
            Kind.CHOICE,
            default="state",
            choices=_BATCHES,
        ),
        "batch_bytes": Words("size of an object's messages", Kind.SIZE, default="32MB"),
        "batch_age": Words(
            "how long a batch may stay open (default 5m; bundle: 5s)", Kind.DURATION, example="2m"
        ),
        "batch_shards": Words("parts of an hour, each with its batches", Kind.COUNT, default="1"),
        "now": Words("RFC 3339 publish time of lines of files (default: the clock)", Kind.MOMENT),
    },
    "reading Pub/Sub": {
        "pubsub_source": PUBSUB["pubsub_source"],
        "watermark_slack": PUBSUB["watermark_slack"],
        "readers": PUBSUB["readers"],
        "restart_grace": Words(
            "own source: no watermark for so long", Kind.DURATION, default="40s"
        ),
        "stop_after_idle": PUBSUB["stop_after_idle"],
    },
}
_ONLY_WITH = {
    "input_subscription": (
        "event_time_attribute",
        "marker_every",
        "batches",
        "batch_age",
        "batch_shards",
        *_GROUPS["reading Pub/Sub"],
    ),
    "input_files": ("now",),
}
_OWN_SOURCE = ("watermark_slack", "readers", "restart_grace", "stop_after_idle")


class ArchiveRawOptions(PipelineOptions):
    """Command line of the archive job; every value arrives as text, also from a template."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(parser, _GROUPS)


@dataclass(frozen=True)
class ArchiveRawConfig:
    """The job's constants; times in microseconds."""

    input_subscription: str | None
    input_files: str | None
    archive_output: str
    source: str
    codec: str
    event_time_attribute: str | None
    marker_every: int
    counters_output: str | None
    by_bundle: bool
    batch_bytes: int
    batch_age: int
    batch_shards: int
    now: int
    pubsub_source: str
    watermark_slack: int
    readers: int
    restart_grace: int
    stop_after_idle: int | None

    @classmethod
    def of(cls, options: PipelineOptions) -> "ArchiveRawConfig":
        """Check and convert the options.

        Raises:
            UsageError: one line that names the option and the remedy.
        """
        given = options.view_as(ArchiveRawOptions)
        shared.only_one(given, [*SOURCE])
        refuse_idle(given, _ONLY_WITH)
        by_bundle = one_of("batches", given.batches, _BATCHES, "state") == "bundle"
        source = one_of("pubsub_source", given.pubsub_source, SOURCES, "auto")
        if source == "beam":
            _refuse_own_sources(given, by_bundle)
        return cls(
            input_subscription=subscription(given.input_subscription),
            input_files=path(given.input_files),
            archive_output=shared.archive(
                "archive_output",
                required("archive_output", given.archive_output, "name a folder, local or gs://"),
            ),
            source=_name(given),
            codec=one_of("codec", given.codec, CODECS, "zstd"),
            event_time_attribute=text(given.event_time_attribute),
            marker_every=_above_zero("marker_every", given.marker_every, "1m"),
            counters_output=path(given.counters_output),
            by_bundle=by_bundle,
            batch_bytes=shared.size("batch_bytes", given.batch_bytes, 32_000_000),
            batch_age=_above_zero("batch_age", given.batch_age, "5s" if by_bundle else "5m"),
            batch_shards=_shards(given.batch_shards, by_bundle),
            now=shared.launch_time(given.now),
            pubsub_source=source,
            watermark_slack=duration("watermark_slack", given.watermark_slack, "2s"),
            readers=count("readers", given.readers, 2),
            restart_grace=duration("restart_grace", given.restart_grace, "40s"),
            stop_after_idle=duration("stop_after_idle", given.stop_after_idle, "0") or None,
        )


def _refuse_own_sources(given: ArchiveRawOptions, by_bundle: bool) -> None:
    """Refuse what only the portable source knows; by bundle that is how long one lasts as well."""
    names = (*_OWN_SOURCE, "batch_age") if by_bundle else _OWN_SOURCE
    idle = next((name for name in names if text(getattr(given, name))), None)
    if idle:
        msg = f"--{idle} goes with the portable source: leave it out, or --pubsub_source=beam"
        raise UsageError(msg)


def _name(given: ArchiveRawOptions) -> str:
    named = text(given.source)
    if named is None and not text(given.input_subscription):
        required("source", None, "files tell no name of their source; give one")
    return shared.source("source", named or str(given.input_subscription).rpartition("/")[2])


def _above_zero(name: str, value: object, default: str) -> int:
    length = duration(name, value, default)
    if length < 1_000:
        msg = f"--{name}={value}: give at least 1ms"
        raise UsageError(msg)
    return length


def _shards(value: object, by_bundle: bool) -> int:
    if by_bundle and text(value):
        msg = "--batch_shards goes with --batches=state: leave it out"
        raise UsageError(msg)
    return count("batch_shards", value, 1)
