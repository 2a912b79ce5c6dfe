"""Looks at the watermark: what an honest one has passed counts, a jump to the end does not."""

import hypothesis.strategies as st
import msgspec
from hypothesis import given

from schemas.times import DAY, SECOND
from transforms.watermark_looks import SENTINEL, Confirmed, Looks, next_look

NOW = 1_767_225_600 * SECOND
EVERIES = st.sampled_from([1_000, SECOND, 60 * SECOND, 3_600 * SECOND])


@given(st.integers(0, 2_000 * 365 * DAY), EVERIES)
def test_looks_catch_up_with_the_clock_in_some_dozens(behind, every):
    passed, seen = (NOW - behind) // every * every, 0
    while passed <= NOW - every:
        following = next_look(passed, NOW, every)
        assert passed < following <= NOW
        assert following % every == 0
        passed, seen = following, seen + 1
    assert seen < 100


@given(st.integers(-60 * SECOND, DAY), EVERIES, st.integers(0, 3_600 * SECOND))
def test_a_look_ahead_of_a_slow_clock_is_followed_by_one_a_step_away(ahead, every, off):
    passed = (NOW + ahead) // every * every + off
    following = next_look(passed, NOW, every)
    assert following % every == 0
    assert passed < following <= passed + max(every, 60 * SECOND)


class Engine:
    """Fires what is set, in any order an engine may choose, and keeps the truth.

    The state is encoded between any two calls, as an engine does that restarts there.
    """

    def __init__(self, every, pause):
        self.state = msgspec.msgpack.encode(Looks(every, pause))
        self.now, self.watermark, self.ended = NOW, NOW - DAY, False
        self.look, self.confirm, self.sentinel = None, None, True
        self.marked = []

    def call(self, method, *given_values):
        looks = msgspec.msgpack.decode(self.state, type=Looks)
        result = getattr(looks, method)(*given_values)
        self.state = msgspec.msgpack.encode(looks)
        return result

    def seen(self, time):
        look = self.call("seen", time)
        self.look = self.look if look is None else look

    def fire_look(self):
        if self.look is not None and (self.ended or self.look <= self.watermark):
            passed, self.look = self.look, None
            due = self.call("fired", passed, self.now)
            self.confirm = self.confirm if due is None else due

    def fire_sentinel(self):
        if self.ended and self.sentinel:
            self.sentinel = False
            self.call("end")

    def fire_confirm(self, early=0):
        if self.confirm is not None and self.confirm - early <= self.now:
            self.confirm = None
            found = self.call("confirmed", self.now)
            self.look = self.look if found.look is None else found.look
            self.confirm = found.again
            if found.passed is not None:
                self.marked.append(found.passed)


MOVES = st.one_of(
    st.tuples(st.just("watermark"), st.integers(0, 4_000)),
    st.tuples(st.just("clock"), st.integers(0, 200)),
    st.tuples(st.just("seen"), st.integers(-5_000, 300)),
    st.tuples(st.sampled_from(["fire_look", "fire_confirm"])),
)


def live(engine, moves):
    for name, *amount in moves:
        if name == "watermark":
            engine.watermark = min(engine.now, engine.watermark + amount[0] * SECOND)
        elif name == "clock":
            engine.now += amount[0] * SECOND
        elif name == "seen":
            engine.seen(engine.watermark + amount[0] * SECOND)
        else:
            getattr(engine, name)()
        assert all(time <= engine.watermark for time in engine.marked)


@given(
    st.lists(MOVES, max_size=40),
    st.lists(st.sampled_from(["fire_look", "fire_sentinel", "early"]), max_size=12),
    st.lists(st.sampled_from(["fire_look", "fire_sentinel", "fire_confirm"]), max_size=20),
)
def test_nothing_unread_is_marked_whatever_fires_first_at_the_end(moves, jump, after):
    """At the jump the engine fires looks, the sentinel, and confirms before their time."""
    engine = Engine(every=60 * SECOND, pause=10 * SECOND)
    live(engine, moves)
    engine.fire_confirm()
    engine.ended = True
    for name in jump:
        if name == "early":
            engine.fire_confirm(early=60 * SECOND)
        else:
            getattr(engine, name)()
    engine.fire_look()
    engine.fire_sentinel()
    for name in after:
        engine.now += 7 * SECOND
        getattr(engine, name)()
    assert all(time <= engine.watermark for time in engine.marked)
    assert engine.marked == sorted(set(engine.marked))
    assert engine.call("confirmed", engine.now) == Confirmed()
    assert engine.call("seen", engine.now) is None


@given(st.lists(MOVES, max_size=40), EVERIES)
def test_an_honest_watermark_is_marked_up_to_a_step(moves, every):
    engine = Engine(every, pause=min(every, 10 * SECOND))
    engine.seen(NOW)
    live(engine, moves)
    # From here on nothing comes, and the watermark stands at the clock or goes on with it.
    for _ in range(300):
        engine.watermark = engine.now
        engine.fire_look()
        engine.now += every
        engine.fire_confirm()
    assert engine.marked[-1] > engine.now - 4 * every
    assert engine.marked == sorted(set(engine.marked))


def test_a_pause_that_the_engine_calls_off_early_is_waited_for():
    looks = Looks(every=60, pause=10)
    looks.seen(100)
    assert looks.fired(60, now=105) == 115
    assert looks.confirmed(now=105) == Confirmed(again=125)
    assert looks.confirmed(now=105) == Confirmed(again=135)
    # A clock that differs a little from the engine's must not stop the marker.
    assert looks.confirmed(now=113) == Confirmed(passed=60, look=120)


AHEAD = st.integers(0, 1_800)


@given(AHEAD, AHEAD, st.sampled_from([SECOND, 10 * SECOND]))
def test_a_worker_whose_clock_is_behind_the_engines_is_asked_a_few_times(ahead, then, pause):
    """The engine calls as soon as its own clock allows; a call takes a millisecond."""
    looks, now = Looks(60 * SECOND, pause), NOW
    # After some looks the key moves to a worker whose clock is another.
    for skew in (ahead * SECOND, then * SECOND):
        calls = 0
        for _ in range(4):
            at = now = now + 60 * SECOND
            asked, found = looks.fired(now - SECOND, now), Confirmed()
            while found.passed is None:
                now = max(now + 1_000, asked - skew)
                found, calls = looks.confirmed(now), calls + 1
                asked = found.again
            later = max(0, ahead - then) * SECOND
            assert at + pause // 2 <= now <= at + pause + later + SECOND
        assert calls <= 2 * skew // pause + 4


def test_an_older_entry_brings_the_look_forward_but_never_behind_what_was_passed():
    looks = Looks(every=60, pause=10)
    assert looks.seen(6_000) == 6_000
    assert looks.seen(6_100) is None
    assert looks.seen(310) == 300
    assert looks.fired(300, now=6_000) == 6_010
    assert looks.seen(10) is None
    assert looks.confirmed(now=6_010) == Confirmed(passed=300, look=3_120)
    assert looks.seen(10) == 360
    assert looks.seen(10) is None


def test_the_sentinel_is_beyond_every_clock_and_within_the_engines_time():
    assert SENTINEL > NOW * 1_000
    assert SENTINEL % 1_000 == 0
