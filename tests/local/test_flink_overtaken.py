"""The stream of which Flink may drop events has none that is late: another engine drops nothing."""

import apache_beam as beam
import pytest

from local.flink_overtaken import build, noted

pytestmark = pytest.mark.engine


def test_no_event_of_the_stream_is_late(tmp_path):
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        build(pipeline, str(tmp_path / "notes"), events=100)
    assert noted(tmp_path / "notes") == set(range(100))
