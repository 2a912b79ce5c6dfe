"""A turn that hands on little after one that handed on much may be split like any other."""

import time

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.utils.timestamp import Duration

from transforms.pubsub_reader import OVER, TurnProvider

TRACKER = beam.DoFn.RestrictionParam(TurnProvider())
MANY, TURNS = 100, 4


class ManyThenOneSlowly(beam.DoFn):
    """Two turns of many elements, from which Beam takes samples, then slow ones of one each."""

    @beam.DoFn.unbounded_per_element()
    def process(self, _element, tracker=TRACKER):
        token = tracker.current_restriction()
        turn = int(token) if token.isdecimal() else 0
        if turn == TURNS:
            tracker.try_claim(OVER)
        elif tracker.try_claim(str(turn + 1)):
            if turn < 2:
                yield from range(MANY)
            else:
                yield turn
                # Long enough for Prism to ask for a split.
                time.sleep(2)
            tracker.defer_remainder(Duration(micros=1_000))


def test_a_slow_turn_behind_a_large_one_does_not_fail_the_job(prism_binary):
    options = PipelineOptions(
        runner="PrismRunner",
        prism_location=str(prism_binary),
        environment_type="LOOPBACK",
        streaming=True,
    )
    with beam.Pipeline(options=options) as pipeline:
        turns = beam.ParDo(ManyThenOneSlowly()).with_output_types(int)
        read = pipeline | beam.Create(["0"]) | "Read" >> turns
        assert_that(read | beam.Map(lambda number: number), equal_to([*range(MANY)] * 2 + [2, 3]))
