"""The configuration of the jobs that measure windows, which their options are parsed into once."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import shared_options as shared
from pipelines.cell_options import cell_values
from pipelines.curated_input import CuratedInput, curated_input, curated_replay
from pipelines.options import (
    UsageError,
    count,
    duration,
    path,
    refuse_idle,
    subscription,
    text,
)
from pipelines.read_events import INPUTS, EventInput, pubsub_values
from pipelines.replay_options import ReplayConfig
from pipelines.row_options import row_sink
from pipelines.warm_options import WarmConfig
from pipelines.window_arguments import (
    ONLY_WITH,
    RECOMPUTE_ONLY_WITH,
    RecomputeOptions,
    WindowOptions,
)
from schemas.cells import TILE_FAMILY
from schemas.contract import load_contracts
from schemas.coverage import Coverage
from schemas.durations import format_duration
from schemas.metric import REJECTS, Metric
from schemas.metric_set import load_metrics
from schemas.metric_tables import pane_table
from schemas.ops_tables import LATE, QUARANTINE, RECOMPUTED
from schemas.other_jobs import MEASURED
from schemas.row_sink import RowSink
from schemas.tables import Table

__all__ = ["WindowConfig"]

_LEAST_LATENESS = 86_400_000_000
_MOST_GENERATION = 2**53 - 1
_MILLISECOND = 1_000


@dataclass(frozen=True, kw_only=True)
class WindowConfig(EventInput):
    """The constants of a job that measures windows; times in microseconds.

    The dry run of a replay has no `rows`, and may have "" as `quarantine_output`. `tables` are all
    that the job writes. Where a metric says `bigtable: true`, `bigtable_table` or `cells_output` is
    there, else neither. `generation` is 0 but of a recomputation. Where that
    reads `curated` rows, `replay` says of which span and in which run.
    """

    job: ClassVar[str] = MEASURED

    rows: RowSink | None
    tables: tuple[Table, ...]
    late_output: str | None
    counters_output: str | None
    contracts: str | None
    metrics: list[Metric]
    metrics_location: str | None
    pseudonym_key: str | None
    shards: int
    max_event_bytes: int
    coverage: Coverage
    bigtable_table: str | None
    cells_output: str | None
    app_profile: str | None
    flow_control: bool
    generation: int = 0
    curated: CuratedInput | None = None
    tile_family: ClassVar[str] = TILE_FAMILY

    @classmethod
    def of(cls, options: PipelineOptions) -> "WindowConfig":
        """Check and convert the options of the metrics of windows.

        Raises:
            UsageError: one line that names the option and the remedy.
            MetricError, ContractError: a declaration is wrong, in one line.
        """
        given = options.view_as(WindowOptions)
        live = shared.only_one(given, INPUTS) == "input_subscription"
        refuse_idle(given, ONLY_WITH)
        common = _Common(given, repair=False)
        return cls(
            input_subscription=subscription(given.input_subscription),
            input_files=path(given.input_files),
            warm=WarmConfig.of(given),
            late_output=shared.late_output(given.late_output, live=live),
            coverage=shared.coverage(given.covers_from, common.now, live=live, span=common.span),
            **pubsub_values(given),
            **common.values(LATE, QUARANTINE, bounded=not live),
        )

    @classmethod
    def recomputing(cls, options: PipelineOptions) -> "WindowConfig":
        """Check and convert the options of a recomputation.

        Raises:
            UsageError: one line that names the option and the remedy.
            MetricError, ContractError: a declaration is wrong, in one line.
        """
        given = options.view_as(RecomputeOptions)
        refuse_idle(given, RECOMPUTE_ONLY_WITH)
        curated = curated_input(given)
        common = _Common(given, repair=True, curated=curated)
        assert common.span is not None
        _refuse_idle_span(Coverage(*common.span), common.metrics)
        config = cls(
            input_subscription=None,
            input_files=None,
            warm=None,
            late_output=None,
            coverage=Coverage(*common.span),
            generation=_generation(given.generation, common.now),
            curated=curated,
            **pubsub_values(_Unset()),
            **common.values(RECOMPUTED, bounded=True),
        )
        if config.rows is not None and config.rows.method == "storage":
            msg = "--write_method=storage: it does not tell when panes are written; use load"
            raise UsageError(msg)
        return config


class _Common:
    """What both command lines have, checked in one way."""

    def __init__(self, given: Any, *, repair: bool, curated: CuratedInput | None = None) -> None:
        self._given = given
        self.now = shared.launch_time(given.now)
        self._contracts = path(given.contracts)
        self._metrics = path(given.metrics)
        self.metrics = load_metrics(self._metrics, load_contracts(self._contracts))
        self._horizon = _horizon(given.horizon, self.metrics)
        self._max_future = duration("max_future", given.max_future, "1d")
        if repair and not text(given.max_lateness):
            given.max_lateness = format_duration(max(_LEAST_LATENESS, self._horizon))
        bounds = (given, self.now, self._max_future, self._horizon)
        replay = curated_replay(curated, *bounds) if curated else ReplayConfig.of(*bounds, repair)
        self._replay = None if replay is None else _with_rejects(replay, self.metrics)
        self.span = None if replay is None else (replay.span.start, replay.span.end)

    def values(self, *beside: Table, bounded: bool) -> dict[str, Any]:
        """Return the values of the options; `beside` are written beside the panes."""
        given, replay = self._given, self._replay
        plans_only = replay is not None and replay.dry_run
        if replay is not None and replay.max_events_per_second:
            msg = "--max_events_per_second: rows are written in bulk; leave it out"
            raise UsageError(msg)
        tables = (*map(pane_table, self.metrics), *beside)
        run = shared.run_id(None, self.now) if replay is None else replay.run_id
        quarantine = shared.quarantine_output(given.quarantine_output, plans_only=plans_only)
        sink = None
        if not plans_only:
            sink = row_sink(given, tables, bounded=bounded, now=self.now, run=run)
        return {
            "replay": replay,
            "now": self.now,
            "rows": sink,
            "tables": tables,
            "quarantine_output": quarantine,
            "counters_output": path(given.counters_output),
            "contracts": self._contracts,
            "metrics": self.metrics,
            "metrics_location": self._metrics,
            "pseudonym_key": shared.pseudonym_key(given.pseudonym_key),
            "horizon": self._horizon,
            "shards": count("shards", given.shards, 16),
            "max_future": self._max_future,
            "max_event_bytes": shared.size("max_event_bytes", given.max_event_bytes, 1_000_000),
            **cell_values(given, self.metrics, plans_only=plans_only),
        }


class _Unset:
    """Options of Pub/Sub where there are none."""

    def __getattr__(self, name: str) -> None:
        return None


def _horizon(value: object, metrics: Sequence[Metric]) -> int:
    """Return the horizon of dedupe: by default, and at least, what no copy outlives in a window."""
    demanding = max(metrics, key=lambda metric: metric.least_horizon)
    least = demanding.least_horizon
    horizon = shared.horizon(text(value) or format_duration(least))
    if horizon < least:
        msg = (
            f"--horizon={value}: metric {demanding.name} could count a copy twice; give at least "
            f"{format_duration(least)}, its allowed lateness and its longest window"
        )
        raise UsageError(msg)
    return horizon


def _refuse_idle_span(span: Coverage, metrics: Sequence[Metric]) -> None:
    """Refuse a span without a whole window: the run would compute nothing, and say it was done."""
    lengths = {length for metric in metrics for length in metric.windows}
    if not any(start < end for start, end in map(span.whole_tiles, lengths)):
        msg = (
            "--from and --to: no window of any metric lies wholly between them, and the shortest "
            f"is {format_duration(min(lengths))}; give a longer span"
        )
        raise UsageError(msg)


def _with_rejects(replay: ReplayConfig, metrics: Sequence[Metric]) -> ReplayConfig:
    """Windows of rejects are those of publish times, so those of the span are needed as well."""
    if all(metric.source != REJECTS for metric in metrics):
        return replay
    span = msgspec.structs.replace(replay.span, with_published=True)
    return dataclasses.replace(replay, span=span)


def _generation(value: object, now: int) -> int:
    return count("generation", value, max(1, now // _MILLISECOND), _MOST_GENERATION)
