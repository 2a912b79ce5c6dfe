"""Stateful dedupe by Beam's own `DeduplicatePerKey`: one state cell and one timer an id."""

import json
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.deduplicate import DeduplicatePerKey
from apache_beam.transforms.window import TimestampedValue

from benchmarks.contender import digest, main

__all__ = ["run"]

_HORIZON = 86_400


def run(path: str) -> Callable[[], str]:
    """Dedupe by id and write the ids that passed."""
    folder = Path(tempfile.mkdtemp())
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])) as pipeline:
        _ = (
            pipeline
            | beam.io.ReadFromText(path)
            | beam.Map(json.loads)
            | "Stamp" >> beam.Map(_stamped)
            | "Key" >> beam.Map(lambda event: (event["event_id"], event["event_type"]))
            | DeduplicatePerKey(event_time_duration=_HORIZON)
            | beam.Keys()
            | beam.io.WriteToText(str(folder / "ids"))
        )
    return lambda: _digest_of(folder)


def _stamped(event: dict) -> TimestampedValue:
    moment = datetime.fromisoformat(event["event_timestamp"].replace("Z", "+00:00"))
    return TimestampedValue(event, moment.timestamp())


def _digest_of(folder: Path) -> str:
    ids = [line for file in folder.iterdir() for line in file.read_text().splitlines()]
    shutil.rmtree(folder)
    return digest(ids)


if __name__ == "__main__":
    main(run)
