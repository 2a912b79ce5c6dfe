import msgspec
import pytest

from chaos.kinds import Kind
from chaos.loop_plan import CURATE, HOT_PATH, STREAM, Fault, LoopPlan
from chaos.loop_reduce import reduced
from chaos.loop_stream import BACKLOG, HORIZON, steps_of
from chaos.verdict import Verdict, Violation

_NOW = 1_790_000_000_000_000
_HOUR = 3_600_000_000


def _plan(*kinds: Kind) -> LoopPlan:
    return LoopPlan(7, 400, CURATE, False, tuple(Fault(kind, step=2) for kind in kinds))


def _events(plan: LoopPlan) -> list:
    return [message for step in steps_of(plan, _NOW) for message in step.messages]


def test_fifty_seeds_have_every_kind_of_fault_and_each_of_them_two_to_four():
    plans = [LoopPlan.of(seed) for seed in range(50)]
    assert {kind for plan in plans for kind in plan.kinds} == {kind.value for kind in Kind}
    assert {len(plan.faults) for plan in plans} == {2, 3, 4}
    assert len({plan.events for plan in plans}) > 40


def test_a_seed_decides_messages_and_schedule_whenever_it_runs():
    plan = LoopPlan.of(19)
    assert plan == LoopPlan.of(19)
    one, other = steps_of(plan, _NOW), steps_of(plan, _NOW + _HOUR)
    labels = [[[message.label for message in step.messages] for step in of] for of in (one, other)]
    assert labels[0] == labels[1]
    assert steps_of(plan, _NOW) == one


@pytest.mark.parametrize(("kind", "share"), [(Kind.POISON_ALL, 1.0), (Kind.POISON_HALF, 0.5)])
def test_a_flood_of_poison_breaks_all_messages_of_its_step_or_every_other_one(kind, share):
    clean, flooded = (steps_of(_plan(*kinds), _NOW) for kinds in ((), (kind,)))
    broken = [message.label.startswith("rejected") for message in flooded[2].messages]
    assert sum(broken) >= share * len(broken) > 0
    assert flooded[2].messages != clean[2].messages
    assert flooded[3:] == clean[3:]


def test_half_of_all_events_have_the_hot_key():
    hot = [message.event.get("user_id") == "u-hot" for message in _events(_plan(Kind.HOT_KEY))]
    assert 0.35 < sum(hot) / len(hot) < 0.6
    same = {
        message.event["event_id"]: message.event["user_id"]
        for message in _events(_plan(Kind.HOT_KEY))
        if message.label == "event" and not message.rival
    }
    copies = [m for m in _events(_plan(Kind.HOT_KEY)) if m.label == "duplicate"]
    assert copies
    assert all(
        same.get(m.event["event_id"], m.event["user_id"]) == m.event["user_id"] for m in copies
    )


def test_clocks_that_are_wrong_are_wrong_in_the_payload_too():
    plain, skewed = _events(_plan()), _events(_plan(Kind.CLOCK_SKEW))
    moved = [(a, b) for a, b in zip(plain, skewed, strict=True) if a.time != b.time]
    assert len({b.time - a.time for a, b in moved}) > 1
    texts = [
        msgspec.json.decode(b.payload)["event_timestamp"] for _, b in moved if not b.attributes
    ]
    assert texts == [b.event["event_timestamp"] for _, b in moved if not b.attributes]


def test_a_backlog_was_published_over_days_and_comes_first():
    first, *others = steps_of(_plan(Kind.BACKLOG_OF_DAYS), _NOW)
    times = [message.publish_time for message in first.messages]
    assert first.backlog
    assert not any(step.backlog for step in others)
    assert max(times) - min(times) > BACKLOG // 2
    assert min(times) >= _NOW - BACKLOG - HORIZON


def test_a_failure_is_reduced_to_the_faults_that_it_needs():
    plan = _plan(Kind.HOT_KEY, Kind.BURST_429, Kind.FULL_DISK, Kind.REDELIVERY)
    runs = []

    def run_again(simpler: LoopPlan) -> Verdict:
        runs.append(simpler)
        needed = simpler.has(Kind.FULL_DISK) and simpler.has(Kind.HOT_KEY)
        violations = (Violation("conservation", ""),) if needed else (Violation("other", ""),)
        return Verdict(7, "loop", {}, violations)

    least = reduced(plan, "conservation", run_again)
    assert [fault.kind for fault in least.faults] == [Kind.HOT_KEY, Kind.FULL_DISK]
    assert len(runs) == 4


def test_faults_of_the_stream_befall_no_job():
    faults = [fault for seed in range(50) for fault in LoopPlan.of(seed).faults]
    assert {fault.job for fault in faults if fault.kind in STREAM} == {""}
    kills = {f.job for f in faults if f.kind is Kind.KILL_BETWEEN_WRITE_AND_COMMIT}
    assert HOT_PATH in kills
    assert len(kills) > 2
