"""Count per event type and minute of event time: windows as Beam's guide has them, no dedupe."""

import json
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from benchmarks.contender import digest, main

__all__ = ["run"]


def run(path: str) -> Callable[[], str]:
    """Count lines by type and minute."""
    folder = Path(tempfile.mkdtemp())
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])) as pipeline:
        _ = (
            pipeline
            | beam.io.ReadFromText(path)
            | beam.Map(json.loads)
            | "Stamp" >> beam.Map(_stamped)
            | beam.WindowInto(FixedWindows(60))
            | beam.CombinePerKey(beam.combiners.CountCombineFn())
            | "ToJson" >> beam.Map(_line)
            | beam.io.WriteToText(str(folder / "n"))
        )
    return lambda: _digest_of(folder)


def _stamped(event: dict[str, Any]) -> TimestampedValue:
    moment = datetime.fromisoformat(event["event_timestamp"].replace("Z", "+00:00"))
    return TimestampedValue((event["event_type"], 1), moment.timestamp())


def _line(counted: tuple[str, int], window: Any = beam.DoFn.WindowParam) -> str:
    return json.dumps([counted[0], int(window.start) // 60, counted[1]])


def _digest_of(folder: Path) -> str:
    lines = [line for file in folder.iterdir() for line in file.read_text().splitlines()]
    shutil.rmtree(folder)
    return digest(json.loads(line) for line in lines)


if __name__ == "__main__":
    main(run)
