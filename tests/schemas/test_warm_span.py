"""The span of a warm start: what is covered is read whole, and what may be touched is covered."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.coverage import Coverage
from schemas.events import MIN_MICROS
from schemas.warm_span import WarmSpan, warm_span

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
NOW = 20_000 * DAY

lengths = st.integers(SECOND, 3 * DAY)
tiles = st.lists(st.sampled_from([5 * 60 * SECOND, HOUR, DAY]), min_size=1, max_size=3)
moments = st.integers(NOW - 5 * DAY, NOW)


@given(moments, moments, lengths, lengths, tiles, st.data())
def test_every_covered_tile_that_a_live_event_may_enter_is_read_whole(
    assumed, oldest, horizon, max_future, tile_lengths, data
):
    span = warm_span(assumed, horizon, max(tile_lengths), max_future)
    # What is not late is not older than the horizon at its publish time.
    published = data.draw(st.integers(oldest, oldest + DAY))
    event = data.draw(st.integers(published - horizon, published + max_future))
    for length in tile_lengths:
        start = event // length * length
        if oldest >= assumed:
            assert start >= span.covers_from
        if Coverage(span.covers_from).holds(start, length):
            # Any event of the tile, published as early as it can have been.
            other = data.draw(st.integers(start, start + length - 1))
            assert other - max_future >= span.start


@given(moments, lengths, lengths, st.integers(SECOND, DAY))
def test_a_live_message_older_than_supposed_finds_its_uncovered_tiles_withheld(
    assumed, horizon, max_future, length
):
    span = warm_span(assumed, horizon, length, max_future)
    before = (span.covers_from - 1) // length * length
    assert not Coverage(span.covers_from).holds(before, length)


def test_the_beginning_of_time_is_early_enough():
    assert warm_span(MIN_MICROS + 1, 5, 5, 5) == WarmSpan(MIN_MICROS, MIN_MICROS)
