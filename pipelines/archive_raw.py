"""The raw archive: every message that ever arrived, as it arrived, in immutable Avro objects.

Messages are gathered into batches by hour of publishing, lines of files by their place, and written
behind a stable boundary, each object with its entry in the manifest. Nothing is decoded, dropped or
rejected. Behind the writes follows the marker that says up to when the archive is complete.

    python -m pipelines.archive_raw --input_subscription=projects/P/subscriptions/S \
        --archive_output=gs://BUCKET
"""

import logging
import sys

import apache_beam as beam
from apache_beam.pvalue import PCollection

from pipelines.archive_raw_options import SECOND, ArchiveRawConfig, ArchiveRawOptions
from pipelines.counters import ARCHIVE
from pipelines.job import Job
from pipelines.options import UsageError
from schemas.packs import RawPack
from transforms.batch_bundles import BatchBundles
from transforms.batch_lines import BatchLines
from transforms.batch_messages import Batch, BatchMessages
from transforms.mark_complete import MarkComplete
from transforms.read_messages import ReadMessages
from transforms.write_archive import WriteArchive

__all__ = ["JOB", "build", "main", "run"]

# Their Pub/Sub source has the clock for its watermark, which nothing holds back.
_NO_WATERMARK = {"BundleBasedDirectRunner", "SwitchingDirectRunner"}


def build(pipeline: beam.Pipeline, config: ArchiveRawConfig) -> None:
    """Put the job together."""
    live = config.input_subscription is not None
    batches = _batch(_read(pipeline, config), config) if live else _batch_files(pipeline, config)
    written = batches | "WriteArchive" >> WriteArchive(
        config.archive_output,
        config.source,
        config.codec,
        config.event_time_attribute,
        settle=live and not config.by_bundle,
    )
    if live and _has_watermark(pipeline):
        _ = written | "MarkComplete" >> MarkComplete(
            config.archive_output, config.source, every=config.marker_every / SECOND
        )


def _batch_files(pipeline: beam.Pipeline, config: ArchiveRawConfig) -> PCollection[Batch]:
    files = config.input_files or ""
    try:
        return pipeline | "BatchLines" >> BatchLines(files, config.now, config.batch_bytes)
    except (OSError, ValueError) as error:
        msg = f"--input_files={files}: {error}; name files, or a glob of files"
        raise UsageError(msg) from None


def _read(pipeline: beam.Pipeline, config: ArchiveRawConfig) -> PCollection[RawPack]:
    return pipeline | "ReadPubSub" >> ReadMessages(
        config.input_subscription or "",
        source=config.pubsub_source,
        readers=config.readers,
        watermark_slack=config.watermark_slack / SECOND,
        restart_grace=config.restart_grace / SECOND,
        stop_after_idle=config.stop_after_idle and config.stop_after_idle / SECOND,
        turn_seconds=config.batch_age / SECOND if config.by_bundle else 1.0,
        packed=True,
    )


def _batch(packs: PCollection[RawPack], config: ArchiveRawConfig) -> PCollection[Batch]:
    if config.by_bundle:
        return packs | "Batch" >> BatchBundles(config.batch_bytes)
    return packs | "Batch" >> BatchMessages(
        config.batch_bytes, config.batch_age / SECOND, config.batch_shards
    )


def _has_watermark(pipeline: beam.Pipeline) -> bool:
    names = {each.__name__ for each in type(pipeline.runner).__mro__} & _NO_WATERMARK
    if names:
        logging.getLogger(__name__).warning(
            "%s acknowledges messages before they are archived, so a job that is killed loses some,"
            " and there is no completeness marker; use Prism, Flink or Dataflow",
            min(names),
        )
    return not names


JOB = Job(
    "python -m pipelines.archive_raw --input_... --archive_output=... [options]",
    ArchiveRawOptions,
    ArchiveRawConfig.of,
    build,
    ARCHIVE,
    at_least_once=True,
)
run = JOB.run
main = JOB.main

if __name__ == "__main__":
    sys.exit(main())
