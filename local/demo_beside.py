"""What comes after the live part of the demo: a replay, a recomputation of windows, an audit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.compare_rows import Comparison, Folding, compare_rows
from local.demo_jobs import DemoJobs, check
from local.demo_live import LiveDemo, wait
from local.demo_metrics import HORIZON_SECONDS, WINDOW_SECONDS, demo_metrics
from local.demo_rows import Row
from local.demo_stream import LATEST_SECONDS, DemoStream
from local.demo_windows import Second, Total, seconds_of, sums_of
from local.processes import ServiceProcess
from local.tables import read_rows
from schemas.contract import load_contracts
from schemas.feature_set import load_features
from schemas.metric_tables import pane_table
from schemas.ops_tables import AUDIT, LATE
from schemas.rejected import Reason
from schemas.times import format_rfc3339
from transforms.quarantine import read_quarantine

__all__ = ["ACTIVITY", "Beside", "after_live"]

ACTIVITY = "activity"
"""The metric that counts every event."""

_SECOND = 1_000_000
_HOUR = 3_600 * _SECOND
_CLOSED = max(LATEST_SECONDS, 2 * HORIZON_SECONDS)
_STREAMS = ("curated", "windows")


@dataclass
class Beside:
    """What the jobs beside the hot path made.

    `counters` are those of the jobs by name. `compared` is the live table beside that of the
    replay. `curated` has the ids of the curated events by type. `seconds` and `sums` are of the
    metrics, `audited` what the audit found, and `audit_failed` its last words if it failed.
    `refused` tells of jobs whose rows a table refused why the first one was.
    """

    counters: dict[str, dict[str, Any]]
    compared: Comparison
    curated: dict[str, list[str]]
    seconds: list[Second]
    sums: list[Total]
    audited: list[Row]
    audit_failed: str
    rows_in: str
    refused: dict[str, str]


def after_live(
    jobs: DemoJobs, live: LiveDemo, stream: DemoStream, idle: int, say: Callable[[str], None]
) -> Beside:
    """Replay while the live jobs wait for their end; then recompute, audit and look at it all.

    Raises:
        ServiceError: a job failed; an audit that finds something is no failure.
    """
    first, last = stream.span
    live.wait_for_archive()
    say("replaying the archive into a second table")
    replay = jobs.replay(*_times(first // _HOUR * _HOUR, (last // _HOUR + 1) * _HOUR))
    live.wait_for_end(idle)
    metrics, rows = demo_metrics(jobs.metrics), jobs.rows
    before = {metric.name: rows.current(metric) for metric in metrics}
    longest = WINDOW_SECONDS[-1] * _SECOND
    start, end = first // longest * longest, (last // longest + 1) * longest
    live.wait_until_closed(end + _CLOSED * _SECOND)
    say("computing the windows anew, with the events that came too late")
    recomputed = jobs.recompute(*_times(start, end))
    _finish("the replay and the recomputation", [replay, recomputed], live, say)
    say("auditing: where is each message, and what is in the tables?")
    audit = jobs.audit(*_times(start, end))
    wait("for the audit", audit.ended, live.check, say)
    after = {metric.name: rows.current(metric) for metric in metrics}
    activity = next(metric for metric in metrics if metric.name == ACTIVITY)
    panes, late = rows.rows(pane_table(activity).full_name), rows.rows(LATE.full_name)
    counters = {name: jobs.counters(name) for name in (*_STREAMS, "replay", "recomputed")}
    return Beside(
        counters,
        _compared(jobs),
        {name: _ids(jobs, name) for name in load_contracts(None).types},
        seconds_of(activity, panes, late, before[ACTIVITY], after[ACTIVITY]),
        sums_of(metrics, before, after),
        rows.rows(AUDIT.full_name),
        "" if audit.status == 0 else audit.last_words(),
        rows.name,
        {name: _why(jobs, name) for name in counters if counters[name].get("rows_refused")},
    )


def _times(start: int, end: int) -> tuple[str, str]:
    return format_rfc3339(start), format_rfc3339(end)


def _finish(
    what: str, batch: list[ServiceProcess], live: LiveDemo, say: Callable[[str], None]
) -> None:
    def checked() -> None:
        live.check()
        check(*(job for job in batch if job.status))

    wait(f"for {what}", lambda: all(job.status == 0 for job in batch), checked, say)


def _why(jobs: DemoJobs, name: str) -> str:
    """Return why the first row was refused: table, rule and column, never a value."""
    refused = read_quarantine(jobs.quarantine(name))
    rows = (each.detail for each in refused if each.reason == Reason.ROW_REFUSED.value)
    return next(rows, "")


def _compared(jobs: DemoJobs) -> Comparison:
    folding = Folding(load_features(None, load_contracts(None)))
    live, replayed = map(read_rows, jobs.tables)
    return compare_rows(live, replayed, folding)


def _ids(jobs: DemoJobs, event_type: str) -> list[str]:
    return [row["event_id"] for row in jobs.rows.curated(event_type)]
