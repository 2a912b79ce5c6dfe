"""What a seed decides, what counts as lost, and what of it is kept."""

import copy
import json

import pytest
from google.pubsub_v1.types import AcknowledgeRequest
from hypothesis import given
from hypothesis import strategies as st

from local import flink_results
from local.chance import Chance
from local.demo_stream import HORIZON_SECONDS
from local.errors import ServiceError
from local.flink_batch import BatchRun
from local.flink_kills import KINDS, Kill, KillPlan
from local.flink_page import write_page
from local.flink_results import KillRecord, batch_document, summary
from local.flink_stream import EXACT, AckCount
from local.flink_verdict import miscounted, verdict
from pipelines.hot_path_arguments import HotPathOptions
from pipelines.options import parse_options

LENGTH = 3_600_000
KILL = Kill(7, "worker", 900, 5, 400, 2_000, 2_000, 1, 0, 0, 0, 80.0, "exact")


@given(st.integers(0, 10**6))
def test_a_seed_decides_everything_and_three_seeds_meet_every_kind(seed):
    plans = [KillPlan.of(seed + more) for more in range(3)]
    assert plans[0] == KillPlan.of(seed)
    assert {plan.kind for plan in plans} == set(KINDS)
    # Early enough that messages still come after it, late enough for checkpoints before it.
    assert all(0.25 <= plan.share <= 0.65 and 0 <= plan.jitter <= 2 for plan in plans)
    assert all(plan.chosen([4, 9]) in (4, 9) for plan in plans)


def truth(counts):
    tiles = {"visits": {str(n * LENGTH): {"n": count} for n, count in enumerate(counts)}}
    rows = {"00#user#u": [{"state": {}, "tiles": tiles}]}
    return {"tile_ms": {"user": {"visits": LENGTH}}, "rows": rows}


def cells(counts):
    return [
        ("00#user#u", "t", "visits", (n * LENGTH + count) * 1_000, b"")
        for n, count in enumerate(counts)
        if count
    ]


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1), st.integers())
def test_events_are_missed_or_too_many_as_the_tiles_say_whatever_order_cells_come_in(pairs, seed):
    wanted, found = [list(column) for column in zip(*pairs, strict=True)]
    # What was written before a restore stands below the greatest version.
    both = [*cells(found), *cells([count // 2 for count in found])]
    chance = Chance(seed)
    both.sort(key=lambda _cell: chance.random())
    lost = sum(max(0, w - f) for w, f in pairs)
    surplus = sum(max(0, f - w) for w, f in pairs)
    assert miscounted(truth(wanted), both) == (lost, surplus)


def test_an_event_that_counts_for_two_entities_is_lost_once():
    both = truth([5])
    both["tile_ms"]["course"] = both["tile_ms"]["user"]
    both["rows"]["00#course#c"] = both["rows"]["00#user#u"]
    assert miscounted(both, []) == (5, 0)


def test_a_row_that_may_be_either_of_two_is_not_counted():
    disputed = truth([5])
    row = disputed["rows"]["00#user#u"]
    row.append(copy.deepcopy(row[0]))
    assert miscounted(disputed, []) == (0, 0)


def test_acknowledgements_are_counted_by_subscription_and_passed_on_as_they_are():
    acks = AckCount("127.0.0.1:1")
    for name, ids in (("a", ["1", "2"]), ("b", ["3"]), ("a", ["4"])):
        request = AcknowledgeRequest.serialize(AcknowledgeRequest(subscription=name, ack_ids=ids))
        assert acks.passed("/google.pubsub.v1.Subscriber/Acknowledge", request) == request
    assert acks.passed("/google.pubsub.v1.Subscriber/Pull", b"whatever") == b"whatever"
    assert (acks.of("a"), acks.of("b"), acks.of("c")) == (3, 1, 0)


def test_the_settings_of_flink_pass_the_jobs_command_line():
    argv = ["--runner=PortableRunner", "--job_endpoint=127.0.0.1:1", "--parallelism=2", *EXACT]
    environment = '--environment_config={"command": "a worker"}'
    options = parse_options(
        [*argv, "--environment_type=PROCESS", environment, f"--horizon={HORIZON_SECONDS}s"],
        HotPathOptions,
        "",
    )
    assert options.view_as(HotPathOptions).horizon == "21600s"
    # The job server tells its options when the job is handed over; Beam reads them then.
    assert set(EXACT) <= set(options._flags)


@given(st.integers(0, 3), st.integers(-3, 3), st.integers(0, 3))
def test_a_kill_is_exact_where_nothing_is_wrong_all_is_acknowledged_and_flink_restored(
    wrong, missing, restored
):
    good = not wrong and missing <= 0 and restored > 0
    assert (verdict(wrong, missing, restored) == "exact") is good


def test_kills_are_kept_by_seed_and_those_of_other_versions_are_not(tmp_path, monkeypatch):
    path = tmp_path / "results" / "kills.json"
    for kill in (KILL, KILL._replace(seed=3), KILL._replace(lost=2, verdict="fell short")):
        KillRecord(path, EXACT).add(kill)
    kept = json.loads(path.read_text())
    assert [(kill["seed"], kill["verdict"]) for kill in kept["kills"]] == [
        (3, "exact"),
        (7, "fell short"),
    ]
    assert kept["settings"] == list(EXACT)
    assert KillRecord(path, EXACT[:1]).kills == []
    monkeypatch.setattr(flink_results, "FLINK_VERSION", "2.0")
    assert KillRecord(path, EXACT).kills == []


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_file_that_is_no_record_is_not_written_over(tmp_path, text):
    path = tmp_path / "kills.json"
    path.write_text(text)
    with pytest.raises(ServiceError, match=r"kills\.json: no record of kills; move it away"):
        KillRecord(path, EXACT)


def test_the_summary_says_what_was_run_and_whether_it_holds():
    runs = [BatchRun("dedupe", engine, 1.0, 5, [], ["late"]) for engine in ("Prism", "Flink")]
    line, holds = summary(runs, [KILL._asdict()])
    assert line == (
        "engines: 1 jobs on Prism, Flink: the same; 1 of 1 kills exact, 0 events lost, "
        "0 counted twice"
    )
    assert holds
    line, holds = summary([runs[0]._replace(differences=["1 of 2 lines differ"])], [])
    assert line == "engines: 1 jobs on Prism: 1 runs differ"
    assert not holds
    assert not summary([], [KILL._replace(verdict="exact, not all acknowledged")._asdict()])[1]
    assert batch_document(runs, 10, 1)["runs"][1]["counters"] == ["late"]


def test_the_page_tells_each_job_and_engine_and_each_kind_of_kill_and_what_fell_short(tmp_path):
    run = BatchRun("hot path", "Flink", 61.4, 1_453, [], ["late"])
    document = batch_document([run, run._replace(differences=["2 of 9 lines differ"])], 2_000, 1)
    (tmp_path / "batch.json").write_text(json.dumps(document))
    record = KillRecord(tmp_path / "kills-exact.json", EXACT)
    short = KILL._replace(seed=8, lost=3, duplicate=1, wrong_rows=2, verdict="fell short")
    for kill in (KILL, short, KILL._replace(seed=9, kind="machine")):
        record.add(kill)
    write_page(tmp_path)
    told = (tmp_path / "recorded.md").read_text()
    assert "| hot path | Flink | 1,453 | 61 s | the same | `late` |" in told
    assert "| hot path | Flink | 1,453 | 61 s | 2 of 9 lines differ | `late` |" in told
    assert "2 of 3 kills exact" in told
    assert "| TaskManager | 0 | 0 | 0 | 0 | 0 | 0 |" in told
    assert "| Python worker | 2 | 1 | 4,000 | 3 | 1 | 2 |" in told
    assert "- seed 8, Python worker: fell short" in told
    assert "checkpoints and restarts alone" not in told
