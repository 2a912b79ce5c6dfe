"""Dedupe in event time: TestStream on Prism and on the bundle-based runner.

What this cannot show: a real runner's retries (the engine in `test_find_copies.py` and
`bundle_repeat` do), and elements ahead of the watermark, which Prism holds back.
"""

import random
from collections import Counter, defaultdict

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing.test_stream import TestStream
from apache_beam.testing.util import assert_that
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from tests.transforms.event_packs import digest, pack_of, rows_of
from transforms.deduplicate import Deduplicate, DeduplicatePacks
from transforms.key_packs import shard_of

SHARDS = 2
TICK = 100_000
HORIZON = 32 * TICK
START = 1_000_000_000
OFFSETS = [-7 * HORIZON, -HORIZON, -TICK, 0, TICK, HORIZON, 12 * HORIZON]
JUMPS = [TICK // 4, TICK, 5 * TICK, HORIZON // 2, HORIZON, 3 * HORIZON]


def at(micros):
    return Timestamp(micros=micros)


def on_prism(binary):
    options = [
        "--streaming",
        f"--prism_location={binary}",
        "--environment_type=LOOPBACK",
    ]
    return beam.Pipeline(runner="PrismRunner", options=PipelineOptions(options))


def on_bundles():
    options = PipelineOptions(["--streaming"])
    return beam.Pipeline(runner=BundleBasedDirectRunner(), options=options)


def any_stream(seed, steps):
    """Return a stream of packs and, in order, (watermark, rows) of each.

    Between two bundles of a shard the watermark moves, because Prism sorts what comes together.
    """
    rnd, watermark, plan = random.Random(seed), START, []
    stream = TestStream().advance_watermark_to(at(watermark))
    for step in range(steps):
        watermark += rnd.choice(JUMPS)
        stream = stream.advance_watermark_to(at(watermark))
        by_shard = defaultdict(list)
        for _ in range(rnd.randint(1, 4)):
            identity = f"e{rnd.randrange(12)}"
            row = (identity, rnd.choice("aaaab") + f".{step}", watermark + rnd.choice(OFFSETS))
            by_shard[shard_of(digest(identity), SHARDS)].append(row)
        for shard, rows in by_shard.items():
            pack = pack_of(rows)
            pack.contents = [digest(content[0]) for _, content, _ in rows]
            stamp = rnd.choice([watermark, min(watermark, *(time for _, _, time in rows))])
            stream = stream.add_elements([TimestampedValue((shard, pack), at(stamp))])
            plan.append((watermark, rows))
    return stream.advance_watermark_to_infinity(), plan


def as_the_oracle_says(plan):
    """Return a check of (kind, row); an id past its horizon may pass or not."""

    def check(results):
        found, kept = Counter(results), {}
        assert found.total() == sum(len(rows) for _, rows in plan)
        for watermark, row in ((watermark, row) for watermark, rows in plan for row in rows):
            identity, content, time = row
            first, until = kept.get(identity, (None, 0))
            if first is None or (watermark >= until and found["unique", row]):
                kind, kept[identity] = "unique", (content[0], max(time, watermark) + HORIZON)
            else:
                kind = "duplicates" if content[0] == first else "conflicts"
            assert found[kind, row] > 0, (kind, row, watermark, first, until)
            found[kind, row] -= 1

    return check


def follow(pipeline, seed, steps):
    stream, plan = any_stream(seed, steps)
    with pipeline as built:
        split = built | stream | DeduplicatePacks(HORIZON / 1e6, SHARDS)
        rows = [getattr(split, kind) | kind >> beam.FlatMap(_named, kind) for kind in split._fields]
        assert_that(rows | beam.Flatten(), as_the_oracle_says(plan))


def _named(pack, kind):
    return [(kind, row) for row in rows_of(pack)]


@pytest.mark.parametrize("seed", range(2))
def test_streams_on_prism_are_sorted_as_plain_python_would(seed, prism_binary):
    follow(on_prism(prism_binary), seed, steps=60)


@pytest.mark.engine
def test_a_stream_on_the_bundle_based_runner_is_sorted_as_plain_python_would():
    follow(on_bundles(), seed=1, steps=6)


def late_stream():
    rows = [(f"e{number}", "x", START - HORIZON) for number in range(200)]
    late = [TimestampedValue((0, pack_of(rows)), at(START - HORIZON))]
    return (
        TestStream()
        .advance_watermark_to(at(START))
        .add_elements(late)
        .advance_watermark_to(at(START + HORIZON - 1_000))
        .add_elements(late)
        .advance_watermark_to_infinity()
    )


def all_copies_found(results):
    assert Counter(kind for kind, _ in results) == {"unique": 200, "duplicates": 200}


def find_late_copies(pipeline):
    with pipeline as built:
        split = built | late_stream() | DeduplicatePacks(HORIZON / 1e6, SHARDS)
        rows = [getattr(split, kind) | kind >> beam.FlatMap(_named, kind) for kind in split._fields]
        assert_that(rows | beam.Flatten(), all_copies_found)


@pytest.mark.engine
def test_200_events_as_late_as_the_horizon_lose_all_their_copies_on_the_bundle_based_runner():
    find_late_copies(on_bundles())


def test_200_events_as_late_as_the_horizon_lose_all_their_copies_on_prism(prism_binary):
    find_late_copies(on_prism(prism_binary))


def single_stream():
    stream = TestStream()
    for time in (0, 10, 50, 200, 201):
        stream = stream.advance_watermark_to(time)
        stream = stream.add_elements([TimestampedValue({"id": "a"}, time)])
    return stream.advance_watermark_to_infinity()


def test_a_single_element_passes_again_when_its_horizon_is_over(prism_binary):
    """At 200 s the first copy of time 0 is forgotten; that of 50 s was no first copy."""
    with on_prism(prism_binary) as built:
        split = built | single_stream() | Deduplicate(_id, horizon=100, shards=1)
        rows = [
            getattr(split, kind) | kind >> beam.Map(_timed, kind)
            for kind in ("unique", "duplicates")
        ]
        assert_that(rows | beam.Flatten(), _at_0_and_200)


def _id(row):
    return row["id"]


def _timed(row, kind, timestamp=beam.DoFn.TimestampParam):
    return kind, int(timestamp)


def _at_0_and_200(results):
    assert sorted(results) == [
        ("duplicates", 10),
        ("duplicates", 50),
        ("duplicates", 201),
        ("unique", 0),
        ("unique", 200),
    ]
