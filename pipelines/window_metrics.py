"""Metrics of windows: what is declared of events and rejects, minute by minute, into BigQuery.

Messages are decoded and validated; copies are removed by event id; what each event adds is
collected by bundle and folded into windows, which are told as panes: early, on time and late. An
event that is too late for a window goes to the late output, whole. Whatever is refused on the way
ends in the quarantine with its original bytes.

    python -m pipelines.window_metrics --input_files='events/*.ndjson' \
        --rows_output=rows --quarantine_output=quarantine

Windows that late events missed are computed anew by `pipelines.recompute_windows`. Those of metrics
with `bigtable: true` are cells of a Bigtable table as well.
"""

import sys

import apache_beam as beam

from pipelines.counters import WINDOWS
from pipelines.job import Job
from pipelines.measure_windows import measure_windows
from pipelines.quarantine import index_and_quarantine, quarantine
from pipelines.serve_windows import serve_windows
from pipelines.window_arguments import WindowOptions
from pipelines.window_launch import settled
from pipelines.window_options import WindowConfig
from transforms.encode_late import EncodeLate
from transforms.write_late import WriteLate
from transforms.write_rows import WriteRows

__all__ = ["JOB", "build", "main", "run"]


def build(pipeline: beam.Pipeline, config: WindowConfig) -> None:
    """Put the job together."""
    assert config.rows is not None
    measured = measure_windows(pipeline, config)
    late = measured.late | "EncodeLate" >> EncodeLate()
    rows = (measured.panes, late) | "FlattenRows" >> beam.Flatten()
    written = rows | "WriteRows" >> WriteRows(config.rows)
    together = [*measured.rejected, written.rejected, *serve_windows(measured.told, config)]
    refused = together | "FlattenRejected" >> beam.Flatten()
    index_and_quarantine(refused, config.rows, quarantine(config))
    if config.late_output:
        _ = measured.late | "WriteLate" >> WriteLate(config.late_output)


JOB = Job(
    "python -m pipelines.window_metrics --input_... --rows_output=... [options]",
    WindowOptions,
    WindowConfig.of,
    build,
    WINDOWS,
    settled,
)
run = JOB.run
main = JOB.main

if __name__ == "__main__":
    sys.exit(main())
