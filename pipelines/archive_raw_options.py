"""The options of the archive job and the configuration they are parsed into, once."""

import argparse
import time
from dataclasses import dataclass

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.options import (
    UsageError,
    add_options,
    count,
    duration,
    moment,
    one_of,
    path,
    refuse_idle,
    required,
    subscription,
    text,
)
from schemas.archive_avro import CODECS
from schemas.locations import expanded
from transforms.read_messages import SOURCES

__all__ = ["ArchiveRawConfig", "ArchiveRawOptions"]

_GROUPS = {
    "source, one of": {
        "input_subscription": "projects/P/subscriptions/S",
        "input_files": "NDJSON files: a path or glob, .gz too",
    },
    "archive": {
        "archive_output": "folder of the archive, local or gs://",
        "source": "its name there (default: that of the subscription)",
        "codec": "zstd (default), deflate or null",
        "event_time_attribute": "attribute that tells a message's event time",
        "counters_output": "file for the counters of a run that ends",
    },
    "batches": {
        "batch_bytes": "payload of an object (default 32000000)",
        "batch_age": "how long a batch may stay open (default 5m)",
        "batch_shards": "batches of an hour open at a time (default 1)",
        "now": "RFC 3339 publish time of messages from files",
    },
    "reading Pub/Sub": {
        "pubsub_source": "auto (default), beam or portable",
        "watermark_slack": "own source: default 2s",
        "readers": "own source: parallel readers (default 2)",
        "stop_after_idle": "own source: end after this idle time",
    },
}
_ONLY_WITH = {
    "input_subscription": (
        "pubsub_source",
        "watermark_slack",
        "readers",
        "stop_after_idle",
        "batch_age",
    ),
    "input_files": ("now",),
}


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
    counters_output: str | None
    batch_bytes: int
    batch_age: int
    batch_shards: int
    now: int
    pubsub_source: str
    watermark_slack: int
    readers: int
    stop_after_idle: int | None

    @classmethod
    def of(cls, options: PipelineOptions) -> "ArchiveRawConfig":
        """Check and convert the options.

        Raises:
            UsageError: one line that names the option and the remedy.
        """
        given = options.view_as(ArchiveRawOptions)
        _check_choice(given)
        refuse_idle(given, _ONLY_WITH)
        output = required("archive_output", given.archive_output, "name a folder, local or gs://")
        return cls(
            input_subscription=subscription(given.input_subscription),
            input_files=path(given.input_files),
            archive_output=expanded(output),
            source=_name(given),
            codec=one_of("codec", given.codec, CODECS, "zstd"),
            event_time_attribute=text(given.event_time_attribute),
            counters_output=path(given.counters_output),
            batch_bytes=count("batch_bytes", given.batch_bytes, 32_000_000),
            batch_age=duration("batch_age", given.batch_age, "5m"),
            batch_shards=count("batch_shards", given.batch_shards, 1),
            now=moment("now", given.now) or time.time_ns() // 1000,
            pubsub_source=one_of("pubsub_source", given.pubsub_source, SOURCES, "auto"),
            watermark_slack=duration("watermark_slack", given.watermark_slack, "2s"),
            readers=count("readers", given.readers, 2),
            stop_after_idle=duration("stop_after_idle", given.stop_after_idle, "0") or None,
        )


def _check_choice(given: ArchiveRawOptions) -> None:
    named = [name for name in ("input_subscription", "input_files") if text(getattr(given, name))]
    if len(named) != 1:
        msg = "--input_subscription and --input_files: name exactly one of the two"
        raise UsageError(msg)


def _name(given: ArchiveRawOptions) -> str:
    if name := text(given.source):
        return name
    if not text(given.input_subscription):
        required("source", None, "files tell no name of their source; give one")
    return str(given.input_subscription).rpartition("/")[2]
