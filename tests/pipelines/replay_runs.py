"""Runs the hot path on archives in process."""

from pathlib import Path

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.counters import counters_of, totals
from pipelines.hot_path import JOB, build
from pipelines.hot_path_options import HotPathConfig, HotPathOptions
from pipelines.options import parse_options
from schemas.events import RawEvent
from schemas.times import parse_rfc3339
from tests.pipelines.hot_path_runs import GOLDEN, Run, arguments, golden_lines, left_behind

NOON = parse_rfc3339("2026-01-05T12:00:00Z")
MINUTE = 60_000_000
DAY = 1_440 * MINUTE


def golden_messages() -> list[RawEvent]:
    """Return the golden events as messages, published over some hours."""
    lines = [line for line in golden_lines("events.ndjson") if line]
    return [
        RawEvent(line.encode(), {"n": str(n)}, f"m{n}", NOON + n * 7 * MINUTE, "")
        for n, line in enumerate(lines)
    ]


def replay_arguments(
    folder: Path, archive: Path, *more: str, start: str = "2026-01-05", end: str = "2026-01-06"
) -> list[str]:
    """Return the usual arguments, but for the source; of a folder for each run."""
    rest = arguments(folder, GOLDEN / "events.ndjson")[1:]
    span = (f"--from={start}T00:00:00Z", f"--to={end}T00:00:00Z")
    return [f"--input_archive={archive}", *span, *rest, *more]


def replay(argv: list[str], folder: Path, bundle_repeat: int = 0) -> Run:
    """Plan, build and run."""
    config = JOB.prepare(HotPathConfig.of(parse_options(argv, HotPathOptions, "")))
    pipeline = beam.Pipeline(runner=FnApiRunner(bundle_repeat=bundle_repeat))
    build(pipeline, config)
    result = pipeline.run()
    result.wait_until_finish()
    return left_behind(folder, totals(counters_of(result)))
