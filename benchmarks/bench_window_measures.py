"""The metrics job, raw archive to panes of one and five minutes: the shipped metric of activity."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.bench_window_count import measured, minute_of
from benchmarks.contender import digest, main
from benchmarks.inputs import ARCHIVE
from schemas.metric_set import SHIPPED

__all__ = ["run"]

_SHOWN = ("event_type", "country", "events", "users", "sessions")


def run(path: str) -> Callable[[], str]:
    """Measure the activity of each window, each archived event once."""
    rows = measured(
        Path(tempfile.mkdtemp()),
        SHIPPED / "activity.yaml",
        f"--input_archive={Path(path).with_name(ARCHIVE)}",
        "--from=2020-01-01T00:00:00Z",
        "--to=2040-01-01T00:00:00Z",
    )
    return lambda: digest(
        [
            int(row["window"].removesuffix("m")),
            minute_of(row),
            *(row.get(name) for name in _SHOWN),
        ]
        for row in rows()
    )


if __name__ == "__main__":
    main(run)
