"""Computes closed windows anew from the raw archive or curated rows, late events included.

Every window of every metric that lies wholly inside the span is measured in batch, and its panes
are written with a later generation, which the views `gold.<metric>` prefer. When all of them are
there, `ops.recomputed` is told, and then nothing counts any more that earlier generations said of
these windows.

    python -m pipelines.recompute_windows --input_archive=archive \
        --from=2026-01-31T00:00:00Z --to=2026-02-01T00:00:00Z \
        --rows_output=rows --quarantine_output=quarantine

With `--input_rows=rows` or `--input_bigquery_project=P` the current rows of the curated events are
measured in place of the archive's messages.
"""

import sys
from collections.abc import Mapping

import apache_beam as beam

from pipelines.counters import RECOMPUTED
from pipelines.curated_input import check_curated
from pipelines.job import Job
from pipelines.measure_rows import measure_rows
from pipelines.measure_windows import measure_windows
from pipelines.quarantine import quarantine
from pipelines.recompute_generations import refuse_idle_generation
from pipelines.replay import with_plan
from pipelines.serve_windows import refused_cells, serve_windows
from pipelines.window_arguments import RecomputeOptions
from pipelines.window_options import WindowConfig
from transforms.supersede_windows import SupersedeWindows
from transforms.write_rows import WriteRows

__all__ = ["JOB", "build", "main", "run"]


def build(pipeline: beam.Pipeline, config: WindowConfig) -> None:
    """Put the job together."""
    assert config.rows is not None
    assert config.replay is not None
    measure = measure_windows if config.curated is None else measure_rows
    measured = measure(pipeline, config)
    written = measured.panes | "WriteRows" >> WriteRows(config.rows)
    superseding = written | "SupersedeWindows" >> SupersedeWindows(
        config.metrics, config.coverage, config.generation, config.replay.run_id
    )
    told = superseding | "WriteRecomputed" >> WriteRows(config.rows)
    refused = [written.rejected, told.rejected, *serve_windows(measured.told, config)]
    together = [*measured.rejected, *refused]
    _ = together | "FlattenRejected" >> beam.Flatten() | "Quarantine" >> quarantine(config)


def _settled(config: WindowConfig) -> WindowConfig | None:
    assert config.replay is not None
    if config.curated is not None:
        check_curated(config.curated, config.replay, config.metrics, config.contracts)
    else:
        found = with_plan(config, "--from and --to")
        if found is None:
            return None
        config = found
    refuse_idle_generation(config)
    return config


def _problem(counters: Mapping[str, int]) -> str | None:
    refused, kept = counters.get("rows_refused", 0), counters.get("windows_kept", 0)
    if kept:
        return (
            f"{refused} rows of panes were refused, so {kept} windows are left as they were; the "
            "rows are in the quarantine with the reason: mend it, and compute the windows again"
        )
    if refused:
        return f"{refused} rows of ops.recomputed were refused; mend it, and compute again"
    return refused_cells(counters)


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
