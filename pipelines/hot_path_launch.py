"""What the hot path has to settle before it is built, and what it leaves at its end."""

import dataclasses

from apache_beam.runners.runner import PipelineResult

from pipelines.hot_path_options import HotPathConfig
from pipelines.replay import planned
from pipelines.warm_start import ColdStart, LiveJob, longest_tile, prepared
from schemas.contract import load_contracts
from schemas.coverage import Coverage
from schemas.feature_set import load_features
from schemas.repairs import Repair
from transforms.log_repairs import write_repair

__all__ = ["log_repair", "settled"]


def settled(config: HotPathConfig) -> HotPathConfig | None:
    """Return the configuration that is to be built; None: it is not to be launched.

    A replay is planned. A warm start is given its source, its span and the coverage that comes of
    it. A live job that covers only what comes from its launch on says so in one warning.

    Raises:
        ValueError, RuntimeError: as `planned` and `prepared`, in one line.
    """
    if config.replay is not None:
        replay = planned(config.replay)
        return None if replay is None else dataclasses.replace(config, replay=replay)
    if config.warm is not None:
        warm, covers_from = prepared(config.warm, _live(config))
        return dataclasses.replace(config, warm=warm, coverage=Coverage(covers_from))
    if config.input_subscription and config.coverage.start == config.now:
        ColdStart(config.now, config.horizon, _tile(config), _sink(config)).warn()
    return config


def log_repair(config: HotPathConfig, result: PipelineResult) -> None:
    """Leave a record of a repair that succeeded beside the archive that it was computed from.

    By it a release from the quarantine knows which refused changes would bring back old values.

    Raises:
        ObjectStoreError: it cannot be written.
    """
    replay, table = config.replay, config.bigtable_table
    if replay is not None and replay.repair and table:
        start, end = replay.span.start, replay.span.end
        repair = Repair(
            table=table, run=replay.run_id, started_at=replay.started_at, start=start, end=end
        )
        write_repair(replay.archive, repair)


def _live(config: HotPathConfig) -> LiveJob:
    return LiveJob(
        config.input_subscription or "",
        config.timestamp_attribute,
        config.now,
        config.horizon,
        config.max_future,
        _tile(config),
    )


def _tile(config: HotPathConfig) -> int:
    return longest_tile(load_features(config.features, load_contracts(config.contracts)))


def _sink(config: HotPathConfig) -> str:
    if config.bigtable_table:
        return f"--bigtable_table={config.bigtable_table}"
    return f"--cells_output={config.cells_output}"
