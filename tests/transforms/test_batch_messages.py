"""Batches of the archive: one an hour and shard, by size or by age, whatever the bundles were.

The engine of these streams forgets what is open at the end of its input; that nothing is then is
shown on Prism (`tests/emulators/test_archive_raw_on_prism.py`).
"""

from collections import Counter

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.testing.util import assert_that
from apache_beam.transforms.window import TimestampedValue
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.archive_avro import to_avro
from schemas.archive_layout import HOUR, hour_of
from schemas.events import RawEvent
from schemas.packs import RawPack
from tests.engine import run_batch
from transforms.batch_bundles import BatchBundles
from transforms.batch_messages import BatchMessages
from transforms.split_by_hour import size_of

BASE = 1_767_225_600_000_000
SECOND = 1_000_000
# Ten bytes of payload and 64 of the row itself.
ROW = 74
AGED = BatchMessages(max_age=100, clock=lambda: 0.0)
SIZED = BatchMessages(2 * ROW, 100, 1, lambda: 0.0)
MESSAGES = st.builds(
    RawEvent,
    st.binary(max_size=5),
    st.sampled_from([{}, {"a": "1"}]),
    st.sampled_from(["", "m1", "m2"]),
    st.integers(BASE - HOUR, BASE + HOUR),
    st.just(""),
)


def pack_of(rows):
    return RawPack([payload for payload, _ in rows], [time for _, time in rows])


def rows_of(packs):
    return Counter(repr(pack.row(row)) for pack in packs for row in range(len(pack)))


def objects_of(batches):
    return sorted((hour, to_avro(pack, "null")) for hour, pack in batches)


def batched(packs, transform, bundle_repeat=0):
    def build(pipeline):
        return {"batches": pipeline | beam.Create(packs) | transform}

    return run_batch(build, bundle_repeat)["batches"]


@pytest.mark.parametrize("field", ["max_bytes", "max_age", "shards"])
def test_a_bound_below_one_is_refused(field):
    with pytest.raises(ValueError, match=f"{field}=0"):
        BatchMessages(**{field: 0})
    with pytest.raises(ValueError, match="max_bytes=0"):
        BatchBundles(max_bytes=0)


@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_bounded_input_is_cut_by_hour_and_by_size(bundle_repeat):
    packs = [pack_of([(b"x" * 10, BASE + n), (b"y" * 10, BASE + HOUR + n)]) for n in range(10)]
    batches = batched(packs, BatchMessages(max_bytes=4 * ROW), bundle_repeat)
    held = batches if not bundle_repeat else batches[: len(batches) // 2]
    assert rows_of(pack for _, pack in held) == rows_of(packs)
    assert Counter(hour for hour, _ in held) == {BASE: 3, BASE + HOUR: 3}
    assert max(size_of(pack) for _, pack in held) == 4 * ROW


@pytest.mark.engine
@settings(max_examples=15, deadline=None)
@given(st.lists(MESSAGES, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_bounded_input_in_any_order_and_any_packs_makes_the_same_batches(messages, chance):
    shuffled = chance.sample(messages, len(messages))
    size = chance.randint(1, 5)
    packs = [RawPack.of(shuffled[n : n + size]) for n in range(0, len(shuffled), size)]
    one = batched([RawPack.of(messages)], BatchMessages(max_bytes=200, shards=2))
    other = batched(packs, BatchMessages(max_bytes=200, shards=2))
    assert objects_of(one) == objects_of(other)
    assert rows_of(pack for _, pack in one) == rows_of([RawPack.of(messages)])


def test_one_huge_pack_makes_no_huge_batch():
    huge = pack_of([(b"x" * 10, BASE + n) for n in range(500)])
    for transform in (BatchMessages(max_bytes=20 * ROW), BatchBundles(max_bytes=20 * ROW)):
        batches = batched([huge], transform)
        assert rows_of(pack for _, pack in batches) == rows_of([huge])
        assert {size_of(pack) for _, pack in batches} == {20 * ROW}


def test_a_message_without_a_publish_time_takes_its_elements_timestamp():
    def build(pipeline):
        made = pipeline | beam.Create([RawPack([b"x", b"y"], [BASE, None])])
        stamp = beam.Map(lambda pack: TimestampedValue(pack, (BASE + HOUR) / 1e6))
        packs = made | stamp.with_output_types(RawPack)
        return {"state": packs | BatchMessages(), "bundle": packs | BatchBundles()}

    found = run_batch(build)
    for name in ("state", "bundle"):
        times = {hour: pack.publish_times for hour, pack in found[name]}
        assert times == {BASE: [BASE], BASE + HOUR: [BASE + HOUR]}


@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_what_a_bundle_holds_is_a_batch_of_each_hour(bundle_repeat):
    packs = [pack_of([(b"x" * 10, BASE + n), (b"y" * 10, BASE + HOUR + n)]) for n in range(4)]
    batches = batched(packs, BatchBundles(), bundle_repeat)
    held = batches[: len(batches) // 2] if bundle_repeat else batches
    assert rows_of(pack for _, pack in held) == rows_of(packs)
    assert {hour for hour, _ in held} == {BASE, BASE + HOUR}


def stamped(number, size=10):
    time = BASE + number * SECOND
    return TimestampedValue(pack_of([(bytes([number % 256]) * size, time)]), time / 1e6)


def batches_of(stream, check, transform):
    options = PipelineOptions(streaming=True, allow_unsafe_triggers=True)
    with beam.Pipeline("BundleBasedDirectRunner", options=options) as pipeline:
        packs = pipeline | stream.with_output_types(RawPack)
        found = (
            packs
            | transform
            | beam.Map(lambda batch, time=beam.DoFn.TimestampParam: (batch, time.micros))
        )
        assert_that(found, check)


def seconds(found):
    """Return (seconds of the messages in a batch, second of its timestamp), sorted."""
    return sorted(
        (sorted((t - BASE) // SECOND for t in pack.publish_times), (at - BASE) // SECOND)
        for (_, pack), at in found
    )


@pytest.mark.engine
def test_a_batch_leaves_when_it_is_large_enough_however_many_bundles_it_took():
    stream = TestStream().advance_watermark_to(BASE / 1e6)
    for number in (5, 4, 3, 8, 6, 7):
        stream = stream.add_elements([stamped(number)])

    def check(found):
        # The oldest of the first batch is the one that closes it.
        assert seconds(found) == [([3, 4, 5], 3), ([6, 7, 8], 6)]

    batches_of(stream.advance_watermark_to_infinity(), check, BatchMessages(3 * ROW, max_age=3_600))


@pytest.mark.engine
def test_a_batch_leaves_when_it_is_old_enough_and_the_next_one_begins_anew():
    stream = (
        TestStream()
        .advance_watermark_to(BASE / 1e6)
        .add_elements([stamped(2)])
        .advance_processing_time(50)
        .add_elements([stamped(1)])
        .advance_processing_time(60)
        .add_elements([stamped(3)])
        .advance_processing_time(110)
        .advance_watermark_to_infinity()
    )

    def check(found):
        assert seconds(found) == [([1, 2], 1), ([3], 3)]

    batches_of(stream, check, AGED)


@pytest.mark.engine
@pytest.mark.parametrize(
    "transform", [AGED, BatchMessages(2 * ROW, 100, 1, lambda: 0.0), BatchBundles()]
)
def test_late_and_very_late_messages_are_kept_like_all_others(transform):
    stream = (
        TestStream()
        .advance_watermark_to(BASE / 1e6)
        .add_elements([stamped(10)])
        .advance_watermark_to(BASE / 1e6 + 7_200)
        .add_elements([stamped(11)])
        .advance_watermark_to(BASE / 1e6 + 400 * 86_400)
        .add_elements([stamped(12), stamped(3_700), stamped(7_300)])
        .advance_processing_time(10_000)
        .add_elements([stamped(13)])
        .advance_processing_time(10)
        .advance_watermark_to_infinity()
    )

    def check(found):
        kept = sorted((t - BASE) // SECOND for (_, pack), _ in found for t in pack.publish_times)
        assert kept == [10, 11, 12, 13, 3_700, 7_300]
        assert all(hour_of(pack.publish_times[0]) == hour for (hour, pack), _ in found)

    batches_of(stream, check, transform)
