"""The source's watermark, as a property of every order of events."""

import hypothesis.strategies as st
from hypothesis import given, settings

from transforms.pubsub_watermark import SourceWatermark

SLACK = 10


class Clock:
    def __init__(self, now: int = 1_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def a_watermark() -> tuple[SourceWatermark, Clock]:
    clock = Clock()
    return SourceWatermark(SLACK, clock), clock


READER = st.sampled_from(["0", "1", "2"])
EVENTS = st.one_of(
    st.tuples(st.just("came"), READER, st.integers(0, 3_000)),
    st.tuples(st.just("asked_in_vain"), READER),
    st.tuples(st.just("failed"), READER),
    st.tuples(st.just("joined"), READER),
    st.tuples(st.just("left"), READER),
    st.tuples(st.just("passed"), st.integers(0, 30)),
)


@settings(max_examples=100)
@given(st.lists(st.tuples(EVENTS, st.none() | st.integers(0, 3_000)), max_size=40))
def test_it_never_goes_back_nor_ahead_of_what_holds_it(events):
    watermark, clock = a_watermark()
    before = None
    for (name, *arguments), outstanding in events:
        if name == "passed":
            clock.now += arguments[0]
        else:
            getattr(watermark, name)(*arguments)
        now = watermark.current(outstanding)
        assert before is None or now >= before
        if now is not None and now != before:
            assert now <= clock.now - SLACK
            assert outstanding is None or now <= outstanding - SLACK
        before = now


@settings(max_examples=60)
@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=12), st.data())
def test_a_backlog_in_any_order_is_never_late_while_neighbours_come_within_the_slack(times, data):
    """Messages whose disorder, in arrival, is below the slack are never behind the watermark."""
    ordered = sorted(times)
    watermark, clock = a_watermark()
    clock.now = 5_000
    while ordered:
        near = [time for time in ordered if time <= ordered[0] + SLACK]
        time = data.draw(st.sampled_from(near))
        ordered.remove(time)
        reached = watermark.current(None)
        assert reached is None or time >= reached
        watermark.came("0", time)
        clock.now += 1


@settings(max_examples=60)
@given(st.lists(st.tuples(EVENTS, st.none() | st.integers(0, 3_000)), max_size=40))
def test_it_is_silent_for_as_long_as_it_was_asked_to_be(events):
    clock = Clock()
    watermark = SourceWatermark(SLACK, clock, grace=100)
    for (name, *arguments), outstanding in events:
        if name == "passed":
            clock.now += arguments[0]
        else:
            getattr(watermark, name)(*arguments)
        now = watermark.current(outstanding)
        assert now is None or clock.now >= 1_100
    clock.now = 3_000
    watermark.left("1"), watermark.left("2"), watermark.asked_in_vain("0")
    assert watermark.current(None) == 2_990


def test_it_is_unknown_before_the_first_answer():
    watermark, _ = a_watermark()
    watermark.joined("0")
    assert watermark.current(None) is None


def test_when_idle_it_follows_the_clock():
    watermark, clock = a_watermark()
    watermark.asked_in_vain("0")
    assert watermark.current(None) == 990
    clock.now += 7
    assert watermark.current(None) == 997


def test_an_empty_answer_to_one_reader_says_nothing_while_another_waits():
    watermark, _ = a_watermark()
    watermark.joined("1")
    watermark.asked_in_vain("0")
    assert watermark.current(None) is None
    watermark.asked_in_vain("1")
    assert watermark.current(None) == 990


def test_what_is_not_acknowledged_holds_it_for_every_reader():
    watermark, clock = a_watermark()
    watermark.came("0", 500)
    watermark.asked_in_vain("0")
    watermark.asked_in_vain("1")
    clock.now += 1_000
    assert watermark.current(500) == 490
    assert watermark.current(None) == 1_990


def test_a_broken_connection_is_no_empty_answer():
    watermark, clock = a_watermark()
    watermark.asked_in_vain("0")
    assert watermark.current(None) == 990
    watermark.failed("0")
    clock.now += 100
    assert watermark.current(None) == 990


def test_after_an_error_it_stands_until_what_a_lost_answer_leased_has_come_again():
    clock = Clock()
    watermark = SourceWatermark(SLACK, clock, grace=100)
    clock.now = 1_200
    watermark.asked_in_vain("0")
    assert watermark.current(None) == 1_190
    watermark.failed("0")
    clock.now = 1_299
    watermark.asked_in_vain("0")
    assert watermark.current(None) == 1_190
    clock.now = 1_300
    assert watermark.current(None) == 1_290


def test_times_ahead_of_the_clock_do_not_push_it_ahead():
    watermark, _ = a_watermark()
    watermark.came("0", 9_999)
    assert watermark.current(9_999) == 990


def test_after_a_restore_it_begins_anew_with_what_will_come_again():
    watermark, clock = a_watermark()
    watermark.asked_in_vain("0")
    assert watermark.current(None) == 990
    watermark.restored(400)
    assert watermark.current(None) == 390
    clock.now += SLACK + 1
    assert watermark.current(None) == 1_001
