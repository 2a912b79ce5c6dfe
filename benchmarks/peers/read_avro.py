"""Dedupe and count what is archived, as a Beam user would: ReadFromAvro, json.loads, GroupByKey.

The minute is part of the key that is counted: windows of a minute, of which a day has 1440, would
take the local engine longer than all the rest.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from benchmarks.contender import digest, main
from benchmarks.inputs import ARCHIVE

__all__ = ["run"]


def run(path: str) -> Callable[[], str]:
    """Count events by type and minute, each id once."""
    folder = Path(tempfile.mkdtemp())
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])) as pipeline:
        _ = (
            pipeline
            | beam.io.ReadFromAvro(f"{Path(path).with_name(ARCHIVE)}/**.avro")
            | "Parse" >> beam.Map(_parsed)
            | beam.GroupByKey()
            | "First" >> beam.Map(_first)
            | beam.combiners.Count.PerElement()
            | "ToJson" >> beam.Map(_line)
            | beam.io.WriteToText(str(folder / "n"))
        )
    return lambda: _digest_of(folder)


def _parsed(message: dict) -> tuple[str, dict]:
    event = json.loads(message["payload"])
    return event["event_id"], event


def _first(group: tuple[str, Iterable[dict]]) -> tuple[str, int]:
    event = next(iter(group[1]))
    moment = datetime.fromisoformat(event["event_timestamp"].replace("Z", "+00:00"))
    return event["event_type"], int(moment.timestamp()) // 60


def _line(counted: tuple[tuple[str, int], int]) -> str:
    return json.dumps([*counted[0], counted[1]])


def _digest_of(folder: Path) -> str:
    lines = [line for file in folder.iterdir() for line in file.read_text().splitlines()]
    shutil.rmtree(folder)
    return digest(json.loads(line) for line in lines)


if __name__ == "__main__":
    main(run)
