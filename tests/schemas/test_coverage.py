from hypothesis import given
from hypothesis import strategies as st

from schemas.coverage import Coverage
from schemas.events import MAX_MICROS, MIN_MICROS

moments = st.integers(-500, 500)


@given(moments, moments, st.integers(1, 60), st.integers(-20, 20))
def test_the_whole_tiles_of_a_span_are_those_that_it_holds(start, end, length, number):
    coverage = Coverage(start, end)
    first, last = coverage.whole_tiles(length)
    assert first % length == last % length == 0
    tile = number * length
    assert coverage.holds(tile, length) == (first <= tile and tile + length <= last)


@given(moments)
def test_without_a_bound_nothing_is_outside_of_it(moment):
    assert Coverage().holds(moment, 60)
    assert Coverage().is_everything
    assert Coverage(start=moment).holds(MAX_MICROS - 5, 60), "the last tile ends after all time"
    assert not Coverage(end=moment).is_closed
    assert Coverage(end=moment).holds(MIN_MICROS, 60)
    assert Coverage(moment, moment + 1).is_closed
