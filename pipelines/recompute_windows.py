"""Computes closed windows anew from the raw archive, late events included.

Every window of every metric that lies wholly inside the span is measured in batch, and its panes
are written with a later generation, which the views `gold.<metric>` prefer. When all of them are
there, `ops.recomputed` is told, and then nothing counts any more that earlier generations said of
these windows.

    python -m pipelines.recompute_windows --input_archive=archive \
        --from=2026-01-31T00:00:00Z --to=2026-02-01T00:00:00Z \
        --rows_output=rows --quarantine_output=quarantine
"""

import dataclasses
import sys
from collections.abc import Mapping

import apache_beam as beam

from pipelines.counters import RECOMPUTED
from pipelines.job import Job
from pipelines.measure_windows import measure_windows
from pipelines.quarantine import quarantine
from pipelines.replay import planned
from pipelines.window_arguments import RecomputeOptions
from pipelines.window_options import WindowConfig
from transforms.supersede_windows import SupersedeWindows
from transforms.write_rows import WriteRows

__all__ = ["JOB", "build", "main", "run"]


def build(pipeline: beam.Pipeline, config: WindowConfig) -> None:
    """Put the job together."""
    assert config.rows is not None
    assert config.replay is not None
    measured = measure_windows(pipeline, config)
    written = measured.panes | "WriteRows" >> WriteRows(config.rows)
    superseding = written | "SupersedeWindows" >> SupersedeWindows(
        config.metrics, config.coverage, config.generation, config.replay.run_id
    )
    told = superseding | "WriteRecomputed" >> WriteRows(config.rows)
    together = [*measured.rejected, written.rejected, told.rejected]
    _ = together | "FlattenRejected" >> beam.Flatten() | "Quarantine" >> quarantine(config)


def _settled(config: WindowConfig) -> WindowConfig | None:
    assert config.replay is not None
    replay = planned(config.replay, "--from and --to")
    return None if replay is None else dataclasses.replace(config, replay=replay)


def _problem(counters: Mapping[str, int]) -> str | None:
    refused, kept = counters.get("rows_refused", 0), counters.get("windows_kept", 0)
    if kept:
        return (
            f"{refused} rows of panes were refused, so {kept} windows are left as they were; the "
            "rows are in the quarantine with the reason: mend it, and compute the windows again"
        )
    if refused:
        return f"{refused} rows of ops.recomputed were refused; mend it, and compute again"
    return None


JOB = Job(
    "python -m pipelines.recompute_windows --input_archive=... --from=... --to=... [options]",
    RecomputeOptions,
    WindowConfig.recomputing,
    build,
    RECOMPUTED,
    _settled,
    problem=_problem,
)
run = JOB.run
main = JOB.main

if __name__ == "__main__":
    sys.exit(main())
