"""A day with all faults, live and from the archive: every table is what plain SQL says it is.

The day is told within seconds, since publish times are the emulator's. What this cannot show: how
BigQuery itself compares insert ids, and rows that Dataflow writes.
"""

import json
import time
from contextlib import ExitStack

import pytest

from local.chance import Chance
from local.generate import generate
from local.plan import Faults, Plan
from local.publish import Outgoing, publish
from local.retime import Retiming, retimed
from schemas.contract import load_contracts
from tests.archive_builders import complete
from tests.emulators.live_archive import eventually
from tests.emulators.whole_loop import DAYS, LATENESS, LIVE, SECOND, WINDOWS, Loop, Place
from tests.pipelines import curate_runs, window_runs
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from tests.sql_oracle import METRICS, Oracle, write_raw

# Three jobs on two cores: beside a proof they would take each other's time.
pytestmark = [
    pytest.mark.emulator,
    pytest.mark.prism,
    pytest.mark.xdist_group("proof"),
    pytest.mark.usefixtures("forked_jobs"),
]

EVENTS, SECONDS = 250, 8
PATIENCE = 180
# What shares a pack may be a minute apart, and its oldest decides: beyond that all are late.
LATE_BY = (90 * SECOND, 150 * SECOND)
FAULTS = Faults(
    duplicate=0.06, late=0.08, conflict=0.025, broken=0.08, drift=0.06, gzip=0.05, synthetic=0.01
)
SILVER = (
    "table", "event_id", "event_type", "user_id", "session_id", "event_timestamp", "source_system",
    "event_details", "unknown_fields", "publish_time", "message_id",
)  # fmt: skip
OF_A_COPY = ("publish_time", "message_id")
DRIFT = ("event_id", "event_type", "event_timestamp", "drift", "publish_time", "message_id")


@pytest.fixture
def loop(bigquery_emulator, gcs_emulator, pubsub_emulator, prism_binary, tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    place = Place(bigquery_emulator, gcs_emulator, pubsub_emulator, prism_binary, tmp_path)
    with ExitStack() as stack:
        yield Loop(place, stack)


def the_day(begin):
    plan = Plan(events=EVENTS, seed=21, lines=False, clocked=True, faults=FAULTS)
    to = Retiming(begin, begin + SECONDS * SECOND, 0, LATE_BY)
    return retimed(list(generate(plan, load_contracts(None))), to, Chance(21))


def wait_for_readers(loop):
    """Publish what is no event until a job tells of it; return how often."""
    signs, until = 0, time.monotonic() + PATIENCE
    while not loop.rows("ops.panes_rejects"):
        assert time.monotonic() < until, "nobody reads"
        publish(loop.topic, [Outgoing(b"is anybody there?")])
        signs += 1
        time.sleep(0.5)
    return signs


def finished(jobs):
    eventually(lambda: all(job.ended() for job in jobs), PATIENCE)
    assert [job.status for job in jobs] == [0] * len(jobs), [job.last_words() for job in jobs]


def listed(rows, names):
    """Return some members of rows, as a sorted list of texts."""
    told = ({name: row[name] for name in names if name in row} for row in rows)
    return sorted(json.dumps(row, sort_keys=True) for row in told)


def outside(rows, names, without):
    return [row for row in rows if not set(listed([row], names)) & without]


def counted(rows):
    return [row for row in rows if row["event_count"]]


def members(rows):
    return sorted({name for row in rows for name in row})


def check_live(loop, oracle):
    """What live jobs tell is right, but for what `ops.late` names and for rivals for one id."""
    rivals = set(listed(oracle.rows("rival"), ["event_id"]))
    assert rivals
    found, wanted = loop.silver("_current"), oracle.rows("silver")
    assert listed(found, ["event_id"]) == listed(wanted, ["event_id"])
    names = [name for name in SILVER if name not in OF_A_COPY]
    found, wanted = (outside(rows, ["event_id"], rivals) for rows in (found, wanted))
    assert listed(found, names) == listed(wanted, names)
    late = loop.rows("ops.late")
    oracle.leave_out((row["event_id"], told) for row in late for told in row["late_for"])
    for metric in ("activity", "lesson_funnel", "purchases"):
        place = ("window", "window_start", *METRICS[metric])
        oracle.count_only("rival")
        unsure = set(listed(counted(oracle.rows(metric)), place))
        oracle.count_only("accepted")
        wanted = outside(counted(oracle.rows(metric)), place, unsure)
        found = outside(counted(loop.rows(f"gold.{metric}")), place, unsure)
        assert wanted
        assert listed(found, members(wanted)) == listed(wanted, members(wanted))
    oracle.leave_out([])
    check_late(late, oracle)


def check_late(late, oracle):
    """Late is what was published when the end of its window and the lateness had passed."""
    known = {row["event_id"]: row for row in oracle.rows("silver")}
    assert late
    for row in late:
        event = known[row["event_id"]]
        assert all(row[name] == event[name] for name in ("event_type", "event_timestamp"))
        assert json.loads(row["event"])["event_id"] == row["event_id"]
        assert len(row["late_for"]) == len({*row["late_for"]})
        for told in row["late_for"]:
            length = WINDOWS[told.partition("/")[2]]
            end = row["event_timestamp"] // length * length + length
            assert end + LATENESS <= row["publish_time"], told
    sure = {
        row["event_id"]
        for row in oracle.rows("outcome")
        if "reason" not in row and row["published"] - row["happened"] >= LATE_BY[0]
    }
    assert {row["event_id"] for row in late} >= sure


def check_replayed(loop, oracle):
    """After replay and recomputation all is what the oracle says, to the last column."""
    wanted = listed(oracle.rows("silver"), SILVER)
    assert listed(loop.silver("_current"), SILVER) == wanted
    # Live rows were inserted once, and the merge put the first copy in their place.
    assert listed(loop.silver(), SILVER) == wanted
    found, wanted = loop.rows("ops.drift"), oracle.rows("drift")
    for row in (*found, *wanted):
        row["drift"] = json.loads(row["drift"])
    assert wanted
    assert listed(found, DRIFT) == listed(wanted, DRIFT)
    for metric in METRICS:
        wanted = oracle.rows(metric)
        found = loop.rows(f"gold.{metric}")
        assert listed(found, members(wanted)) == listed(wanted, members(wanted))
    wanted = oracle.rows("recomputed")
    assert listed(loop.rows("ops.recomputed"), members(wanted)) == listed(wanted, members(wanted))


def check_refused(loop, oracle):
    """Each message that cannot be used is in the quarantine of each job, and counts add up."""
    wanted = {(row["message_id"], row["reason"]) for row in oracle.rows("refused")}
    rivals = {row["message_id"]: row["event_id"] for row in oracle.rows("rival")}

    def by_event(refused):
        return {(rivals.get(message, message), reason) for message, reason in refused}

    for job in LIVE:
        assert by_event(loop.refused("live", job)) == by_event(wanted)
    for job in ("curate_events", "recompute_windows"):
        assert loop.refused("replay", job) == wanted
    assert curate_runs.conserved({"outside_span": 0, **loop.counters("live", "curate_events")})
    assert curate_runs.conserved(loop.counters("replay", "curate_events"))
    assert window_runs.conserved(loop.counters("live", "window_metrics"))
    assert window_runs.conserved(loop.counters("replay", "recompute_windows"))


def seen(loop):
    """Everything that a reader sees, but for what is about messages and not about events."""
    names = [f"gold.{name}" for name in METRICS if name != "rejects"]
    shown = {name: sorted(map(str, loop.rows(name))) for name in names}
    drift = set(listed(loop.rows("ops.drift"), [name for name in DRIFT if name not in OF_A_COPY]))
    return {**shown, "drift": drift, "_current": sorted(map(str, loop.silver("_current")))}


def test_live_and_replay_are_what_plain_sql_says_and_the_same_day_again_changes_nothing(loop):
    jobs = loop.live("live", archive=True)
    signs = wait_for_readers(loop)
    day = the_day(time.time_ns() // 1_000)
    publish(loop.topic, day, len(day) / SECONDS)
    first = min(each.time for each in day if each.event)
    longest = max(WINDOWS.values())
    now = time.time_ns() // 1_000
    span = (first // longest * longest, -(-now // longest) * longest)
    raw = write_raw(loop.raw(len(day) + signs), loop.folder / "raw.ndjson")
    oracle = Oracle(raw, KEY, WINDOWS, span)
    finished(jobs)
    check_live(loop, oracle)
    complete(loop.folder / "archive", span[1] + 3 * DAYS)
    loop.replay("replay", span)
    check_replayed(loop, oracle)
    check_refused(loop, oracle)
    before = seen(loop)
    jobs = loop.live("again")
    publish(loop.topic, day)
    loop.replay("replay", span)
    finished(jobs)
    assert seen(loop) == before
