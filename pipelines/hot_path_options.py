"""The options of the hot path and the configuration they are parsed into, once."""

from dataclasses import dataclass

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import shared_options as shared
from pipelines.hot_path_arguments import ONLY_WITH, HotPathOptions
from pipelines.options import (
    UsageError,
    count,
    duration,
    flag,
    one_of,
    path,
    refuse_idle,
    subscription,
    text,
)
from pipelines.read_events import INPUTS, EventInput, pubsub_values
from pipelines.replay_options import ReplayConfig
from pipelines.warm_options import WarmConfig
from schemas.coverage import Coverage

__all__ = ["SECOND", "HotPathConfig", "HotPathOptions"]

SECOND = 1_000_000
"""In microseconds."""

_SINKS = ("bigtable_table", "cells_output")
_WRITE_MODES = ("upsert", "repair")


@dataclass(frozen=True, kw_only=True)
class HotPathConfig(EventInput):
    """The job's constants; times in microseconds.

    The dry run of a replay may have no sink, and "" as `quarantine_output`.
    """

    bigtable_table: str | None
    cells_output: str | None
    late_output: str | None
    counters_output: str | None
    app_profile: str | None
    flow_control: bool
    contracts: str | None
    features: str | None
    pseudonym_key: str | None
    shards: int
    max_event_bytes: int
    coverage: Coverage

    @classmethod
    def of(cls, options: PipelineOptions) -> "HotPathConfig":
        """Check and convert the options.

        Raises:
            UsageError: one line that names the option and the remedy.
        """
        given = options.view_as(HotPathOptions)
        now = shared.launch_time(given.now)
        live = shared.only_one(given, INPUTS) == "input_subscription"
        refuse_idle(given, ONLY_WITH)
        horizon = shared.horizon(given.horizon)
        max_future = duration("max_future", given.max_future, "1d")
        replay = ReplayConfig.of(given, now, max_future, horizon, _repair(given))
        plans_only = replay is not None and replay.dry_run
        shared.only_one(given, _SINKS, or_none=plans_only)
        return cls(
            input_subscription=subscription(given.input_subscription),
            input_files=path(given.input_files),
            replay=replay,
            warm=WarmConfig.of(given),
            bigtable_table=shared.table(given.bigtable_table),
            cells_output=path(given.cells_output),
            quarantine_output=shared.quarantine_output(
                given.quarantine_output, plans_only=plans_only
            ),
            late_output=shared.late_output(given.late_output, live=live),
            counters_output=path(given.counters_output),
            app_profile=text(given.app_profile),
            flow_control=flag("flow_control", given.flow_control),
            contracts=path(given.contracts),
            features=path(given.features),
            pseudonym_key=shared.pseudonym_key(given.pseudonym_key),
            horizon=horizon,
            shards=count("shards", given.shards, 16),
            max_future=max_future,
            max_event_bytes=shared.size("max_event_bytes", given.max_event_bytes, 1_000_000),
            coverage=shared.coverage(given.covers_from, now, live=live, span=_span(replay)),
            now=now,
            **pubsub_values(given),
        )

    @property
    def repair(self) -> bool:
        """Whether a replay is authoritative for its span."""
        return self.replay is not None and self.replay.repair


def _repair(given: HotPathOptions) -> bool:
    """A repair needs a source of which it is known that it holds all of a span."""
    repair = one_of("write_mode", given.write_mode, _WRITE_MODES, "upsert") == "repair"
    if repair and not text(given.input_archive):
        msg = "--write_mode=repair goes with --input_archive: name one, or use upsert"
        raise UsageError(msg)
    return repair


def _span(replay: ReplayConfig | None) -> tuple[int, int] | None:
    return None if replay is None else (replay.span.start, replay.span.end)
