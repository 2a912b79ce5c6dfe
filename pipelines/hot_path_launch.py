"""What the hot path has to settle before it is built, and what a repair leaves at its end."""

import dataclasses

from pipelines.hot_path_options import HotPathConfig
from pipelines.options import UsageError
from pipelines.replay import planned
from pipelines.warm_start import ColdStart, LiveJob, longest_tile, prepared, tile_lengths
from schemas.contract import load_contracts
from schemas.coverage import Coverage
from schemas.durations import format_duration
from schemas.feature_set import FeatureSet, load_features
from schemas.locations import is_remote, write_problem
from schemas.repairs import Repair

__all__ = ["repair_of", "settled"]


def settled(config: HotPathConfig) -> HotPathConfig | None:
    """Return the configuration that is to be built; None: it is not to be launched.

    A replay is planned. A warm start is given its source, its span and the coverage that comes of
    it. A live job that covers only what comes from its launch on says so in one warning.

    Raises:
        ValueError, RuntimeError: as `planned` and `prepared`, in one line.
    """
    if config.replay is not None:
        replay = planned(config.replay)
        if replay is None:
            return None
        if replay.repair and config.bigtable_table and not is_remote(replay.archive):
            # Its record is written there in the end, when all rows have been written.
            _require_writable(replay.archive)
        return dataclasses.replace(config, replay=replay)
    if config.warm is not None:
        live = LiveJob.of(config, longest_tile(_features(config)))
        warm, covers_from = prepared(config.warm, live)
        return dataclasses.replace(config, warm=warm, coverage=Coverage(covers_from))
    if config.input_subscription and config.coverage.start == config.now:
        tiles = tile_lengths(_features(config))
        ColdStart(config.now, config.horizon, tiles, _own(config)).warn()
    return config


def repair_of(config: HotPathConfig) -> Repair | None:
    """Return the record that a repair of a table leaves beside the archive; None of other runs.

    By it a release from the quarantine knows which refused changes would bring back old values.
    """
    replay, table = config.replay, config.bigtable_table
    if replay is None or not replay.repair or not table:
        return None
    return Repair(
        table=table,
        run=replay.run_id,
        started_at=replay.started_at,
        start=replay.span.start,
        end=replay.span.end,
    )


def _require_writable(archive: str) -> None:
    if problem := write_problem(archive, is_file=False):
        msg = f"--input_archive={archive}: a repair leaves its record there, but it {problem}"
        raise UsageError(msg)


def _features(config: HotPathConfig) -> list[FeatureSet]:
    return load_features(config.features, load_contracts(config.contracts))


def _own(config: HotPathConfig) -> tuple[str, ...]:
    """Return the options by which another run computes the same tiles, and writes them there."""
    given = {
        "bigtable_table": config.bigtable_table,
        "cells_output": config.cells_output,
        "contracts": config.contracts,
        "features": config.features,
        "pseudonym_key": config.pseudonym_key,
        "horizon": format_duration(config.horizon),
        "max_future": format_duration(config.max_future),
        "max_event_bytes": str(config.max_event_bytes),
    }
    return tuple(f"--{name}={value}" for name, value in given.items() if value)
