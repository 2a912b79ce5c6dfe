"""The services of a demo, what stands between them and the jobs, and the jobs to be started."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from local.demo_jobs import DemoJobs
from local.demo_metrics import write_metrics
from local.demo_proxies import CellClock, WatchedPubsub
from local.demo_rows import RowFiles, RowPlace, RowTables
from local.errors import ServiceError
from local.resources import PubsubEmulator, StorageEmulator, unique_name
from local.services import ALL, PROJECT, LocalServices, exported
from local.tables import create_table
from local.toolchains import python_environment
from schemas.bigtable_table import TableName

__all__ = ["Stage", "set_stage"]

_LOST_ACKS = 100
_STREAMS = ("hot_path", "archive_raw", "curate_events", "window_metrics")
# What a killed job had leased is to come again soon; the others are not to be disturbed.
_DEADLINES = {"hot_path": 10}


@dataclass(frozen=True)
class Stage:
    """Everything that a demo needs, running: the topic is empty, and no job is started."""

    jobs: DemoJobs
    topic: str
    proxy: WatchedPubsub
    clock: CellClock


def set_stage(
    stack: ExitStack,
    prism: Path | None,
    events: int,
    idle_seconds: int,
    say: Callable[[str], None],
    *,
    beside: bool,
) -> Stage:
    """Start the services and make table, bucket, topic and subscriptions; they end with the stack.

    Args:
        stack: what ends it all.
        prism: the engine, if it can be had; else there is a hot path only.
        events: that will be published, of which a few acknowledgements get lost.
        idle_seconds: after which a streaming job ends.
        say: takes one line of progress.
        beside: whether jobs that write rows will run.

    Raises:
        ServiceError: a service cannot be had, or does not start.
    """
    wants_rows = beside and prism is not None
    names = _obtainable(say) if wants_rows else ALL[:3]
    say(f"starting {', '.join(names[:-1])} and {names[-1]} on this machine")
    services = stack.enter_context(LocalServices(names))
    stack.enter_context(exported(services.variables))
    pubsub = PubsubEmulator(services.addresses["pubsub"], services.pubsub)
    topic = pubsub.topic()
    streams = _STREAMS if wants_rows else _STREAMS[: 1 if prism is None else 2]
    subscriptions = {
        name: pubsub.subscription(topic, ack_deadline_seconds=_DEADLINES.get(name, 60))
        for name in streams
    }
    lossy = max(1, events // _LOST_ACKS), _LOST_ACKS, subscriptions["hot_path"]
    proxy = stack.enter_context(WatchedPubsub(pubsub.address, *lossy))
    clock = stack.enter_context(CellClock(services.addresses["bigtable"]))
    bucket = StorageEmulator(services.addresses["storage"]).bucket(unique_name("demo"))
    metrics = services.logs / "metrics"
    write_metrics(metrics)
    tables = _table("live"), _table("replayed")
    rows = _rows(services, metrics)
    jobs = DemoJobs(
        *(stack, prism, services.logs, proxy.address, clock.address, subscriptions),
        *(tables, bucket, rows, metrics, idle_seconds),
    )
    return Stage(jobs, topic, proxy, clock)


def _obtainable(say: Callable[[str], None]) -> tuple[str, ...]:
    try:
        python_environment("bigquery")
    except ServiceError as error:
        say(f"without BigQuery: {error}")
        say("rows go to files in its place, in the form in which BigQuery loads them")
        return ALL[:3]
    return ALL


def _table(name: str) -> TableName:
    table = TableName(PROJECT, "local", unique_name(name))
    create_table(table)
    return table


def _rows(services: LocalServices, metrics: Path) -> RowPlace:
    if "bigquery" in services.addresses:
        return RowTables(metrics)
    return RowFiles(services.logs / "rows")
