"""The completeness marker: it follows the watermark, never goes back, and ends with its source."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.completeness import Completeness, marker_name
from transforms.mark_complete import MarkComplete, _Follow, next_look, read_marker
from transforms.object_store import replace_object

SECOND = 1_000_000
NOW = 1_767_225_600 * SECOND


class Cell:
    """What state and timer look like to the step."""

    def __init__(self):
        self.value = None
        self.at = None

    def read(self):
        return self.value

    def write(self, value):
        self.value = value

    def clear(self):
        self.value = None

    def set(self, at):
        self.at = at.micros


class Stamp(msgspec.Struct, frozen=True):
    micros: int


def follow(path, clock=lambda: NOW / SECOND, **given_values):
    return _Follow(
        MarkComplete(str(path), "a", **{"every": 60, "margin": 60, **given_values}, clock=clock)
    )


def looks(step, pending, timer, watermark):
    """Fire what the watermark has passed, as an engine does."""
    marked = []
    while timer.at is not None and timer.at <= watermark:
        at, timer.at = timer.at, None
        marked += step.on_look(Stamp(at), pending, timer)
    return marked


@given(
    st.integers(0, 400 * 86_400 * SECOND),
    st.sampled_from([SECOND, 60 * SECOND, 3_600 * SECOND]),
)
def test_looks_catch_up_with_the_clock_in_some_dozens(behind, every):
    passed, seen = (NOW - behind) // every * every, []
    while (following := next_look(passed, NOW, every)) is not None:
        assert following > passed
        assert following % every == 0
        seen.append(passed := following)
    assert passed > NOW
    assert len(seen) < 200


def test_the_marker_stays_behind_what_the_watermark_has_passed(tmp_path):
    step, pending, timer = follow(tmp_path), Cell(), Cell()
    step.process((0, "entry"), Stamp(NOW - 600 * SECOND), pending, timer)
    assert timer.at == NOW - 540 * SECOND
    assert looks(step, pending, timer, NOW - 541 * SECOND) == []
    assert read_marker(str(tmp_path), "a") is None
    assert looks(step, pending, timer, NOW - 300 * SECOND)
    assert NOW - 450 * SECOND < read_marker(str(tmp_path), "a") <= NOW - 360 * SECOND


def test_an_older_entry_brings_the_next_look_forward(tmp_path):
    step, pending, timer = follow(tmp_path), Cell(), Cell()
    step.process((0, "entry"), Stamp(NOW - 60 * SECOND), pending, timer)
    step.process((0, "entry"), Stamp(NOW - 6_000 * SECOND), pending, timer)
    assert timer.at == NOW - 5_940 * SECOND
    step.process((0, "entry"), Stamp(NOW - 120 * SECOND), pending, timer)
    assert timer.at == NOW - 5_940 * SECOND


def test_a_source_that_has_ended_says_nothing_of_the_time_after(tmp_path):
    step, pending, timer = follow(tmp_path), Cell(), Cell()
    step.process((0, "entry"), Stamp(NOW - 600 * SECOND), pending, timer)
    looks(step, pending, timer, 2**62)
    assert timer.at is None
    assert read_marker(str(tmp_path), "a") <= NOW - 60 * SECOND


@given(st.lists(st.integers(NOW - 10**10, NOW), min_size=1, max_size=9))
def test_the_marker_never_goes_back_whoever_writes_it(tmp_path_factory, times):
    path = tmp_path_factory.mktemp("archive")
    one, other = follow(path), follow(path)
    seen = []
    for number, time in enumerate(times):
        (one if number % 2 else other)._mark(time)
        seen.append(read_marker(str(path), "a"))
    assert seen == [max(times[: n + 1]) for n in range(len(times))]


def test_what_is_no_marker_is_not_taken_for_one(tmp_path):
    replace_object(f"{tmp_path}/{marker_name('a')}", b'{"complete": true}')
    with pytest.raises(msgspec.DecodeError):
        read_marker(str(tmp_path), "a")


def test_a_marker_tells_its_time(tmp_path):
    replace_object(f"{tmp_path}/{marker_name('a/b')}", Completeness(7).to_json())
    assert read_marker(str(tmp_path), "a/b") == 7
    assert read_marker(str(tmp_path), "a") is None


@pytest.mark.parametrize("given_values", [{"every": 0}, {"margin": -1}])
def test_lengths_that_cannot_be_are_refused(given_values):
    with pytest.raises(ValueError, match=r"every=.*, margin="):
        MarkComplete("archive", "a", **given_values)
