"""What is asked of a replay before it is launched: what it reads, and whether it may."""

import dataclasses
import logging
import sys
import time
from typing import TypeVar

from pipelines.options import UsageError
from pipelines.read_events import EventInput
from pipelines.replay_options import ReplayConfig
from schemas.credentials import require_credentials
from schemas.durations import format_duration
from schemas.locations import is_remote
from schemas.replay_plan import ReplayPlan, readable
from transforms.archive_manifest import read_marker
from transforms.plan_replay import first_published, plan_replay

__all__ = ["beginning_of", "gap_of", "planned", "refusal", "repair_problem", "with_plan"]

_Config = TypeVar("_Config", bound=EventInput)

_LOG = logging.getLogger(__name__)
_REPAIR = "--write_mode=repair"
_COMPLETE = "the archive holds all that was published in time"


def planned(replay: ReplayConfig, asked: str = _REPAIR) -> ReplayConfig | None:
    """Plan a replay and return what is to be launched; a dry run prints the plan, and is not: None.

    Args:
        replay: what is asked for.
        asked: the option that asks for a repair, for the words of its refusal.

    Raises:
        UsageError: it would read too much, or may not repair.
        CannotReplayError: there is nothing to read.
        NoSourceError: the source is not there, or it is not clear which is meant.
        CredentialsError: the archive is in Cloud Storage, and there are no credentials.
        ObjectStoreError: the archive cannot be listed.
    """
    if is_remote(replay.archive):
        require_credentials(f"--input_archive={replay.archive}")
    plan = plan_replay(replay.archive, replay.source or None, replay.span)
    marker = read_marker(plan.root, plan.source)
    problem = refusal(replay, plan, marker, time.time_ns() // 1000, asked)
    gap = gap_of(replay, marker)
    begins = beginning_of(replay, plan, asked) if replay.repair else None
    if replay.dry_run:
        _print(replay, plan, problem, {"complete": gap or _COMPLETE, "begins": begins})
        return None
    if problem:
        raise UsageError(problem)
    for doubt in (gap, begins):
        if doubt:
            _LOG.warning("%s", doubt)
    return dataclasses.replace(replay, source=plan.source)


def with_plan(config: _Config, asked: str = _REPAIR) -> _Config | None:
    """Return a job's configuration with its replay planned, None where no more is wanted.

    Raises:
        ValueError, RuntimeError: as `planned`, in one line.
    """
    assert config.replay is not None
    replay = planned(config.replay, asked)
    return None if replay is None else dataclasses.replace(config, replay=replay)


def refusal(
    replay: ReplayConfig, plan: ReplayPlan, marker: int | None, clock: int, asked: str = _REPAIR
) -> str | None:
    """Return why a replay may not be launched, in one line; None: it may.

    Args:
        replay: what is asked for.
        plan: what it would read.
        marker: the archive's completeness marker, in microseconds; None: there is none.
        clock: the time, in microseconds.
        asked: the option that asks for a repair.
    """
    limit = replay.max_input_bytes
    if limit is not None and plan.size > limit:
        return (
            f"--max_input_bytes={limit}: the replay reads {plan.size} bytes in {plan.objects} "
            "objects; raise it, or choose a shorter span"
        )
    if replay.repair:
        problem = repair_problem(replay, marker, clock)
        return problem and f"{asked}: {problem}"
    return None


def gap_of(replay: ReplayConfig, marker: int | None) -> str | None:
    """Return what to know of a span of which the archive may not hold all; None: it does.

    A tile with fewer events than live has counted loses to that; one with others may win.
    """
    if marker is not None and marker >= replay.span.published_to:
        return None
    known = "has no completeness marker"
    if marker is not None:
        known = f"is complete to {readable(marker)} only"
    return (
        f"the archive {known}, and the replay reads what was published to "
        f"{readable(replay.span.published_to)}: tiles may miss events; replay again later"
    )


def beginning_of(replay: ReplayConfig, plan: ReplayPlan, asked: str = _REPAIR) -> str | None:
    """Return what to know where the archive begins within the span of a repair; None: before it.

    The marker says up to when the archive is complete, and nothing says from when on. `asked` is as
    in `planned`: a recomputation of windows deletes nothing.
    """
    first = first_published(plan.root, plan.source)
    if first is None or first <= replay.span.start:
        return None
    repairs = asked == _REPAIR
    return (
        f"the archive begins with what was published at {readable(first)}, and the "
        f"{'repair' if repairs else 'span'} at {readable(replay.span.start)} (--from): what a live "
        f"job has counted of earlier messages {'is deleted' if repairs else 'counts no more'}; "
        "unless there were none, begin the span later"
    )


def repair_problem(replay: ReplayConfig, marker: int | None, clock: int) -> str | None:
    """Return why a span is not closed yet, in one line; None: it is.

    It is closed once the archive is complete for all that may have been published of it, and once
    the live job, which holds a tile open for two horizons, does not write it any more.

    Args:
        replay: what is asked for.
        marker: the archive's completeness marker, in microseconds; None: there is none.
        clock: the time, in microseconds.
    """
    if marker is None:
        return "the archive has no completeness marker, so nothing says that it holds all"
    end, span = readable(replay.span.end), replay.span
    if marker < span.published_to:
        return (
            f"the archive is complete to {readable(marker)}, and must be to "
            f"{readable(span.published_to)} (--to and --max_lateness); wait, or end the span sooner"
        )
    closed = span.end + 2 * replay.horizon
    reached = min(marker, clock)
    if reached < closed:
        whose = "the archive's marker" if marker < clock else "the clock"
        return (
            f"the live job may write what lies before {end} until {readable(closed)} (two horizons "
            f"of {format_duration(replay.horizon)}), and {whose} is at {readable(reached)}; "
            "wait, or end the span sooner"
        )
    return None


def _print(
    replay: ReplayConfig, plan: ReplayPlan, problem: str | None, known: dict[str, str | None]
) -> None:
    lines = plan.lines(replay.events_per_worker_second)
    lines += [f"{name + ':':<12}{words}" for name, words in known.items() if words]
    if replay.repair and not problem:
        lines.append(f"{'repair:':<12}possible, the span is closed")
    if problem:
        lines.append(f"{'refused:':<12}{problem}")
    sys.stdout.write("\n".join(lines) + "\n")
