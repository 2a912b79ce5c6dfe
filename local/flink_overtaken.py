"""A stream that loses events where a watermark overtakes them, and how many: no kill is needed.

    python -m local.flink_overtaken --notes=FOLDER [options of the engine]

The watermark of its source follows what it has emitted, in turns of some seconds of event time;
behind a shuffle windows of a second, without allowed lateness, note what they hold.
"""

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.io.restriction_trackers import OffsetRange, OffsetRestrictionTracker
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.transforms.window import FixedWindows, TimestampedValue
from apache_beam.utils.timestamp import Duration, Timestamp

from local.flink_cluster import FlinkCluster
from local.processes import ServiceProcess
from pipelines.options import add_options, parse_options, required
from transforms.object_store import create_object

__all__ = ["EVENTS", "build", "main", "noted", "overtaken"]

EVENTS = 1_600
"""How many are emitted."""

_TURN = 20
_STEP = Duration(micros=250_000)
_PAUSE = Duration(micros=50_000)
_BASE = Timestamp(1_700_000_000)
_KEYS = 2
_PATIENCE, _QUIET, _LOOK = 480.0, 40.0, 1.0
_GROUPS = {"the stream": {"notes": "folder for what the windows hold"}}


class StreamOptions(PipelineOptions):
    """Its command line."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(parser, _GROUPS)


class _All(RestrictionProvider):
    def initial_restriction(self, events: int) -> OffsetRange:
        return OffsetRange(0, events)

    def create_tracker(self, restriction: OffsetRange) -> OffsetRestrictionTracker:
        return OffsetRestrictionTracker(restriction)

    def restriction_size(self, _events: int, restriction: OffsetRange) -> int:
        return int(restriction.size())


class _EmitInTurns(beam.DoFn):
    TRACKER = beam.DoFn.RestrictionParam(_All())
    WATERMARK = beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider())

    @beam.DoFn.unbounded_per_element()
    def process(
        self, _events: int, tracker: Any = TRACKER, watermark: Any = WATERMARK
    ) -> Iterator[TimestampedValue]:
        """Emit a turn, and tell that all that comes after it is later."""
        begin = tracker.current_restriction().start
        for number in range(begin, begin + _TURN):
            if not tracker.try_claim(number):
                return
            yield TimestampedValue(number, _BASE + _STEP * number)
        watermark.set_watermark(_BASE + _STEP * (begin + _TURN))
        tracker.defer_remainder(_PAUSE)


def build(pipeline: beam.Pipeline, notes: str, events: int = EVENTS) -> None:
    """Put the stream together."""
    numbers = pipeline | "Begin" >> beam.Create([events])
    emitted = numbers | "EmitInTurns" >> beam.ParDo(_EmitInTurns()).with_output_types(int)
    keyed = (
        emitted
        | "Shuffle" >> beam.Reshuffle()
        | "Key" >> beam.Map(_keyed).with_output_types(tuple[int, int])
    )
    held = keyed | "Window" >> beam.WindowInto(FixedWindows(1)) | "Group" >> beam.GroupByKey()
    _ = held | "Note" >> beam.Map(_note, notes)


def main(argv: Sequence[str]) -> int:
    """Run the stream and return its exit status."""
    options = parse_options(argv, StreamOptions, "python -m local.flink_overtaken [options]")
    notes = required("notes", options.view_as(StreamOptions).notes, "name a folder")
    options.view_as(StandardOptions).streaming = True
    with beam.Pipeline(options=options) as pipeline:
        build(pipeline, notes)
    return 0


def overtaken(cluster: FlinkCluster, settings: Sequence[str], folder: Path) -> int:
    """Run it on a cluster, with a folder of its own; return how many events no window holds.

    Raises:
        ServiceError: the job has not noted anything in time, or is not cancelled.
    """
    folder.mkdir(parents=True)
    notes = folder / "notes"
    command = [sys.executable, "-m", "local.flink_overtaken", f"--notes={notes}"]
    job = ServiceProcess([*command, *cluster.engine, *settings], folder / "job.log", {**os.environ})
    rest = cluster.rest
    try:
        cluster.wait(lambda: bool(noted(notes)), "nothing was noted", _PATIENCE)
        until = time.monotonic() + _PATIENCE
        moved, before = time.monotonic(), 0
        while before < EVENTS and time.monotonic() < min(until, moved + _QUIET):
            time.sleep(_LOOK)
            now = len(noted(notes))
            moved = time.monotonic() if now != before else moved
            before = now
    finally:
        if running := rest.running_job():
            rest.cancel(running)
            cluster.wait(lambda: rest.running_job() is None, "the job was not cancelled")
        job.stop()
    return EVENTS - len(noted(notes))


def noted(notes: Path) -> set[int]:
    """Return the events that windows have held."""
    files = notes.iterdir() if notes.is_dir() else ()
    whole = [path for path in files if not path.name.startswith(".")]
    return {int(number) for path in whole for number in path.read_text().split()}


def _keyed(number: int) -> tuple[int, int]:
    return number % _KEYS, number


def _note(held: tuple[int, Iterable[int]], folder: str) -> None:
    line = " ".join(map(str, sorted(held[1])))
    Path(folder).mkdir(parents=True, exist_ok=True)
    create_object(f"{folder}/{hashlib.sha256(line.encode()).hexdigest()[:32]}", line.encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
