"""The marker on Prism: it follows what the source says, and not the jump at the source's end.

What this cannot show: how Dataflow delivers the timers of a drain. A source that ends with messages
unread stands for it here, because Prism knows no draining.
"""

import time

import apache_beam as beam
import pytest
from apache_beam.io.iobase import RestrictionProgress, RestrictionTracker
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Duration, Timestamp

from transforms.archive_manifest import read_marker
from transforms.mark_complete import MarkComplete

SECOND = 1_000_000
STEPS = 15
READ = 5


class Steps(RestrictionTracker):
    """Counts the steps of a source; one claim a call."""

    def __init__(self, step):
        self._step, self._following, self._cut = step, step, False

    def current_restriction(self):
        return self._step

    def try_claim(self, position):
        self._following = position
        return not self._cut

    def try_split(self, fraction_of_remainder):
        if fraction_of_remainder != 0 or self._cut or self._following >= STEPS:
            return None
        self._cut = True
        return STEPS, self._following

    def check_done(self):
        return True

    def current_progress(self):
        return RestrictionProgress(completed=0, remaining=1)

    def is_bounded(self):
        return False


class Provider(RestrictionProvider):
    def initial_restriction(self, _element):
        return 0

    def create_tracker(self, restriction):
        return Steps(restriction)

    def restriction_size(self, _element, _restriction):
        return 1


TRACKER = beam.DoFn.RestrictionParam(Provider())
ESTIMATOR = beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider())


class EndWithABacklog(beam.DoFn):
    """Reads a message of each second, stands at the last one for a while, and ends there."""

    def __init__(self, start, lasting):
        self._start, self._pause = start, lasting / STEPS

    @beam.DoFn.unbounded_per_element()
    def process(self, _element, tracker=TRACKER, estimator=ESTIMATOR):
        step = tracker.current_restriction()
        if tracker.try_claim(step + 1):
            at = Timestamp(micros=self._start + min(step, READ) * SECOND)
            yield TimestampedValue(f"entry {step}", at)
            estimator.set_watermark(at)
            if step + 1 < STEPS:
                tracker.defer_remainder(Duration(micros=round(self._pause * SECOND)))


def run(prism, path, start, lasting, **given):
    options = PipelineOptions(
        runner="PrismRunner",
        prism_location=str(prism),
        environment_type="LOOPBACK",
        streaming=True,
    )
    began = time.monotonic()
    with beam.Pipeline(options=options) as pipeline:
        source = beam.ParDo(EndWithABacklog(start, lasting)).with_output_types(str)
        read = pipeline | beam.Create(["all"]) | "Read" >> source
        _ = read | "Settle" >> beam.Reshuffle() | MarkComplete(str(path), "a", **given)
    return time.monotonic() - began


@pytest.mark.parametrize("behind", [0, 400 * 86_400])
def test_what_a_source_left_unread_is_not_marked_when_it_ends(prism_binary, tmp_path, behind):
    """Marking a look as soon as it fires would mark the second after the last that was read."""
    start = time.time_ns() // 1_000 - (behind + READ) * SECOND
    run(prism_binary, tmp_path, start, lasting=3.0, every=1.0, pause=0.3)
    last = start + READ * SECOND
    assert read_marker(str(tmp_path), "a") == last - last % SECOND


def test_a_source_that_ends_at_once_has_marked_nothing_and_the_job_ends_at_once(
    prism_binary, tmp_path
):
    start = time.time_ns() // 1_000 - 86_400 * SECOND
    lasted = run(prism_binary, tmp_path, start, lasting=0.0, every=60.0, pause=30.0)
    assert read_marker(str(tmp_path), "a") is None
    assert lasted < 20
