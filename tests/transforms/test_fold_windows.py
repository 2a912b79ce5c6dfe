"""`FoldWindows` on engines, and its stateful DoFn under retries, crashes and lost instances.

What these cannot show: when a service moves its watermark, and how exactly it fires timers.
"""

import pickle
import random
from dataclasses import dataclass, field

import apache_beam as beam
import msgspec
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.testing.util import assert_that
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.window_parts import PartPack
from tests.engine import run_batch
from tests.metric_builders import BASE, METRICS, MINUTE, Seen, expected
from tests.window_builders import EAGER, bundles_of, held, parts_of, place_of
from transforms.fold_windows import FoldWindows, _FoldStream

HORIZON = 65 * MINUTE
ALL = [*METRICS, EAGER]
SECOND = 1_000_000


def no_time():
    return 0.0


def fold(**given):
    return FoldWindows(**{"metrics": ALL, "horizon": HORIZON / 1e6, "clock": no_time, **given})


def some_events(seed, count=60):
    chance = random.Random(seed)
    return [
        Seen(
            f"e{n}",
            chance.choice(["page_view", "click", "quiz_submitted"]),
            BASE + chance.randrange(11 * MINUTE),
            chance.choice(["ana", "bo", "cy"]),
            page=chance.choice(["/", "/a", "/b"]),
            duration=chance.choice([None, 1, 5]),
        )
        for n in range(count)
    ]


def elements_of(seen, size=7, metrics=METRICS):
    return [element for bundle in bundles_of(seen, size, metrics) for element in bundle]


def _folded(pipeline, elements, **given):
    stamped = [TimestampedValue(element, BASE / 1e6) for element in elements]
    source = pipeline | beam.Create([None], reshuffle=False)
    packs = source | beam.FlatMap(lambda _: stamped).with_output_types(tuple[int, PartPack])
    return packs | fold(**given)


@pytest.mark.engine
@pytest.mark.parametrize("mode", ["auto", "stream", "batch"])
@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_all_ways_end_in_the_right_values_also_when_every_bundle_runs_twice(mode, bundle_repeat):
    seen = some_events(1)
    outcome = run_batch(
        lambda p: {"panes": _folded(p, elements_of(seen), mode=mode)}, bundle_repeat
    )
    assert held(outcome["panes"]) == expected(seen)


def test_batch_tells_every_window_once_with_the_generation():
    seen = some_events(2)
    panes = run_batch(
        lambda p: {"panes": _folded(p, elements_of(seen), mode="batch", generation=7)}
    )["panes"]
    assert len(panes) == len(expected(seen))
    assert {(pane.index, pane.timing, pane.generation) for pane in panes} == {(0, "on_time", 7)}


@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_windows_outside_the_coverage_are_withheld_in_both_ways(mode):
    seen = [Seen(f"e{n}", "click", BASE + n * 20 * SECOND) for n in range(12)]
    span = {"covers_from": BASE + 1, "covers_to": BASE + 3 * MINUTE}
    outcome = run_batch(
        lambda p: {"panes": _folded(p, elements_of(seen), mode=mode, metrics=METRICS, **span)}
    )
    whole = {
        place: value
        for place, value in expected(seen).items()
        if place[2] > BASE and place[1] + place[2] <= BASE + 3 * MINUTE
    }
    assert held(outcome["panes"]) == whole
    assert outcome.counters["windows_withheld"] == len(expected(seen)) - len(whole)


@pytest.mark.prism
def test_prism_gives_the_same_values_and_early_panes_by_its_clock(prism_binary):
    seen = some_events(3)
    options = PipelineOptions(
        ["--runner=PrismRunner", f"--prism_location={prism_binary}", "--environment_type=LOOPBACK"]
    )

    def check(panes):
        assert held(panes) == expected(seen)
        assert {pane.timing for pane in panes} <= {"early", "on_time"}

    with beam.Pipeline(options=options) as pipeline:
        panes = _folded(pipeline, elements_of(seen), mode="stream")
        assert_that(panes, check)


@pytest.mark.parametrize(
    "wrong", [{"horizon": 0}, {"mode": "both"}, {"covers_from": 5, "covers_to": 5}]
)
def test_wrong_options_are_refused_with_the_remedy(wrong):
    with pytest.raises(ValueError, match=r"give|use"):
        fold(**wrong)


def on_a_stream(script, check, **given):
    """Run on the bundle-based runner, whose watermark and clock a test can move."""
    options = PipelineOptions(streaming=True, allow_unsafe_triggers=True)
    stream = TestStream().advance_watermark_to(BASE / 1e6)
    for kind, value in script:
        if kind == "events":
            stream = stream.add_elements(
                [TimestampedValue(element, BASE / 1e6) for element in parts_of(value, [EAGER], 1)]
            )
        elif kind == "watermark":
            stream = stream.advance_watermark_to(value / 1e6)
        else:
            stream = stream.advance_processing_time(value)
    stream = stream.advance_watermark_to_infinity()
    with beam.Pipeline("BundleBasedDirectRunner", options=options) as pipeline:
        packs = pipeline | stream.with_output_types(tuple[int, PartPack])
        assert_that(packs | fold(mode="stream", metrics=[EAGER], **given), check)


def minutes(panes):
    """What was told of windows of a minute, in order."""
    found = [
        ((pane.part.start - BASE) // MINUTE, pane.index, pane.timing, pane.part.events)
        for pane in panes
        if pane.part.length == MINUTE
    ]
    return sorted(found)


def clicks(*seconds):
    return [Seen(f"e{second}", "click", BASE + int(second * SECOND)) for second in seconds]


@pytest.mark.engine
def test_early_on_time_and_late_panes_each_at_their_moment():
    script = [
        ("events", clicks(1, 2)),
        ("time", 11),
        ("events", clicks(3)),
        ("events", clicks(4)),
        ("watermark", BASE + MINUTE),
        ("events", clicks(5, 61)),
        ("watermark", BASE + 2 * MINUTE),
        ("events", clicks(6)),
    ]

    def check(panes):
        # The clock that is asked stands still, so after the first ten seconds all is due at once.
        assert minutes(panes) == [
            (0, 0, "early", 2),
            (0, 1, "early", 3),
            (0, 2, "early", 4),
            (0, 3, "on_time", 4),
            (0, 4, "late", 5),
            (0, 5, "late", 6),
            (1, 0, "early", 1),
            (1, 1, "on_time", 1),
        ]

    on_a_stream(script, check)


@pytest.mark.engine
def test_a_jump_of_the_watermark_closes_every_window_once():
    script = [
        ("events", clicks(*range(0, 600, 7))),
        ("watermark", BASE + 3_600 * SECOND * 24),
    ]

    def check(panes):
        assert [(index, timing) for _, index, timing, _ in minutes(panes)] == [(0, "on_time")] * 10
        assert sum(events for *_, events in minutes(panes)) == len(range(0, 600, 7))

    on_a_stream(script, check)


@pytest.mark.engine
def test_what_comes_for_a_forgotten_window_is_not_told():
    script = [
        ("events", clicks(1)),
        ("watermark", BASE + 3_600 * SECOND * 24),
        ("events", clicks(2)),
    ]
    on_a_stream(script, lambda panes: _is(minutes(panes), [(0, 0, "on_time", 1)]))


def _is(found, wanted):
    assert found == wanted


class Crash(Exception):
    """Thrown into a bundle."""


@dataclass
class Saved:
    """What an engine keeps of one key."""

    log: list = field(default_factory=list)
    head: list = field(default_factory=list)
    close: int | None = None
    speculate: int | None = None


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
        # Engines carry timers in milliseconds.
        self.due = timestamp.micros // 1_000 * 1_000


class Engine:
    """Commits or crashes bundles of the stateful DoFn; several instances share the saved state."""

    def __init__(self, instances=1, **given):
        self._spare = pickle.dumps(_FoldStream(fold(mode="stream", **given)))
        self.saved = {}
        self.instances = [self.fresh() for _ in range(instances)]

    def fresh(self):
        dofn = pickle.loads(self._spare)
        dofn.setup()
        return dofn

    def bundle(self, elements, instance=0, crash_after=10**9, lose=False):
        def work(dofn, staged, budget):
            panes = []
            for key, pack in elements:
                panes += self._call(
                    staged, key, budget, lambda *p, k=key, e=pack: dofn.process((k, e), *p)
                )
            return panes

        return self._commit(work, instance, crash_after, lose)

    def close(self, watermark, instance=0, limit=10_000):
        """Fire the event-time timers that are due, one bundle each."""
        panes = []
        for _ in range(limit):
            due = [
                (kept.close, key) for key, kept in self.saved.items() if _due(kept.close, watermark)
            ]
            if not due:
                return panes
            moment, key = min(due)

            def work(dofn, staged, budget, key=key, moment=moment):
                def fire(log, head, close, _):
                    close.due = None
                    return dofn.on_close(key, Timestamp(micros=moment), log, head, close)

                return self._call(staged, key, budget, fire)

            panes += self._commit(work, instance, 10**9, False)
        raise AssertionError("timers without end")

    def speculate(self, instance=0):
        """Fire the timers of processing time that are set."""
        panes = []
        for key in [key for key, kept in self.saved.items() if kept.speculate is not None]:

            def work(dofn, staged, budget, key=key):
                def fire(log, head, close, speculate):
                    speculate.due = None
                    return dofn.on_speculate(key, log, head, close, speculate)

                return self._call(staged, key, budget, fire)

            panes += self._commit(work, instance, 10**9, False)
        return panes

    def bytes(self):
        return sum(len(value) for kept in self.saved.values() for value in kept.log + kept.head)

    def _commit(self, work, instance, crash_after, lose):
        staged = {}
        panes = list(work(self.instances[instance], staged, [crash_after]))
        if lose:
            raise Crash
        self.saved.update(staged)
        return panes

    def _call(self, staged, key, budget, call):
        if key not in staged:
            kept = self.saved.get(key, Saved())
            staged[key] = Saved(list(kept.log), list(kept.head), kept.close, kept.speculate)
        now = staged[key]
        close, speculate = Clockwork(now.close), Clockwork(now.speculate)
        panes = list(call(Cells(now.log, budget), Head(now.head, budget), close, speculate))
        now.close, now.speculate = close.due, speculate.due
        return panes


def _due(moment, watermark):
    return moment is not None and moment <= watermark


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_crashes_lost_commits_and_other_instances_leave_the_right_values(seed, chance):
    seen, engine, panes = some_events(seed, 30), Engine(instances=2), []
    for bundle in bundles_of(seen, 4, ALL):
        while True:
            fault, instance = chance.random(), chance.randrange(2)
            if fault < 0.2:
                engine.instances[instance] = engine.fresh()
            try:
                crash_after = chance.randrange(4) if 0.2 < fault < 0.4 else 10**9
                panes += engine.bundle(bundle, instance, crash_after, lose=0.4 < fault < 0.6)
            except Crash:
                continue
            break
        if chance.random() < 0.3:
            panes += engine.close(BASE + chance.randrange(12) * MINUTE, chance.randrange(2))
        if chance.random() < 0.3:
            panes += engine.speculate(chance.randrange(2))
    panes += engine.close(BASE + 60 * MINUTE)
    assert held(pane for pane in panes if pane.part.metric != EAGER.slot) == expected(seen)
    eager = held((pane for pane in panes if pane.part.metric == EAGER.slot), [EAGER])
    counted = sum(events for (_, length, *_), (events, _) in eager.items() if length == MINUTE)
    assert counted == sum(one.kind != "quiz_submitted" for one in seen)
    told = [(*place_of(pane), pane.index) for pane in panes]
    assert len(told) == len({*told})


def test_an_exception_between_a_change_and_its_commit_leaves_no_trace_in_memory():
    seen, engine = some_events(5), Engine()
    first, second = bundles_of(seen, 30)
    panes = engine.bundle(first)
    for crash_after in range(3):
        with pytest.raises(Crash):
            engine.bundle(second, crash_after=crash_after)
    with pytest.raises(Crash):
        engine.bundle(second, lose=True)
    panes += engine.bundle(second) + engine.close(BASE + 60 * MINUTE)
    assert held(panes) == expected(seen)


def test_a_job_that_lost_its_state_begins_anew_with_lower_counts_that_lose():
    seen = clicks(*range(0, 60, 10))
    before, after = Engine(), Engine()
    panes = before.bundle(parts_of(seen, [EAGER])) + before.close(BASE + 5 * MINUTE)
    panes += after.bundle(parts_of(seen[:2], [EAGER])) + after.close(BASE + 5 * MINUTE)
    assert [pane.index for pane in panes] == [0] * 4
    assert {events for events, _ in held(panes, [EAGER]).values()} == {len(seen)}


def test_state_is_forgotten_after_lateness_and_horizon_and_the_timer_rests():
    engine = Engine()
    for bundle in bundles_of(some_events(6), 10, ALL):
        engine.bundle(bundle)
    assert engine.bytes() > 2_000
    engine.close(BASE + 1_000 * 1_440 * MINUTE, limit=100)
    assert engine.bytes() < 300
    assert all(kept.close is None and kept.log == [] for kept in engine.saved.values())


def test_memory_and_state_stay_flat_over_many_hours():
    engine, sizes = Engine(), []
    for tick in range(60):
        start = BASE + tick * 10 * MINUTE
        seen = [Seen(f"{tick}-{n}", "click", start + n, f"u{tick}-{n}") for n in range(20)]
        for bundle in bundles_of(seen, 5, ALL):
            engine.bundle(bundle)
        engine.close(start)
        sizes.append(engine.bytes())
    assert max(sizes[30:]) <= 1.3 * max(sizes[:30])


def test_the_log_is_rewritten_when_it_has_doubled():
    engine, seen = Engine(), clicks(*(n * 0.01 for n in range(3_000)))
    for bundle in bundles_of(seen, 3, [EAGER], shards=1):
        engine.bundle(bundle)
    [kept] = engine.saved.values()
    assert len(kept.log) < 1_000
    assert {events for events, _ in held(engine.close(BASE + MINUTE * 5), [EAGER]).values()} == {
        3_000
    }


def test_metrics_that_tell_early_at_different_intervals_share_a_timer():
    slow = msgspec.structs.replace(
        EAGER,
        slot=EAGER.slot + 1,
        name="slow",
        triggers=msgspec.structs.replace(EAGER.triggers, speculative_every=60 * SECOND),
    )
    engine = Engine(metrics=[EAGER, slow])
    [(_, pack)] = parts_of(clicks(1), [EAGER], 1)
    twice = [*pack.parts, *(msgspec.structs.replace(part, metric=slow.slot) for part in pack.parts)]
    engine.bundle([(0, PartPack(twice))])
    assert engine.saved[0].speculate == 10 * SECOND
    assert {pane.part.metric for pane in engine.speculate()} == {EAGER.slot}
    assert engine.saved[0].speculate == 60 * SECOND
    assert {pane.part.metric for pane in engine.speculate()} == {slow.slot}
    assert engine.saved[0].speculate is None
