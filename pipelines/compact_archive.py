"""Compaction of the raw archive: few large objects in place of many small ones, hour by hour.

The launch lists names and finds the hours in which there is something to do; each is compacted by
itself: its small objects are merged in order of publish time, the outputs are proven against what
was read, the manifest is switched, and what nobody reads any more is deleted.

    python -m pipelines.compact_archive --archive=gs://BUCKET [--dry_run]
"""

import sys

import apache_beam as beam

from pipelines.compact_archive_options import CompactArchiveConfig, CompactArchiveOptions
from pipelines.compact_archive_plan import prepare, problem_of
from pipelines.counters import COMPACTION
from pipelines.job import Job
from transforms.compact_hours import CompactHours

__all__ = ["JOB", "build", "main", "run"]


def build(pipeline: beam.Pipeline, config: CompactArchiveConfig) -> None:
    """Put the job together."""
    found = beam.Create(config.hours, reshuffle=False).with_output_types(tuple[str, int])
    hours = pipeline | "FoundHours" >> found | "SpreadHours" >> beam.Reshuffle()
    _ = hours | "CompactHours" >> CompactHours(config.archive, config.how)


JOB = Job(
    "python -m pipelines.compact_archive --archive=... [options]",
    CompactArchiveOptions,
    CompactArchiveConfig.of,
    build,
    COMPACTION,
    prepare,
    problem_of,
)
run = JOB.run
main = JOB.main

if __name__ == "__main__":
    sys.exit(main())
