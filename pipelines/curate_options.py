"""The options of the curated events and the configuration they are parsed into, once."""

import argparse
from dataclasses import dataclass
from typing import ClassVar

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import shared_options as shared
from pipelines.common_arguments import DECLARED, EVENT_BOUNDS, OUTPUTS, RUN, SOURCE
from pipelines.option_words import Kind, Words
from pipelines.options import (
    UsageError,
    add_options,
    count,
    duration,
    path,
    refuse_idle,
    subscription,
)
from pipelines.read_events import INPUTS, LIVE_ONLY_WITH, PUBSUB, EventInput, pubsub_values
from pipelines.replay_options import REPLAY, ReplayConfig
from pipelines.row_options import ROWS, ROWS_ONLY_WITH, row_sink
from pipelines.warm_options import WARM, WarmConfig
from schemas.contract import load_contracts
from schemas.ops_tables import DRIFT, QUARANTINE
from schemas.other_jobs import CURATED
from schemas.row_sink import RowSink
from schemas.silver_tables import silver_table
from schemas.tables import Table

__all__ = ["CurateConfig", "CurateOptions"]

_GROUPS = {
    "source, one of": {**SOURCE, "input_archive": REPLAY["input_archive"]},
    "sinks; one of the first two": {
        **ROWS,
        **OUTPUTS,
    },
    "what is declared": {
        "contracts": DECLARED["contracts"],
        "pseudonym_key": DECLARED["pseudonym_key"],
    },
    "bounds": {
        "horizon": Words("how late a copy may be in a stream", Kind.DURATION, default="1d"),
        "shards": RUN["shards"],
        **EVENT_BOUNDS,
        "now": RUN["now"],
    },
    "reading an archive": {name: REPLAY[name] for name in REPLAY if name != "input_archive"},
    "reading Pub/Sub": PUBSUB,
    "a warm start": WARM,
}
_ONLY_WITH = {**LIVE_ONLY_WITH, **ROWS_ONLY_WITH}


class CurateOptions(PipelineOptions):
    """Command line of the curated events; every value arrives as text, also from a template."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(parser, _GROUPS)


@dataclass(frozen=True, kw_only=True)
class CurateConfig(EventInput):
    """The job's constants; times in microseconds.

    The dry run of a replay has no `rows`, and may have "" as `quarantine_output`. `tables` are all
    that the job writes.
    """

    job: ClassVar[str] = CURATED

    rows: RowSink | None
    tables: tuple[Table, ...]
    counters_output: str | None
    contracts: str | None
    pseudonym_key: str | None
    shards: int
    max_event_bytes: int

    @classmethod
    def of(cls, options: PipelineOptions) -> "CurateConfig":
        """Check and convert the options.

        Raises:
            UsageError: one line that names the option and the remedy.
        """
        given = options.view_as(CurateOptions)
        now = shared.launch_time(given.now)
        live = shared.only_one(given, INPUTS) == "input_subscription"
        refuse_idle(given, _ONLY_WITH)
        horizon = shared.horizon(given.horizon)
        max_future = duration("max_future", given.max_future, "1d")
        replay = ReplayConfig.of(given, now, max_future, horizon, repair=False)
        plans_only = replay is not None and replay.dry_run
        quarantine = shared.quarantine_output(given.quarantine_output, plans_only=plans_only)
        if replay and replay.max_events_per_second:
            msg = "--max_events_per_second: rows are written in bulk; leave it out"
            raise UsageError(msg)
        tables = _tables(path(given.contracts))
        run = replay.run_id if replay else shared.run_id(None, now)
        return cls(
            input_subscription=subscription(given.input_subscription),
            input_files=path(given.input_files),
            replay=replay,
            warm=WarmConfig.of(given),
            rows=None
            if plans_only
            else row_sink(given, tables, bounded=not live, now=now, run=run),
            tables=tables,
            quarantine_output=quarantine,
            counters_output=path(given.counters_output),
            contracts=path(given.contracts),
            pseudonym_key=shared.pseudonym_key(given.pseudonym_key),
            horizon=horizon,
            shards=count("shards", given.shards, 16),
            max_future=max_future,
            max_event_bytes=shared.size("max_event_bytes", given.max_event_bytes, 1_000_000),
            now=now,
            **pubsub_values(given),
        )


def _tables(location: str | None) -> tuple[Table, ...]:
    contracts = load_contracts(location)
    return (*(silver_table(contracts, name) for name in contracts.types), DRIFT, QUARANTINE)
