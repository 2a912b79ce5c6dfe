"""Batches of the archive: one an hour and shard, by size or by age, whatever the bundles were."""

from collections import Counter

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.testing.util import assert_that
from apache_beam.transforms.window import TimestampedValue
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_layout import HOUR
from schemas.packs import RawPack
from tests.engine import run_batch
from transforms.batch_messages import BatchMessages, split_by_hour

BASE = 1_767_225_600_000_000
PACKS = st.lists(
    st.lists(
        st.tuples(st.binary(max_size=5), st.integers(BASE - HOUR, BASE + 2 * HOUR)),
        min_size=1,
        max_size=6,
    ),
    min_size=1,
    max_size=6,
)


def pack_of(rows):
    return RawPack([payload for payload, _ in rows], [time for _, time in rows])


def rows_of(packs):
    return Counter(
        (payload, time)
        for pack in packs
        for payload, time in zip(pack.payloads, pack.publish_times, strict=True)
    )


@given(PACKS, st.integers(1, 3))
def test_every_message_is_split_off_to_its_hour_once(given_rows, shards):
    packs = [pack_of(rows) for rows in given_rows]
    split = [part for pack in packs for part in split_by_hour(pack, shards)]
    assert rows_of(part for _, part in split) == rows_of(packs)
    for (hour, shard), part in split:
        assert {time - time % HOUR for time in part.publish_times} == {hour}
        assert 0 <= shard < shards
    for pack in packs:
        for (_, shard), part in split_by_hour(pack, shards):
            assert split_by_hour(part, shards).__next__()[0][1] == shard


def test_a_message_without_a_publish_time_is_refused():
    with pytest.raises(ValueError, match="publish_time"):
        list(split_by_hour(RawPack([b"x"]), 1))


@pytest.mark.parametrize("field", ["max_bytes", "max_age", "shards"])
def test_a_bound_below_one_is_refused(field):
    with pytest.raises(ValueError, match=f"{field}=0"):
        BatchMessages(**{field: 0})


@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_bounded_input_is_cut_by_hour_and_by_size(bundle_repeat):
    packs = [pack_of([(b"x" * 10, BASE + n), (b"y" * 10, BASE + HOUR + n)]) for n in range(10)]

    def build(pipeline):
        return {"batches": pipeline | beam.Create(packs) | BatchMessages(max_bytes=40)}

    batches = run_batch(build, bundle_repeat)["batches"]
    held = batches if not bundle_repeat else batches[: len(batches) // 2]
    assert rows_of(pack for _, pack in held) == rows_of(packs)
    assert Counter(hour for hour, _ in held) == {BASE: 3, BASE + HOUR: 3}
    assert max(sum(map(len, pack.payloads)) for _, pack in held) == 40


def stamped(number, size=10):
    time = BASE + number * 1_000_000
    return TimestampedValue(pack_of([(bytes([number]) * size, time)]), time / 1e6)


def batches_of(stream, check, **given):
    options = PipelineOptions(streaming=True, allow_unsafe_triggers=True)
    with beam.Pipeline("BundleBasedDirectRunner", options=options) as pipeline:
        packs = pipeline | stream.with_output_types(RawPack)
        found = (
            packs
            | BatchMessages(**given)
            | beam.Map(lambda batch, time=beam.DoFn.TimestampParam: (batch, time.micros))
        )
        assert_that(found, check)


@pytest.mark.engine
def test_a_batch_leaves_when_it_is_large_enough_however_many_bundles_it_took():
    stream = TestStream().advance_watermark_to(BASE / 1e6)
    for number in (5, 3, 4, 8, 6, 7):
        stream = stream.add_elements([stamped(number)])

    def check(found):
        sizes = sorted((pack.publish_times, time) for (_, pack), time in found)
        seconds = [
            ([(t - BASE) // 1_000_000 for t in times], (at - BASE) // 1_000_000)
            for times, at in sizes
        ]
        assert seconds == [([5, 3, 4], 3), ([8, 6, 7], 6)]

    batches_of(stream.advance_watermark_to_infinity(), check, max_bytes=30, max_age=3_600)


@pytest.mark.engine
def test_a_batch_leaves_when_it_is_old_enough_and_the_next_one_begins_anew():
    stream = (
        TestStream()
        .advance_watermark_to(BASE / 1e6)
        .add_elements([stamped(1)])
        .advance_processing_time(50)
        .add_elements([stamped(2)])
        .advance_processing_time(60)
        .add_elements([stamped(3)])
        .advance_processing_time(110)
        .advance_watermark_to_infinity()
    )

    def check(found):
        assert sorted((len(pack), time - BASE) for (_, pack), time in found) == [
            (1, 3_000_000),
            (2, 1_000_000),
        ]

    batches_of(stream, check, max_age=100, clock=lambda: 0.0)
