"""The command lines of the jobs that measure windows."""

import argparse

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.cell_options import SERVING, SERVING_ONLY_WITH
from pipelines.common_arguments import (
    COVERS_FROM,
    DECLARED,
    EVENT_BOUNDS,
    OUTPUTS,
    RUN,
    SOURCE,
)
from pipelines.curated_input import CURATED
from pipelines.option_words import Kind, Words
from pipelines.options import add_options
from pipelines.read_events import LIVE_ONLY_WITH, PUBSUB
from pipelines.replay_options import REPLAY
from pipelines.row_options import ROWS, ROWS_ONLY_WITH
from pipelines.warm_options import WARM

__all__ = ["ONLY_WITH", "RECOMPUTE_ONLY_WITH", "RecomputeOptions", "WindowOptions"]

_OUTPUTS = {
    **ROWS,
    **OUTPUTS,
}
_DECLARED = {
    "contracts": DECLARED["contracts"],
    "metrics": Words(
        "folder or file of metrics (default: the shipped ones)",
        Kind.FILE_OR_FOLDER,
        example="gs://my-bucket/metrics",
    ),
    "pseudonym_key": DECLARED["pseudonym_key"],
}
_BOUNDS = {
    "horizon": Words(
        "how far apart copies may be (default: the least that the metrics need)",
        Kind.DURATION,
        example="2h",
    ),
    **EVENT_BOUNDS,
    **RUN,
}
_SERVED = "metrics with bigtable: true; the first two exclude each other"
_REPLAY = {name: REPLAY[name] for name in REPLAY if name != "input_archive"}
_NEEDED = {name: REPLAY[name].as_needed() for name in ("from", "to")}
_LIVE = {
    "source, one of": {**SOURCE, "input_archive": REPLAY["input_archive"]},
    "sinks; the first two exclude each other": {
        **_OUTPUTS,
        "late_output": Words("folder for late events, pseudonymised", Kind.OUTPUT_FOLDER),
    },
    _SERVED: SERVING,
    "what is declared": _DECLARED,
    "bounds": {**_BOUNDS, "covers_from": COVERS_FROM},
    "reading an archive": _REPLAY,
    "reading Pub/Sub": PUBSUB,
    "a warm start": WARM,
}
_RECOMPUTE = {
    "source: an archive, or curated rows": {
        "input_archive": REPLAY["input_archive"],
        **_NEEDED,
        **{name: _REPLAY[name] for name in _REPLAY if name not in _NEEDED},
        **CURATED,
    },
    "sinks; the first two exclude each other": _OUTPUTS,
    _SERVED: SERVING,
    "what is declared": _DECLARED,
    "bounds": {
        **_BOUNDS,
        "generation": Words(
            "greater than all before (default: the time of the launch in ms)",
            Kind.COUNT,
            example="1767225600000",
        ),
    },
}
ONLY_WITH = {
    **LIVE_ONLY_WITH,
    **ROWS_ONLY_WITH,
    **SERVING_ONLY_WITH,
}
"""Options that do nothing without another one."""
RECOMPUTE_ONLY_WITH = {**ROWS_ONLY_WITH, **SERVING_ONLY_WITH}
"""The same of a recomputation."""


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
