"""Subscription -> single messages with Beam's own source, on the one local engine that has it."""

from typing import Any

import apache_beam as beam
from apache_beam.io.gcp.pubsub import PubsubMessage, ReadFromPubSub
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner

from benchmarks.pubsub_load import main, note


def _note(message: PubsubMessage) -> None:
    note(message.message_id, message.data)


def submit(subscription: str) -> Any:
    """Start the job."""
    options = PipelineOptions(streaming=True)
    pipeline = beam.Pipeline(runner=BundleBasedDirectRunner(), options=options)
    read = ReadFromPubSub(subscription=subscription, with_attributes=True)
    _ = pipeline | read | "NoteMessages" >> beam.Map(_note)
    return pipeline.run()


if __name__ == "__main__":
    main(submit)
