"""The stateful step on an engine of our own: crashes, retries, instances that come and go."""

import random
from collections import Counter, defaultdict

import pytest

from schemas.events import MAX_MICROS
from tests.transforms.event_packs import pack_of, rows_of
from tests.transforms.shard_engine import (
    HORIZON,
    RETENTION,
    START,
    TICK,
    Crash,
    engine_at,
    kinds,
)

OFFSETS = [-7 * HORIZON, -HORIZON, -TICK, 0, TICK, HORIZON, 12 * HORIZON]
JUMPS = [TICK // 3, TICK, 5 * TICK, HORIZON // 2, HORIZON, 3 * HORIZON, 20 * HORIZON]


class Oracle:
    """What must be a copy; an id whose horizon is over may pass or not."""

    def __init__(self):
        self.kept = {}

    def check(self, elements, outputs, watermark):
        found = defaultdict(Counter)
        for kind, pack in outputs:
            found[kind].update(rows_of(pack))
        assert sum(map(Counter.total, found.values())) == sum(len(pack) for _, pack, _ in elements)
        for _, pack, _ in elements:
            for row in rows_of(pack):
                kind = self._kind(row, found, watermark)
                assert found[kind][row] > 0, (kind, row, watermark, self.kept.get(row[0]))
                found[kind][row] -= 1

    def _kind(self, row, found, watermark):
        identity, content, time = row
        first, until = self.kept.get(identity, (None, 0))
        over = watermark >= until
        if first is None or (over and found["unique"][row]):
            latest = min(time, watermark + RETENTION.max_future)
            self.kept[identity] = content, max(latest, watermark) + HORIZON
            return "unique"
        return "duplicates" if content == first else "conflicts"


def any_bundle(rnd, watermark):
    bundle = []
    for _ in range(rnd.randint(1, 3)):
        rows = [
            (f"e{rnd.randrange(12)}", rnd.choice("aaaab"), watermark + rnd.choice(OFFSETS))
            for _ in range(rnd.randint(1, 4))
        ]
        bundle.append((0, pack_of(rows), rnd.choice([min(row[2] for row in rows), watermark])))
    return bundle


@pytest.mark.parametrize("seeds", [range(0, 60), range(60, 120)])
def test_streams_with_crashes_and_restarts_are_sorted_as_plain_python_would(seeds):
    for seed in seeds:
        rnd = random.Random(seed)
        engine, oracle = engine_at(START, workers=rnd.randint(1, 2)), Oracle()
        for _ in range(20):
            worker = rnd.randrange(engine.workers)
            if rnd.random() < 0.3:
                engine.advance(engine.watermark + rnd.choice(JUMPS))
            if rnd.random() < 0.1:
                engine.replace(worker)
            engine.fire(worker)
            bundle = any_bundle(rnd, engine.watermark)
            if rnd.random() < 0.3:
                with pytest.raises(Crash):
                    crash_after = rnd.choice([0, 1, 2, 100])
                    engine.bundle(bundle, worker, crash_after=crash_after, lose_commit=True)
            oracle.check(bundle, engine.bundle(bundle, worker), engine.watermark)


@pytest.mark.parametrize("crash_after", range(4))
def test_an_exception_between_a_change_and_its_commit_leaves_nothing_behind(crash_after):
    engine = engine_at(START)
    first, second = (
        [(0, pack_of([("a", "x", START)]), START)],
        [(0, pack_of([("b", "x", START), ("a", "x", START)]), START)],
    )
    engine.bundle(first)
    with pytest.raises(Crash):
        engine.bundle(second, crash_after=crash_after, lose_commit=True)
    assert kinds(engine.bundle(second)) == {"unique": 1, "duplicates": 1}


def test_a_timer_whose_commit_fails_forgets_nothing():
    engine = engine_at(START)
    for _ in range(2):
        engine.bundle([(0, pack_of([("a", "x", START)]), START)])
    engine.fire()
    engine.advance(START + HORIZON // 2)
    with pytest.raises(Crash):
        engine.fire(crash_after=0)
    assert kinds(engine.bundle([(0, pack_of([("a", "x", START)]), START)])) == {"duplicates": 1}


def test_200_events_as_late_as_the_horizon_and_their_copies_in_a_later_bundle():
    engine = engine_at(START)
    rows = [(f"e{number}", "x", START - HORIZON) for number in range(200)]
    element = (0, pack_of(rows), START - HORIZON)
    assert kinds(engine.bundle([element])) == {"unique": 200}
    engine.fire()
    engine.advance(START + HORIZON - 1)
    engine.fire()
    assert kinds(engine.bundle([element])) == {"duplicates": 200}


def test_a_shard_with_traffic_forgets_an_id_within_three_ticks_after_its_horizon():
    engine = engine_at(START)
    passed = []
    for step in range(80):
        now = START + step * TICK
        engine.advance(now)
        engine.fire()
        rows = [("a", "x", START), (f"other{step}", "x", now)]
        if kinds(engine.bundle([(0, pack_of(rows), now)]))["unique"] == 2:
            passed.append(step)
    assert passed[0] == 0
    assert 32 <= passed[1] <= 32 + 3
    assert 32 <= passed[2] - passed[1] <= 32 + 3


def test_the_watermark_of_a_unique_pack_is_the_latest_that_is_known_to_have_passed():
    engine = engine_at(START)
    marks = []
    for step in range(8):
        engine.advance(START + step * TICK)
        engine.fire()
        [(_, pack)] = engine.bundle([(0, pack_of([(f"e{step}", "x", START)]), START)])
        marks.append(pack.watermark)
    assert marks == [START + max(0, step) * TICK for step in range(8)]
    [(_, early)] = engine.bundle([(0, pack_of([("new", "x", START)]), START + 900 * TICK)])
    assert early.watermark == START + 900 * TICK


def test_a_watermark_far_behind_the_publish_time_shortens_no_horizon():
    """As in a backlog that comes in no order; `max_future` is meant for wrong clocks."""
    published = START + 40 * HORIZON
    late_copy = [(0, pack_of([("a", "x", published)], [published]), published)]
    for warm_up in (0, 2):
        engine = engine_at(START)
        for step in range(warm_up):
            engine.bundle([(0, pack_of([(f"warm {step}", "x", START)], [START]), START)])
        assert kinds(engine.bundle(late_copy)) == {"unique": 1}
        for step in range(41):
            engine.advance(START + step * HORIZON)
            engine.fire()
            assert kinds(engine.bundle(late_copy)) == {"duplicates": 1}, step


def test_a_timestamp_in_the_far_future_makes_no_event_late():
    engine = engine_at(START)
    far = START + 9_000 * HORIZON
    [(_, pack)] = engine.bundle([(0, pack_of([("a", "x", START)], [START]), far)])
    assert pack.watermark == START


def test_state_is_at_most_28_bytes_an_id_with_nonce_and_clock_counted():
    engine = engine_at(START)
    for step in range(400):
        now = START + step * TICK // 4
        engine.advance(now)
        engine.fire()
        rows = [(f"{step} {number}", "x", now - number) for number in range(30)]
        engine.bundle([(0, pack_of(rows), now)])
        held = len(engine.instances[0]._fence._held[0][1])
        assert engine.state_bytes() <= 28 * held + (100 if held < 200 else 0)
    assert engine.timers_fired < 120


def test_an_idle_shard_forgets_its_ids_and_stops_its_timer_after_many_horizons():
    engine = engine_at(START)
    engine.bundle([(0, pack_of([("a", "x", START)]), START)])
    engine.advance(START + 12 * HORIZON)
    assert engine.fire() < 50
    assert engine.shards[0].log == []
    engine.advance(START + 40 * HORIZON)
    assert engine.fire() < 50
    assert engine.shards[0].due is None
    engine.bundle([(0, pack_of([("a", "x", START + 12 * HORIZON)]), START + 12 * HORIZON)])
    engine.advance(MAX_MICROS)
    assert engine.fire() < 100
    assert (engine.shards[0].log, engine.shards[0].due) == ([], None)


def test_a_new_instance_reads_back_what_another_one_saved():
    engine = engine_at(START, workers=2)
    element = (0, pack_of([("a", "x", START)]), START)
    engine.bundle([element], worker=0)
    engine.replace(1)
    assert kinds(engine.bundle([element], worker=1)) == {"duplicates": 1}
    # The first instance's copy is of an older version now.
    assert kinds(engine.bundle([(0, pack_of([("b", "x", START)]), START)], worker=1))
    again = pack_of([("a", "y", START), ("b", "x", START)])
    assert kinds(engine.bundle([(0, again, START)], worker=0)) == {"conflicts": 1, "duplicates": 1}
