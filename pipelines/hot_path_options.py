"""The options of the hot path and the configuration they are parsed into, once."""

import time
from dataclasses import dataclass

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import shared_options as shared
from pipelines.hot_path_arguments import ONLY_WITH, HotPathOptions
from pipelines.options import (
    UsageError,
    count,
    duration,
    flag,
    moment,
    one_of,
    path,
    refuse_idle,
    required,
    subscription,
    text,
)
from pipelines.replay_options import ReplayConfig
from pipelines.warm_options import WarmConfig
from schemas.coverage import Coverage
from schemas.locations import expanded
from transforms.read_messages import SOURCES

__all__ = ["SECOND", "HotPathConfig", "HotPathOptions"]

SECOND = 1_000_000
"""In microseconds."""

_SOURCES = ("input_subscription", "input_files", "input_archive")
_SINKS = ("bigtable_table", "cells_output")
_NUMBERS = {2: "two", 3: "three"}
_WRITE_MODES = ("upsert", "repair")


@dataclass(frozen=True)
class HotPathConfig:
    """The job's constants; times in microseconds.

    `replay` is None where no archive is read, `warm` where the start is no warm one.
    """

    input_subscription: str | None
    input_files: str | None
    replay: ReplayConfig | None
    warm: WarmConfig | None
    bigtable_table: str | None
    cells_output: str | None
    quarantine_output: str
    late_output: str | None
    counters_output: str | None
    app_profile: str | None
    flow_control: bool
    contracts: str | None
    features: str | None
    pseudonym_key: str | None
    horizon: int
    shards: int
    max_future: int
    max_event_bytes: int
    coverage: Coverage
    now: int
    pubsub_source: str
    timestamp_attribute: str | None
    watermark_slack: int
    readers: int
    stop_after_idle: int | None

    @classmethod
    def of(cls, options: PipelineOptions) -> "HotPathConfig":
        """Check and convert the options.

        Raises:
            UsageError: one line that names the option and the remedy.
        """
        given = options.view_as(HotPathOptions)
        now = moment("now", given.now)
        now = time.time_ns() // 1000 if now is None else now
        live = _choice(given)
        refuse_idle(given, ONLY_WITH)
        horizon = shared.horizon(given.horizon)
        max_future = duration("max_future", given.max_future, "1d")
        replay = ReplayConfig.of(given, now, max_future, horizon, _repair(given))
        return cls(
            input_subscription=subscription(given.input_subscription),
            input_files=path(given.input_files),
            replay=replay,
            warm=WarmConfig.of(given),
            bigtable_table=shared.table(given.bigtable_table),
            cells_output=path(given.cells_output),
            quarantine_output=expanded(
                required(
                    "quarantine_output", given.quarantine_output, "name a folder, local or gs://"
                )
            ),
            late_output=_late_output(given.late_output, live),
            counters_output=path(given.counters_output),
            app_profile=text(given.app_profile),
            flow_control=flag("flow_control", given.flow_control),
            contracts=path(given.contracts),
            features=path(given.features),
            pseudonym_key=shared.pseudonym_key(given.pseudonym_key),
            horizon=horizon,
            shards=count("shards", given.shards, 16),
            max_future=max_future,
            max_event_bytes=count("max_event_bytes", given.max_event_bytes, 1_000_000),
            coverage=_coverage(given.covers_from, now, live, replay),
            now=now,
            pubsub_source=one_of("pubsub_source", given.pubsub_source, SOURCES, "auto"),
            timestamp_attribute=text(given.timestamp_attribute),
            watermark_slack=duration("watermark_slack", given.watermark_slack, "2s"),
            readers=count("readers", given.readers, 2),
            stop_after_idle=duration("stop_after_idle", given.stop_after_idle, "0") or None,
        )

    @property
    def repair(self) -> bool:
        """Whether a replay is authoritative for its span."""
        return self.replay is not None and self.replay.repair

    @property
    def provenance(self) -> dict[str, str]:
        """What the counters say of where a replay's events came from; nothing of other runs."""
        return {} if self.replay is None else self.replay.told()


def _choice(given: HotPathOptions) -> bool:
    """Return whether the job is live; exactly one source and one sink must be named."""
    for names in (_SOURCES, _SINKS):
        named = [name for name in names if text(getattr(given, name))]
        if len(named) != 1:
            *some, last = (f"--{name}" for name in names)
            how_many = _NUMBERS[len(names)]
            msg = f"{', '.join(some)} and {last}: name exactly one of the {how_many}"
            raise UsageError(msg)
    return text(given.input_subscription) is not None


def _repair(given: HotPathOptions) -> bool:
    """A repair needs a source of which it is known that it holds all of a span."""
    repair = one_of("write_mode", given.write_mode, _WRITE_MODES, "upsert") == "repair"
    if repair and not text(given.input_archive):
        msg = "--write_mode=repair goes with --input_archive: name one, or use upsert"
        raise UsageError(msg)
    return repair


def _late_output(value: object, live: bool) -> str | None:
    """Files are never late; a live job must say where late events go."""
    if live:
        required("late_output", value, "a live job has late events; name a folder")
    return path(value)


def _coverage(value: object, now: int, live: bool, replay: ReplayConfig | None) -> Coverage:
    given = text(value)
    if replay is not None:
        if given:
            msg = "--covers_from: a replay covers what --from and --to say; leave it out"
            raise UsageError(msg)
        return Coverage(replay.span.start, replay.span.end)
    if given == "beginning" or (given is None and not live):
        return Coverage()
    covers_from = now if given in (None, "launch") else moment("covers_from", given)
    return Coverage() if covers_from is None else Coverage(covers_from)
