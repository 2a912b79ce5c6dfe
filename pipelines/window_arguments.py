"""The command lines of the jobs that measure windows."""

import argparse

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.common_arguments import DECLARED, EVENT_BOUNDS, SOURCE
from pipelines.options import add_options
from pipelines.read_events import PUBSUB
from pipelines.replay_options import REPLAY
from pipelines.row_options import ROWS, ROWS_ONLY_WITH
from pipelines.warm_options import WARM

__all__ = ["ONLY_WITH", "RecomputeOptions", "WindowOptions"]

_OUTPUTS = {
    **ROWS,
    "quarantine_output": "folder for what was refused, with its bytes",
    "counters_output": "file for the counters of a run that ends",
}
_DECLARED = {
    "contracts": DECLARED["contracts"],
    "metrics": "folder or file of metrics (default: the shipped ones)",
    "pseudonym_key": DECLARED["pseudonym_key"],
}
_BOUNDS = {
    "horizon": "how far apart copies may be (default: the least that the metrics need)",
    "shards": "parallelism of the stateful steps (default 16)",
    **EVENT_BOUNDS,
    "now": "RFC 3339 time of the launch (default: the clock)",
}
_REPLAY = {name: REPLAY[name] for name in REPLAY if name != "input_archive"}
_LIVE = {
    "source, one of": {**SOURCE, "input_archive": REPLAY["input_archive"]},
    "sinks; the first two exclude each other": {
        **_OUTPUTS,
        "late_output": "folder for late events, pseudonymised",
    },
    "what is declared": _DECLARED,
    "bounds": {**_BOUNDS, "covers_from": "launch, beginning or an RFC 3339 time"},
    "reading an archive": _REPLAY,
    "reading Pub/Sub": PUBSUB,
    "a warm start": WARM,
}
_RECOMPUTE = {
    "source": {"input_archive": REPLAY["input_archive"], **_REPLAY},
    "sinks; the first two exclude each other": _OUTPUTS,
    "what is declared": _DECLARED,
    "bounds": {
        **_BOUNDS,
        "generation": "greater than all before (default: the time of the launch in ms)",
    },
}
ONLY_WITH = {
    "input_subscription": (*PUBSUB, "warm_from_archive"),
    "warm_from_archive": ("warm_span", "warm_source"),
    **ROWS_ONLY_WITH,
}
"""Options that do nothing without another one."""


class WindowOptions(PipelineOptions):
    """Command line of the metrics of windows; every value arrives as text."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(parser, _LIVE)


class RecomputeOptions(PipelineOptions):
    """Command line of a recomputation of windows; every value arrives as text."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(parser, _RECOMPUTE)
