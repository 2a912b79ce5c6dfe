"""The command line of the hot path."""

import argparse

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.options import add_options
from pipelines.replay_options import REPLAY
from pipelines.warm_options import WARM

__all__ = ["ONLY_WITH", "HotPathOptions"]

_GROUPS = {
    "source, one of": {
        "input_subscription": "projects/P/subscriptions/S",
        "input_files": "NDJSON files: a path or glob, .gz too",
        "input_archive": REPLAY["input_archive"],
    },
    "sinks; the first two exclude each other": {
        "bigtable_table": "projects/P/instances/I/tables/T",
        "cells_output": "folder for the same cells as NDJSON",
        "quarantine_output": "folder for what was refused, with its bytes",
        "late_output": "folder for late events, pseudonymised",
        "counters_output": "file for the counters of a run that ends",
        "write_mode": "upsert (default), or repair of a span of the archive",
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
    "reading an archive": {name: REPLAY[name] for name in REPLAY if name != "input_archive"},
    "reading Pub/Sub": {
        "pubsub_source": "auto (default), beam or portable",
        "timestamp_attribute": "attribute that holds the event time",
        "watermark_slack": "own source: default 2s",
        "readers": "own source: parallel readers (default 2)",
        "stop_after_idle": "own source: end after this idle time",
    },
    "a warm start": WARM,
}
ONLY_WITH = {
    "input_subscription": (
        "pubsub_source",
        "timestamp_attribute",
        "watermark_slack",
        "readers",
        "stop_after_idle",
        "warm_from_archive",
    ),
    "warm_from_archive": ("warm_span", "warm_source"),
    "bigtable_table": ("app_profile", "flow_control"),
}
"""Options that do nothing without another one."""


class HotPathOptions(PipelineOptions):
    """Command line of the hot path; every value arrives as text, also from a template."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(parser, _GROUPS)
