"""Events as Avro as a Beam user would write them: json.loads, WriteToAvro, deflate.

Details differ by type, and a union of thirteen records makes this many times slower; so they are
kept as their JSON text.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import apache_beam as beam
import fastavro
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from benchmarks.contender import digest_of_many, main
from benchmarks.oracles import content_of

__all__ = ["run", "written"]

SCHEMA = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "event_type", "type": "string"},
        {"name": "user_id", "type": ["null", "string"]},
        {"name": "session_id", "type": ["null", "string"]},
        {"name": "event_timestamp", "type": "string"},
        {"name": "source_system", "type": ["null", "string"]},
        {"name": "event_details", "type": "string"},
    ],
}


def run(path: str) -> Callable[[], str]:
    """Parse events and write them, in as many files as the engine likes: here, one."""
    return written(path, 0)


def written(path: str, shards: int) -> Callable[[], str]:
    """Parse events and write them in so many files; 0: as the engine likes."""
    folder = Path(tempfile.mkdtemp())
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])) as pipeline:
        _ = (
            pipeline
            | beam.io.ReadFromText(path)
            | "Parse" >> beam.Map(_parsed)
            | beam.io.WriteToAvro(
                str(folder / "events"), SCHEMA, codec="deflate", num_shards=shards
            )
        )
    return lambda: _digest_of(folder)


def _parsed(line: str) -> dict:
    event = json.loads(line)
    event["event_details"] = json.dumps(event["event_details"])
    return event


def _digest_of(folder: Path) -> str:
    found = digest_of_many(map(content_of, _events_in(folder)))
    shutil.rmtree(folder)
    return found


def _events_in(folder: Path) -> Iterator[dict]:
    for path in folder.iterdir():
        with path.open("rb") as file:
            for event in fastavro.reader(file):
                yield {**event, "event_details": json.loads(event["event_details"])}


if __name__ == "__main__":
    main(run)
