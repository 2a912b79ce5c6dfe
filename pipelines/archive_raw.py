"""The raw archive: every message that ever arrived, as it arrived, in immutable Avro objects.

Messages are gathered into batches by hour of publishing, and written behind a stable boundary, each
object with its entry in the manifest. Nothing is decoded, dropped or rejected. Behind the writes
follows the marker that says up to when the archive is complete.

    python -m pipelines.archive_raw --input_subscription=projects/P/subscriptions/S \
        --archive_output=gs://BUCKET
"""

import sys

import apache_beam as beam
from apache_beam.pvalue import PCollection

from pipelines.archive_raw_options import ArchiveRawConfig, ArchiveRawOptions
from pipelines.counters import ARCHIVE
from pipelines.job import Job
from pipelines.options import UsageError
from schemas.packs import RawPack
from transforms.batch_messages import BatchMessages
from transforms.mark_complete import MarkComplete
from transforms.read_lines import ReadLines
from transforms.read_messages import ReadMessages
from transforms.stamp_published import StampPublished
from transforms.write_archive import WriteArchive

__all__ = ["JOB", "build", "main", "run"]

_SECOND = 1_000_000


def build(pipeline: beam.Pipeline, config: ArchiveRawConfig) -> None:
    """Put the job together."""
    batches = _read(pipeline, config) | "Batch" >> BatchMessages(
        config.batch_bytes, config.batch_age / _SECOND, config.batch_shards
    )
    written = batches | "WriteArchive" >> WriteArchive(
        config.archive_output, config.source, config.codec, config.event_time_attribute
    )
    if config.input_subscription:
        _ = written | "MarkComplete" >> MarkComplete(config.archive_output, config.source)


def _read(pipeline: beam.Pipeline, config: ArchiveRawConfig) -> PCollection[RawPack]:
    if config.input_files:
        try:
            lines = pipeline | "ReadFiles" >> ReadLines(config.input_files)
        except OSError as error:
            msg = f"--input_files={config.input_files}: {error}; name files, or a glob of files"
            raise UsageError(msg) from None
        return lines | "StampPublished" >> StampPublished(config.now)
    return pipeline | "ReadPubSub" >> ReadMessages(
        config.input_subscription or "",
        source=config.pubsub_source,
        readers=config.readers,
        watermark_slack=config.watermark_slack / _SECOND,
        stop_after_idle=config.stop_after_idle and config.stop_after_idle / _SECOND,
        packed=True,
    )


JOB = Job(
    "python -m pipelines.archive_raw --input_... --archive_output=... [options]",
    ArchiveRawOptions,
    ArchiveRawConfig.of,
    build,
    ARCHIVE,
)
run = JOB.run
main = JOB.main

if __name__ == "__main__":
    sys.exit(main())
