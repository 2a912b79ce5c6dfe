"""The plain logic of windows: the same values in any order, and each pane explained."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.coverage import Coverage
from schemas.events import MIN_MICROS
from schemas.metric_set import load_metrics
from schemas.rejected import Rejected
from schemas.window_parts import PartPack
from tests.metric_builders import BASE, CONTRACTS, METRICS, MINUTE, PLAIN, Seen, expected
from tests.transforms.test_metric_program import SEEN
from tests.window_builders import EAGER, bundles_of, held, parts_of
from transforms.metric_program import RejectProgram
from transforms.pack_parts import packed_by_shard
from transforms.window_rules import WindowRules, WindowTally
from transforms.window_shard import WindowShard
from transforms.window_state import WindowLog

HORIZON = 65 * MINUTE
RULES = WindowRules.of([*METRICS, EAGER])
ANA = [Seen(f"e{n}", "click", BASE + n * 1_000_000, "ana") for n in range(6)]
_encode, _decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(WindowLog).decode


EVERYTHING = Coverage()


def shard(coverage=EVERYTHING, rules=RULES):
    return WindowShard(rules, HORIZON, coverage)


def one_pack(seen, metrics=(PLAIN,)):
    [(_, pack)] = parts_of(seen, metrics, shards=1)
    return pack


def again(windows, lower=MIN_MICROS, rules=RULES):
    """The same shard after a loss of memory."""
    fresh = shard(rules=rules)
    fresh.load([_decode(_encode(log)) for log in windows.snapshot()], lower)
    return fresh


@settings(max_examples=60)
@given(st.lists(SEEN, max_size=40, unique_by=lambda one: one.event_id), st.data())
def test_any_order_split_and_loss_of_memory_tells_the_same_in_the_end(seen, data):
    order = data.draw(st.permutations(seen))
    size = data.draw(st.integers(1, 9))
    windows, tally, panes, lower = shard(), WindowTally(), [], MIN_MICROS
    for bundle in bundles_of(order, size, METRICS, shards=1):
        for _, pack in bundle:
            kept = windows.absorb(pack, lower, tally)
            panes += windows.late(kept, lower, tally)
        if data.draw(st.booleans()):
            lower = max(lower, BASE + data.draw(st.integers(-2, 15)) * MINUTE)
            panes += windows.close(lower, WindowLog([], []), tally)
        if data.draw(st.booleans()):
            windows = again(windows, lower)
    panes += windows.close(BASE + 60 * MINUTE, WindowLog([], []), tally)
    assert held(panes) == expected(seen)
    assert all(pane.part.events for pane in panes)
    places = [(pane.part.metric, pane.part.length, pane.part.start, pane.part.key, pane.index)
              for pane in panes]  # fmt: skip
    assert len(places) == len({*places})


@settings(max_examples=40)
@given(st.lists(SEEN, max_size=40, unique_by=lambda one: one.event_id), st.integers(1, 9))
def test_batch_tells_every_window_once_with_the_values_of_the_stream(seen, size):
    windows, tally = shard(), WindowTally()
    for bundle in bundles_of(seen, size, METRICS, shards=1):
        for _, pack in bundle:
            windows.absorb(pack, MIN_MICROS, tally)
    panes = list(windows.whole(tally))
    assert held(panes) == expected(seen)
    assert len(panes) == len(expected(seen)) == tally.panes_on_time
    assert {(pane.index, pane.timing) for pane in panes} <= {(0, "on_time")}


def test_each_pane_says_when_it_was_told_and_what_it_was_made_of():
    windows, tally = shard(), WindowTally()
    kept = windows.absorb(one_pack(ANA[:2], [EAGER]), MIN_MICROS, tally)
    slots = windows.changed(kept, MIN_MICROS)
    assert slots == {EAGER.slot}
    early = windows.speculate(slots, kept, tally)
    assert windows.speculate(slots, kept, tally) == []
    kept = windows.absorb(one_pack(ANA[2:3], [EAGER]), MIN_MICROS, tally)
    assert windows.late(kept, MIN_MICROS, tally) == []
    lower = BASE + MINUTE
    on_time = windows.close(lower, kept, tally)
    kept = windows.absorb(one_pack(ANA[3:], [EAGER]), lower, tally)
    late = windows.late(kept, lower, tally)
    minutes = [pane for pane in [*early, *on_time, *late] if pane.part.length == MINUTE]
    assert [(pane.index, pane.timing, pane.part.events) for pane in minutes] == [
        (0, "early", 2),
        (1, "on_time", 3),
        (2, "late", 6),
    ]
    assert windows.changed(kept, lower) == {EAGER.slot}
    assert (tally.panes_early, tally.panes_on_time, tally.panes_late) == (2, 1, 1)


def test_an_on_time_pane_comes_also_where_nothing_has_changed_since_the_early_one():
    windows, tally = shard(), WindowTally()
    kept = windows.absorb(one_pack(ANA, [EAGER]), MIN_MICROS, tally)
    windows.speculate({EAGER.slot}, kept, tally)
    panes = windows.close(BASE + 5 * MINUTE, kept, tally)
    assert [(pane.index, pane.timing) for pane in panes] == [(1, "on_time")] * 2


def test_a_window_is_first_told_as_late_where_its_end_was_known_to_have_passed():
    windows, tally = shard(), WindowTally()
    lower = BASE + 3 * MINUTE
    kept = windows.absorb(one_pack(ANA, [EAGER]), lower, tally)
    late = windows.late(kept, lower, tally)
    assert [(pane.part.length, pane.index, pane.timing) for pane in late] == [(MINUTE, 0, "late")]


@pytest.mark.parametrize(("on_time", "on_late"), [(False, True), (True, False), (False, False)])
def test_what_a_metric_does_not_want_to_be_told_is_counted_and_not_told(on_time, on_late):
    triggers = msgspec.structs.replace(PLAIN.triggers, on_time=on_time, on_late=on_late)
    quiet = msgspec.structs.replace(PLAIN, triggers=triggers, windows=(MINUTE,))
    windows, tally, lower = shard(rules=WindowRules.of([quiet])), WindowTally(), BASE + MINUTE
    windows.absorb(one_pack(ANA[:2], [quiet]), MIN_MICROS, tally)
    on_time_panes = windows.close(lower, WindowLog([], []), tally)
    kept = windows.absorb(one_pack(ANA[2:], [quiet]), lower, tally)
    late_panes = windows.late(kept, lower, tally)
    assert [pane.part.events for pane in on_time_panes] == [2] * on_time
    assert [pane.part.events for pane in late_panes] == [6] * on_late


def test_windows_outside_the_coverage_are_withheld_and_counted_once_also_after_a_restart():
    coverage = Coverage(BASE + 1, BASE + 240_000_000)
    windows, tally = shard(coverage), WindowTally()
    pack = one_pack([ANA[0], Seen("f", "click", BASE + 130_000_000)])
    kept = windows.absorb(pack, MIN_MICROS, tally)
    assert [(part.length, part.start - BASE) for part in kept.parts] == [
        (90_000_000, 90_000_000),
        (120_000_000, 120_000_000),
    ]
    assert tally.windows_withheld == 2
    same = again(windows)
    kept = same.absorb(one_pack(ANA[1:]), MIN_MICROS, tally)
    assert kept.parts == []
    assert tally.windows_withheld == 2
    panes = same.close(BASE + 300_000_000, kept, tally)
    assert sorted(pane.part.start - BASE for pane in panes) == [90_000_000, 120_000_000]


def test_a_window_is_forgotten_after_lateness_and_horizon_and_what_comes_then_is_counted():
    windows, tally = shard(), WindowTally()
    windows.absorb(one_pack(ANA[:3]), MIN_MICROS, tally)
    known = BASE + 120_000_000 + 10 * MINUTE + HORIZON
    windows.close(known - 1, WindowLog([], []), tally)
    assert windows.expire(BASE + 90_000_000 + 10 * MINUTE + HORIZON - 1) == 0
    assert windows.next_due() is not None
    after = known + HORIZON // 32
    windows.close(after, WindowLog([], []), tally)
    assert windows.expire(after) == 2
    assert (len(windows), windows.next_due()) == (0, None)
    kept = windows.absorb(one_pack(ANA[3:]), after, tally)
    assert (kept.parts, tally.windows_reopened, tally.rejects_too_late) == ([], 2, 0)


def test_rejects_that_come_for_a_forgotten_window_are_counted_by_themselves():
    [rejects] = [metric for metric in load_metrics(None, CONTRACTS) if metric.source == "rejects"]
    program = RejectProgram([rejects])
    for place in range(3):
        rejected = Rejected("Decode", "not_json", "", b"", {}, "", "", None, BASE + place)
        program.add(rejected, BASE + place)
    [(_, pack)] = packed_by_shard(program.take(), 1)
    windows, tally = shard(rules=WindowRules.of([rejects])), WindowTally()
    kept = windows.absorb(pack, BASE + 1_440 * MINUTE, tally)
    # Each is in a window of one minute and in one of five.
    assert (kept.parts, tally.windows_reopened, tally.rejects_too_late) == ([], 0, 6)


def test_what_was_forgotten_does_not_come_back_from_a_log_that_was_not_rewritten():
    windows, tally = shard(), WindowTally()
    kept = windows.absorb(one_pack(ANA), MIN_MICROS, tally)
    fresh = shard()
    assert fresh.load([kept], BASE + 1_440 * MINUTE) == 0
    assert (len(fresh), fresh.next_due()) == (0, None)


def test_a_metric_or_a_length_that_is_no_longer_declared_is_left_out_and_counted():
    windows, tally = shard(), WindowTally()
    kept = windows.absorb(one_pack(ANA), MIN_MICROS, tally)
    shorter = WindowRules.of([msgspec.structs.replace(PLAIN, windows=(90_000_000,))])
    assert shard(rules=shorter).load([kept], MIN_MICROS) == 1
    others = shard(rules=WindowRules.of([EAGER]))
    assert others.load([kept], MIN_MICROS) == 2
    others.absorb(PartPack(kept.parts), MIN_MICROS, tally)
    assert tally.parts_unknown == 2


def test_a_pane_does_not_change_when_its_window_does():
    windows, tally = shard(), WindowTally()
    windows.absorb(one_pack(ANA[:2], METRICS), MIN_MICROS, tally)
    [first, *_] = panes = windows.close(BASE + 5 * MINUTE, WindowLog([], []), tally)
    before = [_encode(pane) for pane in panes]
    windows.absorb(one_pack(ANA[2:], METRICS), BASE + 5 * MINUTE, tally)
    assert [_encode(pane) for pane in panes] == before
    assert first.part.events == 2
