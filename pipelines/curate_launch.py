"""What the curated events have to settle before they are built."""

import dataclasses

from pipelines.curate_options import CurateConfig
from pipelines.replay import with_plan
from pipelines.warm_start import LiveJob, prepared

__all__ = ["settled"]


def settled(config: CurateConfig) -> CurateConfig | None:
    """Return the configuration that is to be built; None: it is not to be launched.

    A replay is planned. A warm start is given its source, and the publish time from which on the
    archive holds all that dedupe would know. No event is withheld, so nothing is covered or not.

    Raises:
        ValueError, RuntimeError: as `planned` and `prepared`, in one line.
    """
    if config.replay is not None:
        return with_plan(config)
    if config.warm is None:
        return config
    warm, _ = prepared(config.warm, LiveJob.of(config))
    return dataclasses.replace(config, warm=warm)
