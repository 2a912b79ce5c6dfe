"""No more than the rate goes on, by a clock that the test moves."""

import itertools

import apache_beam as beam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import Cell, RowChange
from tests.engine import run_batch
from transforms.bound_rate import BoundRate, Pace, _keyed, _Paced


class Clock:
    """Seconds that pass only while somebody sleeps, or works."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


def change(n):
    return RowChange(b"%04d#user#u" % n, [Cell("s", "q", 0, b"x")])


def most_in_a_second(times):
    return max(
        sum(1 for time in times[index:] if time < first + 1) for index, first in enumerate(times)
    )


@given(
    st.floats(0.5, 5_000),
    st.lists(st.floats(0, 0.5), min_size=1, max_size=60),
    st.integers(1, 20),
)
def test_within_any_second_at_most_the_rate_passes(rate, works, repeats):
    clock = Clock()
    pace = Pace(rate, clock, clock.sleep)
    times = []
    for work in works * repeats:
        pace.wait()
        times.append(clock.now)
        clock.now += work
    assert most_in_a_second(times) <= rate * 1.01 + 1.000_001


@given(
    st.floats(0.5, 5_000),
    st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 2)), min_size=1, max_size=60),
    st.integers(1, 5),
)
def test_within_any_second_at_most_the_rate_passes_also_where_a_sleep_takes_too_long(
    rate, works, repeats
):
    clock, longer = Clock(), [0.0]
    pace = Pace(rate, clock, lambda seconds: clock.sleep(seconds + longer[0]))
    times = []
    for work, longer[0] in works * repeats:
        pace.wait()
        times.append(clock.now)
        clock.now += work
    assert most_in_a_second(times) <= rate * 1.01 + 1.000_001


def test_who_is_slower_than_the_rate_never_waits():
    clock = Clock()
    pace = Pace(10, clock, clock.sleep)
    for _ in range(50):
        pace.wait()
        clock.now += 0.2
    assert clock.slept == []


def test_the_rate_is_reached_and_a_sleep_that_takes_too_long_is_made_up_for():
    clock = Clock()
    pace = Pace(1_000, clock, lambda seconds: clock.sleep(seconds + 0.002))
    begun = clock.now
    for _ in range(3_000):
        pace.wait()
    assert clock.now - begun == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize(("rate", "keys"), [(0.5, 1), (10_000, 1), (10_001, 2), (1_000_000, 100)])
def test_the_shares_of_all_keys_add_up_to_the_rate(rate, keys):
    given_rate = BoundRate(rate)
    assert given_rate.keys == keys
    assert _Paced(given_rate)._share * keys == pytest.approx(rate)


def test_keys_that_run_at_once_pass_no_more_than_the_rate_together():
    bound = BoundRate(20_000)
    groups = {key: [] for key in range(bound.keys)}
    for n in range(30_000):
        key, element = _keyed(change(n), bound.keys)
        groups[key].append(element)
    times = []
    for key, elements in groups.items():
        clock = Clock()
        paced = _Paced(BoundRate(20_000, clock, clock.sleep))
        times += [clock.now for _ in paced.process((key, elements))]
    times.sort()
    counted = {second: len([*some]) for second, some in itertools.groupby(times, int)}
    assert max(counted.values()) <= 20_000 * 1.01 + 2
    assert sum(counted.values()) == 30_000


def test_every_change_goes_on_once():
    changes = [change(n) for n in range(200)]
    done = run_batch(
        lambda p: {
            "out": p | beam.Create(changes).with_output_types(RowChange) | BoundRate(5_000.0)
        }
    )
    assert sorted(done["out"], key=lambda one: one.row_key) == changes


def test_a_rate_of_nothing_is_refused():
    with pytest.raises(ValueError, match="rate=0: give a number a second above 0"):
        BoundRate(0)
