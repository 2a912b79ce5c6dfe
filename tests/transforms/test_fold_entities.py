"""`FoldEntities` on engines, and its stateful DoFn under retries, crashes and lost instances."""

import pickle
import random
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.testing.util import assert_that
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.changes import ChangePack
from tests.engine import run_batch
from tests.feature_builders import (
    BASE,
    FEATURES,
    HOUR,
    Table,
    View,
    changes_of,
    expected,
)
from transforms.extract_changes import row_shard
from transforms.fold_entities import FoldEntities, _FoldStream

SHARDS = 2


def fold(**given):
    return FoldEntities(**{"features": [FEATURES], "horizon": HOUR / 1e6, **given})


def some_views(seed, count=40):
    chance = random.Random(seed)
    views = [
        View(
            f"e{n}",
            chance.choice(["ana", "bo", "cy"]),
            BASE + chance.randrange(2 * HOUR // 1_000) * 1_000,
            chance.choice(["/", "/a", "/b"]),
            chance.choice([None, 1, 5]),
        )
        for n in range(count)
    ]
    return list({(view.user, view.time): view for view in views}.values())


def bundles_of(views, size):
    """(shard, pack) for each bundle of so many events."""
    for first in range(0, len(views), size):
        by_shard: dict[int, list[Any]] = {}
        for row in changes_of(views[first : first + size]).rows:
            by_shard.setdefault(row_shard(row.row_key, SHARDS), []).append(row)
        yield [(number, ChangePack(rows)) for number, rows in sorted(by_shard.items())]


def elements_of(views, size=7):
    return [element for bundle in bundles_of(views, size) for element in bundle]


def _folded(pipeline, elements, **given):
    stamped = [TimestampedValue(element, BASE / 1e6) for element in elements]
    source = pipeline | beam.Create([None], reshuffle=False)
    packs = source | beam.FlatMap(lambda _: stamped).with_output_types(tuple[int, ChangePack])
    return packs | fold(**given)


def run(elements, bundle_repeat=0, **given):
    return run_batch(lambda p: {"rows": _folded(p, elements, **given)}, bundle_repeat)


@pytest.mark.engine
@pytest.mark.parametrize("mode", ["auto", "stream", "batch"])
@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_both_ways_end_in_the_right_rows_also_when_every_bundle_runs_twice(mode, bundle_repeat):
    views = some_views(1)
    outcome = run(elements_of(views), bundle_repeat, mode=mode)
    assert Table().write(outcome["rows"]).final() == expected(views)


def test_batch_writes_every_row_once():
    rows = run(elements_of(some_views(2)), mode="batch")["rows"]
    assert len({row.row_key for row in rows}) == len(rows) == 3


@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_withheld_tiles_are_counted_in_both_ways(mode):
    views = [View(f"e{n}", "ana", BASE + n, "/", None) for n in range(5)]
    outcome = run(elements_of(views), mode=mode, covers_from=BASE + 1)
    assert outcome.counters["tiles_withheld"] == 3
    assert {cell.qualifier for row in outcome["rows"] for cell in row.cells} == {"last_page"}


@pytest.mark.prism
def test_prism_gives_the_same_rows(prism_binary):
    views = some_views(3)
    truth = expected(views)

    def check(rows):
        assert Table().write(rows).final() == truth

    options = PipelineOptions(
        ["--runner=PrismRunner", f"--prism_location={prism_binary}", "--environment_type=LOOPBACK"]
    )
    with beam.Pipeline(options=options) as pipeline:
        assert_that(_folded(pipeline, elements_of(views), mode="stream"), check)


@pytest.mark.parametrize("wrong", [{"horizon": 0}, {"mode": "both"}])
def test_wrong_options_are_refused_with_the_remedy(wrong):
    with pytest.raises(ValueError, match=r"give|use"):
        fold(**wrong)


class Crash(Exception):
    """Thrown into a bundle."""


@dataclass
class Saved:
    """What an engine keeps of one key."""

    log: list[bytes] = field(default_factory=list)
    head: list[bytes] = field(default_factory=list)
    due: int | None = None


class Cells:
    """Bag and value state of a bundle; `budget` writes are left before the crash."""

    def __init__(self, values, budget):
        self.values, self._budget = values, budget

    def read(self):
        return list(self.values)

    def add(self, value):
        self._budget[0] -= 1
        if self._budget[0] < 0:
            raise Crash
        self.values.append(value)

    def clear(self):
        self.values.clear()


class Head(Cells):
    def read(self):
        return self.values[0] if self.values else None

    def write(self, value):
        self.clear()
        self.add(value)


class Clockwork:
    def __init__(self, due):
        self.due = due

    def set(self, timestamp):
        self.due = timestamp.micros


class Engine:
    """Commits or crashes bundles of the stateful DoFn; several instances share the saved state."""

    def __init__(self, instances=1, **given):
        self._spare = pickle.dumps(_FoldStream(fold(mode="stream", **given)))
        self.saved: dict[int, Saved] = {}
        self.instances = [self.fresh() for _ in range(instances)]

    def fresh(self):
        dofn = pickle.loads(self._spare)
        dofn.setup()
        return dofn

    def bundle(self, elements, instance=0, crash_after=10**9, lose=False, at=BASE):
        dofn, staged, out = self.instances[instance], {}, []
        budget = [crash_after]
        dofn.start_bundle()
        for key, pack in elements:
            log, head, tick = self._open(staged, key, budget)
            out += dofn.process((key, pack), Timestamp(micros=at), log, head, tick)
            staged[key].due = tick.due
        if lose:
            raise Crash
        self.saved.update(staged)
        return out

    def advance(self, watermark, instance=0):
        """Fire all timers up to the watermark; return how many."""
        fired = 0
        while due := [
            (s.due, k) for k, s in self.saved.items() if s.due is not None and s.due <= watermark
        ]:
            moment, key = min(due)
            staged: dict[int, Saved] = {}
            dofn = self.instances[instance]
            dofn.start_bundle()
            log, head, tick = self._open(staged, key, [10**9])
            tick.due = None
            dofn.on_tick(key, Timestamp(micros=moment), log, head, tick)
            staged[key].due = tick.due
            self.saved.update(staged)
            fired += 1
        return fired

    def _open(self, staged, key, budget):
        if key not in staged:
            kept = self.saved.get(key, Saved())
            staged[key] = Saved(list(kept.log), list(kept.head), kept.due)
        now = staged[key]
        return Cells(now.log, budget), Head(now.head, budget), Clockwork(now.due)

    def bytes(self):
        return sum(len(value) for kept in self.saved.values() for value in kept.log + kept.head)


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_crashes_lost_commits_and_other_instances_leave_the_right_rows(seed, chance):
    views, engine, table = some_views(seed, 25), Engine(instances=2), Table()
    for bundle in bundles_of(views, 4):
        while True:
            fault = chance.random()
            instance = chance.randrange(2)
            if fault < 0.2:
                engine.instances[instance] = engine.fresh()
            try:
                crash_after = chance.randrange(4) if 0.2 < fault < 0.4 else 10**9
                rows = engine.bundle(bundle, instance, crash_after, lose=0.4 < fault < 0.6)
            except Crash:
                continue
            table.write(rows)
            break
    assert table.final() == expected(views)


def test_an_exception_between_a_change_and_its_commit_leaves_no_trace_in_memory():
    views, engine = some_views(5), Engine()
    first, second = list(bundles_of(views, 20))[:2]
    table = Table().write(engine.bundle(first))
    for crash_after in range(3):
        with pytest.raises(Crash):
            engine.bundle(second, crash_after=crash_after)
    with pytest.raises(Crash):
        engine.bundle(second, lose=True)
    assert table.write(engine.bundle(second)).final() == expected(views)


def test_state_is_forgotten_after_the_horizons_and_the_timer_rests():
    engine = Engine()
    for bundle in bundles_of(some_views(6), 10):
        engine.bundle(bundle)
    assert engine.bytes() > 2_000
    assert engine.advance(BASE + 1_000 * 365 * 24 * HOUR) < 200
    assert engine.bytes() < 200
    assert all(kept.due is None and kept.log == [] for kept in engine.saved.values())


def test_after_a_rest_the_timer_is_armed_again_and_closed_tiles_stay_closed():
    engine, views = Engine(), [View("a", "ana", BASE, "/", None)]
    [bundle] = bundles_of(views, 1)
    engine.bundle(bundle)
    engine.advance(BASE + 1_000 * HOUR)
    [again] = bundles_of([View("b", "ana", BASE + 1, "/", None)], 1)
    rows = engine.bundle(again, at=BASE + 1_000 * HOUR)
    assert [cell.qualifier for row in rows for cell in row.cells] == ["last_page"]
    assert all(kept.due is not None for key, kept in engine.saved.items() if key == again[0][0])


def test_memory_and_state_stay_flat_over_many_horizons():
    engine, sizes = Engine(), []
    for hour in range(60):
        views = [
            View(f"{hour}-{n}", f"u{hour}-{n}", BASE + hour * HOUR + n, "/", 1) for n in range(20)
        ]
        for bundle in bundles_of(views, 5):
            engine.bundle(bundle, at=BASE + hour * HOUR)
        engine.advance(BASE + hour * HOUR)
        sizes.append(engine.bytes())
    assert max(sizes[20:]) <= 1.3 * max(sizes[:20])


def test_the_log_is_rewritten_when_it_has_doubled():
    engine, table = Engine(), Table()
    views = [View(f"e{n}", "ana", BASE + n * 1_000, "/", n) for n in range(3_000)]
    for bundle in bundles_of(views, 3):
        table.write(engine.bundle(bundle))
    [kept] = engine.saved.values()
    assert len(kept.log) < 1_000
    assert engine.bytes() < 100_000
    assert table.final() == expected(views)


@pytest.mark.engine
def test_on_a_stream_a_closed_tile_is_withheld_and_an_open_one_grows():
    """The bundle-based runner, whose watermark a test can move."""
    at = [View(f"e{n}", "ana", BASE + n, "/", None) for n in range(3)]
    first, second, third = (bundle for view in at for bundle in bundles_of([view], 1))
    late_pane = View("late", "ana", BASE + 9 * HOUR, "/", None)
    [fourth] = bundles_of([late_pane], 1)
    stream = (
        TestStream()
        .advance_watermark_to(BASE / 1e6)
        .add_elements([TimestampedValue(element, BASE / 1e6) for element in first])
        .advance_watermark_to(BASE / 1e6 + 3600)
        .add_elements([TimestampedValue(element, BASE / 1e6 + 3600) for element in second])
        .advance_watermark_to(BASE / 1e6 + 9 * 3600)
        .add_elements([TimestampedValue(element, BASE / 1e6 + 9 * 3600) for element in third])
        .add_elements([TimestampedValue(element, BASE / 1e6 + 9 * 3600) for element in fourth])
        .advance_watermark_to_infinity()
    )

    def check(rows):
        truth = expected([*at[:2], late_pane])[b"24#user#ana"]
        assert Table().write(rows).final()[b"24#user#ana"] == truth

    options = PipelineOptions(streaming=True, allow_unsafe_triggers=True)
    with beam.Pipeline("BundleBasedDirectRunner", options=options) as pipeline:
        packs = pipeline | stream.with_output_types(tuple[int, ChangePack])
        assert_that(packs | fold(mode="stream"), check)
