"""The options of the hot path and the configuration they are parsed into, once."""

import argparse
import time
from dataclasses import dataclass

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.options import (
    UsageError,
    add_options,
    count,
    duration,
    flag,
    moment,
    one_of,
    path,
    refuse_idle,
    required,
    subscription,
    text,
)
from schemas.bigtable_table import TableName
from schemas.events import MIN_MICROS
from schemas.locations import expanded
from transforms.read_messages import SOURCES

__all__ = ["SECOND", "HotPathConfig", "HotPathOptions"]

SECOND = 1_000_000
"""In microseconds."""

_GROUPS = {
    "source, one of": {
        "input_subscription": "projects/P/subscriptions/S",
        "input_files": "NDJSON files: a path or glob, .gz too",
    },
    "sinks; the first two exclude each other": {
        "bigtable_table": "projects/P/instances/I/tables/T",
        "cells_output": "folder for the same cells as NDJSON",
        "quarantine_output": "folder for what was refused, with its bytes",
        "late_output": "folder for late events, pseudonymised",
        "counters_output": "file for the counters of a run that ends",
        "app_profile": "Bigtable app profile",
        "flow_control": "true: let Bigtable slow batch writes down",
    },
    "what is declared": {
        "contracts": "folder of contracts (default: the shipped ones)",
        "features": "folder or file of features (default: shipped)",
        "pseudonym_key": "projects/P/secrets/S/versions/V, file:PATH or env:NAME",
    },
    "bounds": {
        "horizon": "how late an event or a copy may be (default 1d)",
        "shards": "parallelism of the stateful steps (default 16)",
        "max_future": "how far ahead an event may be (default 1d)",
        "max_event_bytes": "largest payload (default 1000000)",
        "covers_from": "launch, beginning or an RFC 3339 time",
        "now": "RFC 3339 time of the launch (default: the clock)",
    },
    "reading Pub/Sub": {
        "pubsub_source": "auto (default), beam or portable",
        "timestamp_attribute": "attribute that holds the event time",
        "watermark_slack": "own source: default 2s",
        "readers": "own source: parallel readers (default 2)",
        "stop_after_idle": "own source: end after this idle time",
    },
}
_ONLY_WITH = {
    "input_subscription": (
        "pubsub_source",
        "timestamp_attribute",
        "watermark_slack",
        "readers",
        "stop_after_idle",
    ),
    "bigtable_table": ("app_profile", "flow_control"),
}
_FILE = "file:"


class HotPathOptions(PipelineOptions):
    """Command line of the hot path; every value arrives as text, also from a template."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(parser, _GROUPS)


@dataclass(frozen=True)
class HotPathConfig:
    """The job's constants; times in microseconds."""

    input_subscription: str | None
    input_files: str | None
    bigtable_table: str | None
    cells_output: str | None
    quarantine_output: str
    late_output: str | None
    counters_output: str | None
    app_profile: str | None
    flow_control: bool
    contracts: str | None
    features: str | None
    pseudonym_key: str | None
    horizon: int
    shards: int
    max_future: int
    max_event_bytes: int
    covers_from: int
    now: int
    pubsub_source: str
    timestamp_attribute: str | None
    watermark_slack: int
    readers: int
    stop_after_idle: int | None

    @classmethod
    def of(cls, options: PipelineOptions) -> "HotPathConfig":
        """Check and convert the options.

        Raises:
            UsageError: one line that names the option and the remedy.
        """
        given = options.view_as(HotPathOptions)
        now = moment("now", given.now) or time.time_ns() // 1000
        live = _choice(given)
        refuse_idle(given, _ONLY_WITH)
        return cls(
            input_subscription=subscription(given.input_subscription),
            input_files=path(given.input_files),
            bigtable_table=_table(given.bigtable_table),
            cells_output=path(given.cells_output),
            quarantine_output=expanded(
                required(
                    "quarantine_output", given.quarantine_output, "name a folder, local or gs://"
                )
            ),
            late_output=_late_output(given.late_output, live),
            counters_output=path(given.counters_output),
            app_profile=text(given.app_profile),
            flow_control=flag("flow_control", given.flow_control),
            contracts=path(given.contracts),
            features=path(given.features),
            pseudonym_key=_key(given.pseudonym_key),
            horizon=_horizon(given.horizon),
            shards=count("shards", given.shards, 16),
            max_future=duration("max_future", given.max_future, "1d"),
            max_event_bytes=count("max_event_bytes", given.max_event_bytes, 1_000_000),
            covers_from=_covers_from(given.covers_from, now, live),
            now=now,
            pubsub_source=one_of("pubsub_source", given.pubsub_source, SOURCES, "auto"),
            timestamp_attribute=text(given.timestamp_attribute),
            watermark_slack=duration("watermark_slack", given.watermark_slack, "2s"),
            readers=count("readers", given.readers, 2),
            stop_after_idle=duration("stop_after_idle", given.stop_after_idle, "0") or None,
        )


def _choice(given: HotPathOptions) -> bool:
    """Return whether the job is live; exactly one source and one sink must be named."""
    for names in (("input_subscription", "input_files"), ("bigtable_table", "cells_output")):
        named = [name for name in names if text(getattr(given, name))]
        if len(named) != 1:
            both = " and ".join(f"--{name}" for name in names)
            msg = f"{both}: name exactly one of the two"
            raise UsageError(msg)
    return text(given.input_subscription) is not None


def _horizon(value: object) -> int:
    horizon = duration("horizon", value, "1d")
    if horizon < SECOND:
        msg = f"--horizon={value}: give at least 1s"
        raise UsageError(msg)
    return horizon


def _table(value: object) -> str | None:
    given = text(value)
    try:
        return None if given is None else str(TableName.parse(given))
    except ValueError as error:
        msg = f"--bigtable_table: {error}"
        raise UsageError(msg) from None


def _late_output(value: object, live: bool) -> str | None:
    """Files are never late; a live job must say where late events go."""
    if live:
        required("late_output", value, "a live job has late events; name a folder")
    return path(value)


def _key(value: object) -> str | None:
    given = text(value)
    if given is not None and given.startswith(_FILE):
        return _FILE + expanded(given.removeprefix(_FILE))
    return path(given)


def _covers_from(value: object, now: int, live: bool) -> int:
    given = text(value) or ("launch" if live else "beginning")
    if given == "launch":
        return now
    return MIN_MICROS if given == "beginning" else moment("covers_from", given) or MIN_MICROS
