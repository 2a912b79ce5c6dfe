"""What to alert on: one list, told on the page of each pipeline and, of all, among the runbooks."""

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["ALERTS", "LIVE", "Alert", "alert_index", "alerts_of"]

LIVE = ("archive_raw", "hot_path", "curate_events", "window_metrics")
"""The pipelines that run for years."""

_IN_BATCH = ("compact_archive", "fill_from_drift", "recompute_windows", "release_quarantine")
_OF_ROWS = ("curate_events", "fill_from_drift", "window_metrics", "recompute_windows")
_OF_CELLS = ("hot_path", "window_metrics")
_OF_EVENTS = ("hot_path", "curate_events", "window_metrics")


class Alert(NamedTuple):
    """A signal, the bound to begin with, the pipelines it is of, and what to do.

    Links are relative to docs/.
    """

    signal: str
    bound: str
    pipelines: tuple[str, ...]
    remedy: str


ALERTS = (
    Alert(
        "state of the job on Dataflow",
        "failed, or not running",
        LIVE,
        "Its log ends with one line that says why. Nothing is lost: the subscription keeps what"
        " comes. Mend it, and [replace the job](runbooks/drain_and_update.md)",
    ),
    Alert(
        "state of the job on Dataflow",
        "failed",
        _IN_BATCH,
        "Its log ends with one line that says why. Mend it, and run it again: what was done is"
        " found done",
    ),
    Alert(
        "state of the job on Dataflow, or status of the command",
        "failed; not 0",
        ("audit",),
        "It fails for what it found: `ops.audit` has it by `run`, and"
        " [each check](audit.md#where-is-each-message) says what to do",
    ),
    Alert(
        "`subscription/oldest_unacked_message_age` of its subscription",
        "15 minutes",
        LIVE,
        "It falls behind, or fails one bundle again and again: [backlog](runbooks/backlog.md)",
    ),
    Alert(
        "the marker behind the clock: `complete to` of `penstock archive ls`",
        "15 minutes",
        ("archive_raw",),
        "Repairs, compaction and warm starts wait for it: [backlog](runbooks/backlog.md)",
    ),
    Alert(
        "`objects_damaged`",
        "any",
        ("archive_raw",),
        "A name of an object was taken by other bytes, and the batch was written beside them:"
        " `penstock archive verify` names it ([commands](archive_commands.md))",
    ),
    Alert(
        "sum of `rejected.<reason>` by `read`",
        "ten times that of a usual day",
        _OF_EVENTS,
        "A sender, or a contract: [poison flood](runbooks/poison_flood.md)",
    ),
    Alert(
        "`late` by `read`",
        "ten times that of a usual day",
        ("hot_path",),
        "A sender holds events back, or its clock is wrong. The late output has them whole; mend"
        " the tiles when they are closed: [replay a day](runbooks/replay_a_day.md)",
    ),
    Alert(
        "`late` by `read`",
        "ten times that of a usual day",
        ("window_metrics",),
        "A sender holds events back, or its clock is wrong:"
        " [recompute the windows](runbooks/recompute_a_window.md)",
    ),
    Alert(
        "`refused`",
        "any",
        (*_OF_CELLS, "release_quarantine"),
        "Bigtable refused rows, and the quarantine has them as `mutation_refused`: mend the table,"
        " then [release](runbooks/release_a_quarantine.md)",
    ),
    Alert(
        "`rows_refused`, `index_rows_refused`",
        "any",
        _OF_ROWS,
        "BigQuery refused rows, and the quarantine has them as `row_refused`: `penstock tables"
        " diff` says what the table lacks ([tables](tables.md)); then the span again",
    ),
    Alert(
        "`tiles_reopened`",
        "any",
        ("hot_path",),
        "Events came after their tile was forgotten, and were left out:"
        " [replay the day](runbooks/replay_a_day.md) as a repair",
    ),
    Alert(
        "`tiles_withheld`",
        "rises a day after the launch",
        ("hot_path",),
        "Messages are older than the job was told: [replay the day](runbooks/replay_a_day.md)",
    ),
    Alert(
        "`windows_reopened`, `rejects_too_late`",
        "any",
        ("window_metrics",),
        "What came was left out of windows that were forgotten:"
        " [recompute them](runbooks/recompute_a_window.md)",
    ),
    Alert(
        "`windows_withheld`",
        "rises a day after the launch",
        ("window_metrics",),
        "Messages are older than the job was told:"
        " [recompute the windows](runbooks/recompute_a_window.md)",
    ),
    Alert(
        "`versions_capped`",
        "any",
        _OF_CELLS,
        "More events in a tile than it has versions: [hot key](runbooks/hot_key.md)",
    ),
    Alert(
        "`bad_objects`, `hours_unmerged`",
        "any",
        ("compact_archive",),
        "An object is missing or damaged, or an hour took too long; its inputs still count:"
        " [bad objects](compaction.md#bad-objects)",
    ),
    Alert(
        "`windows_kept`",
        "any",
        ("recompute_windows",),
        "A pane was refused, so no window was switched: mend the table and run it again",
    ),
    Alert(
        "`drift_missing`",
        "any",
        ("fill_from_drift",),
        "The drift of these rows is gone: curate their span from the archive"
        " ([filling](fill_from_drift.md))",
    ),
    Alert(
        "`still_bad`, `refused_again`, `exhausted`",
        "any, of a run that was to mend them",
        ("release_quarantine",),
        "The cause is not mended: `penstock quarantine explain` tells what each reason needs"
        " ([quarantine](quarantine.md))",
    ),
    Alert(
        "`checks_warned`",
        "more than yesterday",
        ("audit",),
        "Warnings fail nothing; those that come anew are the first sign:"
        " [the checks](audit.md#checks-of-tables)",
    ),
    Alert(
        "newest `checked_at` in `ops.audit`",
        "older than a day and a half",
        ("audit",),
        "Nobody audits: look at the schedule",
    ),
)


def alerts_of(pipeline: str) -> Iterator[str]:
    """Yield the lines of a pipeline's table."""
    yield from ("| alert | to begin with | what to do |", "|---|---|---|")
    for alert in ALERTS:
        if pipeline in alert.pipelines:
            yield f"| {alert.signal} | {alert.bound} | {alert.remedy}. |"


def alert_index() -> Iterator[str]:
    """Yield the lines of the table of all, for a page in docs/runbooks/."""
    yield from ("| alert | to begin with | of | what to do |", "|---|---|---|---|")
    for alert in ALERTS:
        remedy = alert.remedy.replace("](", "](../").replace("](../runbooks/", "](")
        of = ", ".join(f"`{name}`" for name in alert.pipelines)
        yield f"| {alert.signal} | {alert.bound} | {of} | {remedy}. |"
