"""The jobs that a case runs, as their own modules put them together from their own options.

Declarations are the shipped ones. Everything is put together once a process, since it takes a
second, and run for seed after seed.
"""

import functools
import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from chaos.graph import Graph, graph_of
from pipelines import archive_raw, hot_path, recompute_windows, window_metrics

__all__ = ["BEGIN", "END", "HORIZON", "HORIZON_MICROS", "KEY", "SHARDS", "graphs"]

BEGIN, END = "2025-12-01T00:00:00Z", "2026-03-01T00:00:00Z"
"""What a replay and a repair are asked for: all that a case can publish."""
HORIZON = "2h"
HORIZON_MICROS = 7_200_000_000
SHARDS = 2
KEY = "k1:" + "0123456789abcdef" * 3
"""Of pseudonyms; it protects nothing."""

_VARIABLE = "PENSTOCK_CHAOS_KEY"
_LIVE = (
    "--input_subscription=projects/p/subscriptions/s", "--pubsub_source=portable",
)  # fmt: skip
_COVERED = ("--covers_from=beginning", f"--now={BEGIN}")
_ARCHIVED = (
    "--input_archive=/archive", "--source=events", f"--from={BEGIN}", f"--to={END}",
    "--max_lateness=60d", f"--now={END}",
)  # fmt: skip
_COMMON = (f"--shards={SHARDS}", f"--pseudonym_key=env:{_VARIABLE}")
_HOT = (*_COMMON, f"--horizon={HORIZON}")
_TABLE = "--bigtable_table=projects/chaos-project/instances/chaos/tables/"
_ROWS = "--write_method=inserts"


def _archive() -> tuple[Any, list[str]]:
    given = [
        *_LIVE,
        "--archive_output=/archive",
        "--source=events",
        "--batch_bytes=20kB",
        "--marker_every=30m",
    ]
    return archive_raw.JOB, given


def _hot() -> tuple[Any, list[str]]:
    late = "--late_output=/late"
    return hot_path.JOB, [*_LIVE, *_COVERED, *_HOT, late, f"{_TABLE}live", _to("hot")]


def _replay() -> tuple[Any, list[str]]:
    return hot_path.JOB, [*_ARCHIVED, *_HOT, f"{_TABLE}replay", _to("replay")]


def _repair() -> tuple[Any, list[str]]:
    mode = "--write_mode=repair"
    return hot_path.JOB, [*_ARCHIVED, *_HOT, mode, f"{_TABLE}live", _to("repair")]


def _windows() -> tuple[Any, list[str]]:
    late, project = "--late_output=/late-windows", "--bigquery_project=chaos-live"
    given = [*_LIVE, *_COVERED, *_COMMON, late, project, _ROWS, _to("windows")]
    return window_metrics.JOB, given


def _replay_windows() -> tuple[Any, list[str]]:
    project = "--bigquery_project=chaos-replay"
    given = [*_ARCHIVED, *_COMMON, project, _ROWS, _to("replay-windows")]
    return window_metrics.JOB, given


def _recompute() -> tuple[Any, list[str]]:
    project = "--bigquery_project=chaos-live"
    given = [*_ARCHIVED, *_COMMON, project, _ROWS, "--generation=1", _to("recompute")]
    return recompute_windows.JOB, given


def _to(job: str) -> str:
    return f"--quarantine_output=/quarantine/{job}"


_JOBS: Mapping[str, Callable[[], tuple[Any, list[str]]]] = MappingProxyType(
    {
        "archive": _archive,
        "hot": _hot,
        "windows": _windows,
        "replay": _replay,
        "replay_windows": _replay_windows,
        "repair": _repair,
        "recompute": _recompute,
    }
)


@functools.cache
def graphs() -> Mapping[str, Graph]:
    """Return the steps of each job by its name, in the order in which they are run."""
    # For as long as the process is: workers read it when they are set up.
    os.environ[_VARIABLE] = KEY
    return {name: _graph(*made()) for name, made in _JOBS.items()}


def _graph(job: Any, argv: list[str]) -> Graph:
    config = job.configure(job.options(argv))
    return graph_of(lambda pipeline: job.build(pipeline, config))
