"""The suite's metrics job, file to panes: events by type in windows of a minute of event time."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# The job names its engine, which is then imported: as with the peer, that is not timed.
import apache_beam.runners.portability.fn_api_runner  # noqa: F401

from benchmarks.contender import digest, main
from local.plain_values import time_of
from pipelines import window_metrics

__all__ = ["measured", "minute_of", "run"]

_MINUTE = 60_000_000
_COUNT = """
name: by_minute
doc: Events by type.
windows: [1m]
dimensions: [event_type]
"""


def run(path: str) -> Callable[[], str]:
    """Count each event once, by type and minute."""
    folder = Path(tempfile.mkdtemp())
    metric = folder / "by_minute.yaml"
    metric.write_text(_COUNT)
    rows = measured(folder, metric, f"--input_files={path}")
    return lambda: digest((row["event_type"], minute_of(row), row["event_count"]) for row in rows())


def measured(folder: Path, metric: Path, *given: str) -> Callable[[], Iterator[dict[str, Any]]]:
    """Run the job with one metric; return what yields its rows and removes the folder."""
    os.environ["BENCHMARK_KEY"] = "k1:pseudonyms-of-invented-people"
    window_metrics.run(
        [
            *given,
            f"--metrics={metric}",
            f"--rows_output={folder / 'rows'}",
            f"--quarantine_output={folder / 'quarantine'}",
            "--pseudonym_key=env:BENCHMARK_KEY",
            "--shards=8",
        ]
    )
    return lambda: _rows_in(folder)


def minute_of(row: dict[str, Any]) -> int:
    """Return the minute that a row's window begins with, since the epoch."""
    return time_of(row["window_start"]) // _MINUTE


def _rows_in(folder: Path) -> Iterator[dict[str, Any]]:
    for file in (folder / "rows").glob("*/*.ndjson"):
        yield from map(json.loads, file.read_text().splitlines())
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(run)
