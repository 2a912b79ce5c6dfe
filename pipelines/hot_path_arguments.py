"""The command line of the hot path."""

import argparse

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.common_arguments import (
    CELLS,
    COVERS_FROM,
    DECLARED,
    EVENT_BOUNDS,
    OUTPUTS,
    RUN,
    SOURCE,
    TABLE,
)
from pipelines.option_words import Kind, Words
from pipelines.options import add_options
from pipelines.read_events import LIVE_ONLY_WITH, PUBSUB
from pipelines.replay_options import REPLAY
from pipelines.warm_options import WARM

__all__ = ["ONLY_WITH", "HotPathOptions"]

_GROUPS = {
    "source, one of": {
        **SOURCE,
        "input_archive": REPLAY["input_archive"],
    },
    "sinks; the first two exclude each other": {
        **CELLS,
        "quarantine_output": OUTPUTS["quarantine_output"],
        "late_output": Words("folder for late events, pseudonymised", Kind.OUTPUT_FOLDER),
        "counters_output": OUTPUTS["counters_output"],
        "write_mode": Words(
            "how tiles are written; a repair replaces those of a span of the archive",
            Kind.CHOICE,
            default="upsert",
            choices=("upsert", "repair"),
        ),
        **TABLE,
    },
    "what is declared": DECLARED,
    "bounds": {
        "horizon": Words("how late an event or a copy may be", Kind.DURATION, default="1d"),
        "shards": RUN["shards"],
        **EVENT_BOUNDS,
        "covers_from": COVERS_FROM,
        "now": RUN["now"],
    },
    "reading an archive": {name: REPLAY[name] for name in REPLAY if name != "input_archive"},
    "reading Pub/Sub": PUBSUB,
    "a warm start": WARM,
}
ONLY_WITH = {
    **LIVE_ONLY_WITH,
    "bigtable_table": tuple(TABLE),
}
"""Options that do nothing without another one."""


class HotPathOptions(PipelineOptions):
    """Command line of the hot path; every value arrives as text, also from a template."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(parser, _GROUPS)
