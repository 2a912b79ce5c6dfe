"""What is said of a job on an engine behind a job server, such as Flink, before it is launched."""

import logging
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

__all__ = ["on_portable"]

_RUNNERS = ("PortableRunner", "FlinkRunner")
_INTERVAL, _BUNDLES = "--checkpointing_interval", "--finish_bundle_before_checkpointing"
_WITHOUT = {
    _INTERVAL: "without checkpoints nothing is ever acknowledged",
    _BUNDLES: "a restart may find output that waits in a step for ever",
}
"""What happens to a stream without a setting of Flink's."""


def on_portable(argv: Sequence[str], options: PipelineOptions) -> None:
    """Warn in one line where a streaming job lacks what makes it exact on Flink; else do nothing.

    Another engine behind a job server may have other settings, so nothing is refused.

    Args:
        argv: of the launch; the settings are the job server's, and no options of the SDK.
        options: of the launch.
    """
    standard = options.view_as(StandardOptions)
    runner = (standard.runner or "").rpartition(".")[2]
    if runner not in _RUNNERS or not standard.streaming:
        return
    given = {word.partition("=")[0] for word in argv}
    lacking = {name: why for name, why in _WITHOUT.items() if name not in given}
    if lacking:
        told = "; ".join(f"{name} is not given: {why}" for name, why in lacking.items())
        logging.warning("on Flink %s; docs/engines.md says which settings it takes", told)
