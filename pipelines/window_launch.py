"""What the metrics of windows have to settle before they are built."""

import dataclasses
import logging

from pipelines.replay import with_plan
from pipelines.warm_start import LiveJob, prepared
from pipelines.window_options import WindowConfig
from schemas.coverage import Coverage
from schemas.replay_plan import readable

__all__ = ["settled"]

_LOG = logging.getLogger(__name__)


def settled(config: WindowConfig) -> WindowConfig | None:
    """Return the configuration that is to be built; None: it is not to be launched.

    A replay is planned. A warm start is given its source, its span and the coverage that comes of
    it. A live job that covers only what comes from its launch on says so in one warning.

    Raises:
        ValueError, RuntimeError: as `planned` and `prepared`, in one line.
    """
    if config.replay is not None:
        return with_plan(config)
    longest = max(metric.windows[-1] for metric in config.metrics)
    if config.warm is not None:
        warm, covers_from = prepared(config.warm, LiveJob.of(config, longest))
        return dataclasses.replace(config, warm=warm, coverage=Coverage(covers_from))
    if config.input_subscription and config.coverage.start == config.now:
        _warn(config, longest)
    return config


def _warn(config: WindowConfig, longest: int) -> None:
    """Say once which windows are withheld, and how they are computed."""
    lateness = max(metric.allowed_lateness for metric in config.metrics)
    first = (config.now - lateness) // longest * longest
    last = -(-config.now // longest) * longest
    _LOG.warning(
        "windows that begin before %s are withheld: this job does not see all of their events; "
        "start with --warm_from_archive, or with --covers_from=beginning if subscription and "
        "tables are new, or compute those windows when they are closed: "
        "python -m pipelines.recompute_windows --input_archive=ARCHIVE --from=%s --to=%s with the "
        "sinks and declarations of this job (--from: sooner, if the last job ended before)",
        *map(readable, (config.now, first, last)),
    )
