"""The counters of a run that has ended, as one JSON object."""

import json
from collections.abc import Mapping, Sequence

from apache_beam.metrics import MetricsFilter
from apache_beam.runners.runner import PipelineResult

from transforms.counters import NAMESPACE
from transforms.object_store import replace_object
from transforms.release_outcomes import OUTCOMES

__all__ = [
    "ARCHIVE",
    "AUDIT",
    "COMPACTION",
    "CURATED",
    "FILLED",
    "HOT_PATH",
    "RECOMPUTED",
    "RELEASE",
    "WINDOWS",
    "counters_of",
    "totals",
    "write_counters",
]

HOT_PATH = (
    "read",
    "accepted",
    "duplicate",
    "conflict",
    "late",
    "tiles_withheld",
    "mutations",
    "written",
    "refused",
)
"""What a reader of the hot path's counters looks for, also where it is zero."""

CURATED = (
    "read",
    "accepted",
    "duplicate",
    "conflict",
    "rows",
    "rows_written",
    "rows_refused",
)
"""The same of the curated events."""

FILLED = (
    "rows_read",
    "filled",
    "unknown_still",
    "drift_missing",
    "rows",
    "rows_written",
    "rows_refused",
)
"""The same of the job that fills columns from the drift."""

WINDOWS = (
    "read",
    "accepted",
    "duplicate",
    "conflict",
    "late",
    "windows_withheld",
    "windows_reopened",
    "rejects_too_late",
    "panes_early",
    "panes_on_time",
    "panes_late",
    "rows",
    "rows_written",
    "rows_refused",
)
"""The same of the metrics of windows."""

RECOMPUTED = (
    "read",
    "accepted",
    "duplicate",
    "conflict",
    "panes_on_time",
    "windows_superseded",
    "windows_kept",
    "rows",
    "rows_written",
    "rows_refused",
)
"""The same of a recomputation of windows."""

ARCHIVE = (
    "archived",
    "archived_bytes",
    "objects_written",
    "objects_found",
    "objects_damaged",
)
"""The same of the archive job."""

AUDIT = ("checks", "checks_failed", "checks_warned")
"""The same of an audit on Dataflow."""

COMPACTION = (
    "hours",
    "objects_read",
    "objects_written",
    "events",
    "bytes_before",
    "bytes_after",
    "objects_deleted",
    "orphans_found",
    "orphans_deleted",
    "unfinished_deleted",
    "bad_objects",
    "hours_unmerged",
)
"""What a reader of compaction's counters looks for."""

RELEASE = (
    *OUTCOMES,
    "tiles_repaired",
    "rows_repaired",
    "objects_planned",
    "bytes_planned",
    "read",
    "mutations",
    "written",
    "refused",
)
"""The same of a release: what became of records, and what it read and wrote."""

_REJECTED = "rejected."


def counters_of(result: PipelineResult) -> dict[str, int]:
    """Return the suite's counters by name; attempted values where the engine commits none."""
    found = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))["counters"]
    sums: dict[str, int] = {}
    for metric in found:
        value = metric.committed if metric.committed is not None else metric.attempted
        sums[metric.key.metric.name] = sums.get(metric.key.metric.name, 0) + (value or 0)
    return sums


def totals(
    counters: Mapping[str, int], always: Sequence[str] = HOT_PATH
) -> dict[str, int | dict[str, int]]:
    """Arrange counters for reading: those of `always` first, rejects by reason.

    Of a job that reads no events, and so can reject none, there is no word of rejects.

    >>> totals({"read": 2, "accepted": 1, "rejected.not_json": 1})["rejected"]
    {'not_json': 1}
    """
    plain = {name: counters.get(name, 0) for name in always}
    others = {
        name: value
        for name, value in sorted(counters.items())
        if name not in plain and not name.startswith(_REJECTED)
    }
    rejected = {
        name.removeprefix(_REJECTED): value
        for name, value in sorted(counters.items())
        if name.startswith(_REJECTED) and value
    }
    told: dict[str, int | dict[str, int]] = {**plain, **others}
    return {**told, "rejected": rejected} if rejected or "read" in always else told


def write_counters(
    result: PipelineResult, path: str, always: Sequence[str], about: Mapping[str, str] | None = None
) -> None:
    """Write the counters of a finished run to a file, local or `gs://`.

    Args:
        result: of the run.
        path: of the file.
        always: the counters that are told also where they are zero.
        about: what else is told of the run, after its counters.

    Raises:
        ObjectStoreError: it cannot be written.
    """
    told = {**totals(counters_of(result), always), **(about or {})}
    body = json.dumps(told, indent=2) + "\n"
    replace_object(path, body.encode())
