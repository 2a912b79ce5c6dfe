"""Subscription -> single messages on Prism with the suite's own source.

The peer is `benchmarks.peers.read_pubsub_beam`.
"""

from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from benchmarks.pubsub_load import main, note
from local.binaries import prism_binary
from schemas.events import RawEvent
from transforms.read_messages import ReadMessages

__all__ = ["submit"]


def submit(subscription: str) -> Any:
    """Start the job."""
    # The engine is a means; the functions are pickled by their module's name, so not from here.
    options = PipelineOptions(
        runner="PrismRunner",
        prism_location=str(prism_binary()),
        streaming=True,
        environment_type="LOOPBACK",
    )
    pipeline = beam.Pipeline(options=options)
    _ = pipeline | ReadMessages(subscription) | "NoteMessages" >> beam.ParDo(_Note(note))
    return pipeline.run()


class _Note(beam.DoFn):
    def __init__(self, noted: Any) -> None:
        self._noted = noted

    def process(self, element: RawEvent) -> None:
        self._noted(element.message_id, element.payload)


if __name__ == "__main__":
    main(submit)
