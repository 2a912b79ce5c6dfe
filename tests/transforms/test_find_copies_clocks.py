"""Pauses and wrong clocks in the stateful step of dedupe, on an engine of our own."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@given(st.integers(0, 31 * HORIZON), st.integers(0, 20))
@settings(max_examples=60)
def test_after_a_pause_late_is_decided_to_half_a_horizon_and_in_the_next_bundle_better(pause, warm):
    """The packs are late themselves: their timestamps say nothing of the watermark."""
    engine = engine_at(START)
    for step in range(warm + 1):
        engine.advance(START + step * TICK)
        engine.fire()
        engine.bundle([(0, pack_of([(f"{step}", "x", START)]), START)])
    engine.fire()
    now = START + warm * TICK + pause
    engine.advance(now)
    engine.fire()
    marks = []
    for number in range(2):
        pack = pack_of([(f"late {number}", "x", START - 9 * HORIZON)])
        [(_, judged)] = engine.bundle([(0, pack, START - 9 * HORIZON)])
        marks.append(now - judged.watermark)
        engine.fire()
    assert 0 <= marks[0] <= max(TICK, min(HORIZON // 2, (pause + 2 * TICK) // 5))
    assert marks[1] <= max(TICK, marks[0] // 4)


def test_an_id_that_comes_after_a_pause_is_kept_for_two_horizons_at_most():
    engine = engine_at(START)
    for step in range(3):
        engine.bundle([(0, pack_of([(f"{step}", "x", START)]), START)])
        engine.fire()
    engine.advance(START + 30 * HORIZON)
    engine.fire()
    element = (0, pack_of([("a", "x", START)]), START)
    assert kinds(engine.bundle([element])) == {"unique": 1}
    engine.fire()
    engine.advance(START + 32 * HORIZON + 2 * TICK)
    engine.fire()
    assert len(engine.shards[0].log) == 0


def test_a_first_timestamp_in_the_far_future_keeps_no_id_where_publish_times_are_known():
    engine = engine_at(START)
    far = START + 9_000 * HORIZON
    element = (0, pack_of([("a", "x", START)], [START]), far)
    for _ in range(3):
        engine.bundle([element])
    engine.advance(START + 10 * HORIZON)
    engine.fire()
    assert kinds(engine.bundle([element])) == {"unique": 1}


@pytest.mark.parametrize("wrong", [1, 2, 3])
def test_first_timestamps_in_the_far_future_are_mended_by_the_next_good_ones(wrong):
    """Without publish times, as in other people's streams."""
    engine = engine_at(START)
    far = START + 9_000 * HORIZON
    for number in range(wrong):
        engine.bundle([(0, pack_of([(f"far {number}", "x", far)]), far)])
        engine.fire()
    for step in range(40):
        engine.advance(START + step * HORIZON)
        engine.fire()
        engine.bundle([(0, pack_of([(f"{step}", "x", START + step * HORIZON)]), START)])
    held = len(engine.instances[0]._fence._held[0][1])
    # Those of one horizon, and what the last two bundles brought.
    assert held <= 4


def test_an_id_of_a_backlog_in_no_order_keeps_its_horizon_when_an_older_pack_dates_it():
    engine = engine_at(START)
    published = START + 40 * HORIZON
    early = (0, pack_of([("a", "x", published + 5 * HORIZON)], [published]), START)
    assert kinds(engine.bundle([early])) == {"unique": 1}
    for step in range(46):
        engine.advance(START + step * HORIZON)
        engine.fire()
        old = (0, pack_of([(f"old {step}", "x", START)], [START]), START)
        assert kinds(engine.bundle([old, early])) == {"unique": 1, "duplicates": 1}, step


class Clocks:
    """Published events whose timestamps and event times may be wrong; copies come at any time.

    `until`: when each id may be forgotten at the earliest. `gone`: when it must be at the latest.
    """

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.engine = engine_at(START, workers=2)
        self.now, self.number = START, 0
        self.until, self.gone, self.rows = {}, {}, {}

    def element(self):
        chance, engine = self.chance, self.engine
        published = self.now - chance.choice([0, 0, 0, HORIZON // 2, 5 * HORIZON])
        chosen = []
        for _ in range(chance.randint(1, 4)):
            identity = f"e{chance.randrange(max(self.number - 30, 0), self.number + 3)}"
            self.number += 1
            wrong = chance.choice([0, 0, 0, TICK, -HORIZON, -7 * HORIZON, 9_000 * HORIZON])
            chosen.append(self.rows.setdefault(identity, (identity, "x", published + wrong)))
        pack = pack_of(chosen, [published] * len(chosen))
        stamp = max(
            engine.watermark - chance.choice([0, 0, TICK, 7 * HORIZON]), START - 7 * HORIZON
        )
        return 0, pack, chance.choice([stamp, stamp, published, published + 9_000 * HORIZON])

    def step(self):
        chance, engine = self.chance, self.engine
        worker = chance.randrange(2)
        if chance.random() < 0.3:
            self.now += chance.choice([TICK // 3, TICK, 5 * TICK, HORIZON, 40 * HORIZON])
        if chance.random() < 0.5:
            # No watermark is ahead of the time of day.
            engine.advance(chance.randint(engine.watermark, self.now))
        if chance.random() < 0.1:
            engine.replace(worker)
        engine.fire(worker)
        bundle = [self.element() for _ in range(chance.randint(1, 3))]
        if chance.random() < 0.2:
            with pytest.raises(Crash):
                engine.bundle(
                    bundle, worker, crash_after=chance.choice([0, 1, 100]), lose_commit=True
                )
        self.check(bundle, engine.bundle(bundle, worker))

    def check(self, bundle, outputs):
        found = Counter(row for kind, pack in outputs if kind == "unique" for row in rows_of(pack))
        came = Counter(row for _, pack, _ in bundle for row in rows_of(pack))
        assert not found - came
        newest = max(pack.raw.publish_times[0] for _, pack, _ in bundle)
        watermark = self.engine.watermark
        for row in came:
            identity, _, time = row
            if watermark < self.until.get(identity, watermark):
                assert found[row] == 0, "a copy within the horizon passed"
            elif identity not in self.until:
                assert found[row] == 1, "a first copy did not pass"
            if found[row]:
                published = min(
                    pack.raw.publish_times[0] for _, pack, _ in bundle if row in rows_of(pack)
                )
                ahead = min(time, max(watermark, published) + RETENTION.max_future)
                self.until[identity] = max(watermark, ahead) + HORIZON
                latest = max(watermark, newest, self.now) + RETENTION.max_future
                self.gone[identity] = latest + 18 * HORIZON

    def held(self):
        return [len(held) for one in self.engine.instances for _, held in one._fence._held.values()]


@pytest.mark.engine
@pytest.mark.parametrize("seeds", [range(0, 60), range(60, 120)])
def test_wrong_clocks_shorten_no_horizon_and_fill_no_state(seeds):
    for seed in seeds:
        story = Clocks(seed)
        for _ in range(40):
            story.step()
        story.engine.advance(max(story.gone.values()) + 10 * HORIZON)
        story.engine.fire()
        assert min(story.held()) == 0
        assert story.engine.shards[0].log == [], seed
