"""The command line of the hot path."""

import argparse

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.common_arguments import DECLARED, EVENT_BOUNDS, SOURCE, TABLE
from pipelines.options import add_options
from pipelines.read_events import PUBSUB
from pipelines.replay_options import REPLAY
from pipelines.warm_options import WARM

__all__ = ["ONLY_WITH", "HotPathOptions"]

_GROUPS = {
    "source, one of": {
        **SOURCE,
        "input_archive": REPLAY["input_archive"],
    },
    "sinks; the first two exclude each other": {
        "bigtable_table": "projects/P/instances/I/tables/T",
        "cells_output": "folder for the same cells as NDJSON",
        "quarantine_output": "folder for what was refused, with its bytes",
        "late_output": "folder for late events, pseudonymised",
        "counters_output": "file for the counters of a run that ends",
        "write_mode": "upsert (default), or repair of a span of the archive",
        **TABLE,
    },
    "what is declared": DECLARED,
    "bounds": {
        "horizon": "how late an event or a copy may be (default 1d)",
        "shards": "parallelism of the stateful steps (default 16)",
        **EVENT_BOUNDS,
        "covers_from": "launch, beginning or an RFC 3339 time",
        "now": "RFC 3339 time of the launch (default: the clock)",
    },
    "reading an archive": {name: REPLAY[name] for name in REPLAY if name != "input_archive"},
    "reading Pub/Sub": PUBSUB,
    "a warm start": WARM,
}
ONLY_WITH = {
    "input_subscription": (*PUBSUB, "warm_from_archive"),
    "warm_from_archive": ("warm_span", "warm_source"),
    "bigtable_table": tuple(TABLE),
}
"""Options that do nothing without another one."""


class HotPathOptions(PipelineOptions):
    """Command line of the hot path; every value arrives as text, also from a template."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(parser, _GROUPS)
