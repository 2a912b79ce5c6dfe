from hypothesis import given
from hypothesis import strategies as st

from schemas.events import MAX_MICROS, MIN_MICROS
from transforms.watermark_clock import END_OF_TIME, WatermarkClock

TICK = 100
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("wait"),
            st.sampled_from([1, TICK // 3, TICK, 7 * TICK, 50 * TICK, 1000 * TICK, 5000 * TICK]),
        ),
        st.tuples(st.just("see"), st.integers(-50 * TICK, 50 * TICK)),
    ),
    max_size=60,
)


def run(steps):
    """Yield (clock, watermark, timers fired) after each element; due timers fire before it."""
    clock, watermark, due, fired = WatermarkClock(TICK), 1_000_000, None, 0
    for bundle, (step, amount) in enumerate(steps, start=1):
        if step == "wait":
            watermark += amount
        while due is not None and due <= watermark:
            due, fired = clock.fired(due, -bundle), fired + 1
        if step == "see":
            target = clock.seen(watermark + amount, bundle)
            due = due if target is None else target
            yield clock, watermark, fired


@given(STEPS)
def test_the_watermark_lies_between_the_bounds(steps):
    for clock, watermark, _ in run(steps):
        assert clock.lower <= watermark < clock.bound


@given(STEPS)
def test_the_next_timer_is_never_more_than_a_tick_away_from_a_shard_with_traffic(steps):
    for clock, _, _ in run(steps):
        if clock.lower > MIN_MICROS:
            assert clock.pending <= clock.lower + TICK


@given(STEPS)
def test_after_a_pause_the_clock_lags_by_16_ticks_or_a_fifth_at_most(steps):
    before = None
    for clock, watermark, _ in run(steps):
        if clock.lower == MIN_MICROS:
            continue
        lag = watermark - clock.lower
        if before is not None:
            pause = watermark - before
            near, far = min(16 * TICK, pause // 5), (pause - 1_024 * TICK) // 5
            assert lag <= max(TICK, near, far) + 1
        before = clock.lower


@given(st.integers(0, 10**9))
def test_a_clock_that_has_lagged_has_caught_up_by_four_fifths_when_the_next_bundle_comes(pause):
    clocks = [(c, w, w - c.lower) for c, w, _ in run(caught_up(pause))][-2:]
    (_, _, first), (_, _, second) = clocks
    assert second <= max(TICK, first // 5 + 1)


def caught_up(pause):
    return [("see", 0), ("wait", 1), ("see", 0), ("wait", pause), ("see", 0), ("see", 0)]


def test_a_later_bundle_learns_what_the_watermark_has_not_passed():
    clock = WatermarkClock(TICK)
    assert clock.seen(1_000, bundle=1) == 1_000
    assert clock.bound == MAX_MICROS
    assert clock.seen(1_500, bundle=2) is None
    assert clock.bound == 1_000


def test_an_earlier_element_sets_the_first_tick_back():
    clock = WatermarkClock(TICK)
    clock.seen(1_000, bundle=1)
    assert clock.seen(400, bundle=1) == 400


def test_a_tick_that_fires_in_a_bundle_leaves_that_bundle_without_an_upper_bound():
    clock = WatermarkClock(TICK)
    clock.seen(1_000, bundle=1)
    clock.seen(1_000, bundle=2)
    clock.fired(1_000, bundle=2)
    assert (clock.lower, clock.bound) == (1_000, MAX_MICROS)
    clock.seen(1_000, bundle=2)
    assert clock.bound == MAX_MICROS
    clock.seen(1_000, bundle=3)
    assert clock.bound == 1_000 + TICK


def test_a_jump_to_the_end_of_time_costs_some_hundred_timers():
    clock = WatermarkClock(tick=1_000)
    due, fired = clock.seen(1_700_000_000_000_000, bundle=1), 0
    while due is not None:
        assert due < END_OF_TIME
        due, fired = clock.fired(due), fired + 1
    assert fired < 300
    assert clock.is_idle()


@given(st.integers(MIN_MICROS, 1_700_000_000_000_000 - 1_000))
def test_a_timer_that_is_not_the_clocks_own_is_no_news_of_the_watermark(foreign):
    clock = WatermarkClock(tick=1_000)
    due = clock.seen(1_700_000_000_000_000, bundle=1)
    assert clock.fired(foreign, bundle=2) == due
    assert clock.lower == MIN_MICROS
    clock.seen(due, bundle=2)
    assert clock.bound == MAX_MICROS
    assert clock.fired(due, bundle=3) == due + 1_000


def test_a_timer_cut_to_milliseconds_is_the_clocks_own():
    clock = WatermarkClock(tick=1_000)
    assert clock.seen(1_234_567, bundle=1) == 1_234_567
    assert clock.fired(1_234_000) == 1_235_000
    assert clock.lower == 1_234_000


def test_a_clock_at_rest_starts_again_where_it_stopped():
    clock = WatermarkClock(TICK)
    clock.fired(clock.seen(1_000, bundle=1))
    clock.rest()
    assert clock.seen(90_000, bundle=2) == 1_000 + TICK
    assert clock.bound == MAX_MICROS


def test_no_timer_is_set_at_the_end_of_time():
    assert WatermarkClock(TICK).seen(END_OF_TIME, bundle=1) is None
