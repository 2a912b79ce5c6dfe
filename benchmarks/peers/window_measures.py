"""Archive to windows of one and five minutes, as a Beam user would: a CombineFn per window length.

The same as the shipped metric `activity`, each id once: events, users and sessions by type of event
and country. Users are counted exactly, in sets.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from benchmarks.contender import digest, main
from benchmarks.inputs import ARCHIVE

__all__ = ["run"]

_MINUTES = (1, 5)


class _Activity(beam.CombineFn):
    """Number of events, users, sessions."""

    def create_accumulator(self) -> list[Any]:
        return [0, set(), set()]

    def add_input(self, held: list[Any], visit: tuple[str, str | None]) -> list[Any]:
        user, session = visit
        held[0] += 1
        held[1].add(user)
        if session is not None:
            held[2].add(session)
        return held

    def merge_accumulators(self, many: Iterable[list[Any]]) -> list[Any]:
        whole = self.create_accumulator()
        for held in many:
            whole[0] += held[0]
            whole[1] |= held[1]
            whole[2] |= held[2]
        return whole

    def extract_output(self, held: list[Any]) -> tuple[int, int, int]:
        return held[0], len(held[1]), len(held[2])


def run(path: str) -> Callable[[], str]:
    """Measure the activity of each window."""
    folder = Path(tempfile.mkdtemp())
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])) as pipeline:
        visits = (
            pipeline
            | beam.io.ReadFromAvro(f"{Path(path).with_name(ARCHIVE)}/**.avro")
            | "Parse" >> beam.Map(_parsed)
            | beam.GroupByKey()
            | "First" >> beam.Map(_first)
        )
        for minutes in _MINUTES:
            _ = (
                visits
                | f"Window{minutes}" >> beam.WindowInto(FixedWindows(60 * minutes))
                | f"Combine{minutes}" >> beam.CombinePerKey(_Activity())
                | f"ToJson{minutes}" >> beam.Map(_line)
                | f"Write{minutes}" >> beam.io.WriteToText(str(folder / f"n{minutes}"))
            )
    return lambda: _digest_of(folder)


def _parsed(message: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    event = json.loads(message["payload"])
    return event["event_id"], event


def _first(group: tuple[str, Iterable[dict[str, Any]]]) -> TimestampedValue:
    event = next(iter(group[1]))
    moment = datetime.fromisoformat(event["event_timestamp"].replace("Z", "+00:00"))
    key = event["event_type"], event["event_details"].get("country")
    visit = event["user_id"], event.get("session_id")
    return TimestampedValue((key, visit), moment.timestamp())


def _line(
    counted: tuple[tuple[str, str | None], tuple[int, int, int]],
    window: Any = beam.DoFn.WindowParam,
) -> str:
    start, end = int(window.start) // 60, int(window.end) // 60
    return json.dumps([end - start, start, *counted[0], *counted[1]])


def _digest_of(folder: Path) -> str:
    lines = [line for file in folder.iterdir() for line in file.read_text().splitlines()]
    shutil.rmtree(folder)
    return digest(json.loads(line) for line in lines)


if __name__ == "__main__":
    main(run)
