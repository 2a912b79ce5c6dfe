"""Runs the metrics of windows live, on Prism, on a stream whose watermark a test moves.

Not on the bundle-based runner: it forgets timers that are set when the stream ends.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.window import TimestampedValue

from pipelines import measure_windows, window_metrics
from pipelines.counters import WINDOWS, counters_of, totals
from pipelines.on_prism import on_prism
from pipelines.options import parse_options
from pipelines.window_arguments import WindowOptions
from pipelines.window_options import WindowConfig
from schemas.events import RawEvent
from schemas.packs import RawPack
from tests.metric_builders import Seen
from tests.pipelines.window_runs import Left, declared, left_behind, sinks

Step = int | Sequence[Seen | RawEvent]
"""A time that the watermark goes on to, or what arrives together."""


def message(one: Seen | RawEvent) -> RawEvent:
    """What was published; each publishing of an event is another message."""
    if isinstance(one, RawEvent):
        return one
    assert one.published is not None
    identity = f"{one.event_id}-{one.published}"
    return RawEvent(json.dumps(one.line()).encode(), {}, identity, one.published)


def live(prism: Path, folder: Path, script: Sequence[Step], *more: str) -> Left:
    """Run a job that ends when the script does; its rows are added to those of the folder."""
    argv = [
        "--input_subscription=projects/p/subscriptions/s",
        f"--metrics={declared(folder)}",
        f"--late_output={folder / 'late'}",
        "--now=2026-01-01T00:00:00Z",
        "--shards=2",
        *sinks(folder),
        *(more or ["--covers_from=beginning"]),
    ]
    config = WindowConfig.of(parse_options(argv, WindowOptions, ""))
    options = PipelineOptions(
        runner="PrismRunner",
        prism_location=str(prism),
        environment_type="LOOPBACK",
        streaming=True,
    )
    with on_prism(options), pytest.MonkeyPatch.context() as patch:
        pipeline = beam.Pipeline(options=options)
        patch.setattr(measure_windows, "read_events", lambda *_: (_read(pipeline, script), []))
        window_metrics.build(pipeline, config)
        result = pipeline.run()
        result.wait_until_finish()
    return left_behind(folder, totals(counters_of(result), WINDOWS))


def _read(pipeline: beam.Pipeline, script: Sequence[Step]) -> Any:
    stream = TestStream()
    for step in script:
        if isinstance(step, int):
            stream = stream.advance_watermark_to(step / 1e6)
        else:
            messages = [message(one) for one in step]
            least = min(one.publish_time or 0 for one in messages)
            stream = stream.add_elements([TimestampedValue(RawPack.of(messages), least / 1e6)])
    return pipeline | stream.advance_watermark_to_infinity().with_output_types(RawPack)


def late_lines(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "late").rglob("*.ndjson"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]
