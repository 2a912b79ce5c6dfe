"""The demo: it is right after a kill, it would not be without the warm start, and it can fail."""

import dataclasses
import socket
import sys
import tempfile
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local import demo, demo_stage, demo_stream
from local.demo import Demo, run_demo
from local.demo_checks import Check, unbalanced_rows
from local.demo_jobs import check, kill
from local.demo_live import wait
from local.demo_metrics import HORIZON_SECONDS, demo_metrics, write_metrics
from local.demo_outcome import Outcome
from local.demo_proxies import WatchedPubsub
from local.demo_report import Archived, Findings, unbalanced
from local.demo_rows import RowFiles
from local.demo_stream import LATEST_SECONDS, DemoStream, stretched
from local.demo_user import UserRow
from local.errors import MissingServiceError, ServiceError
from local.generate import Message
from local.lossy_proxy import LossyProxy
from local.processes import ServiceProcess, free_port
from local.publish import Outgoing, publish

COUNTS = {"read": 8, "accepted": 5, "late": 1, "rejected": {"not_json": 1}}
COUNTERS = {
    **{"read": 11, "accepted": 5, "duplicate": 2, "conflict": 1, "late": 1},
    **{"rejected": {"not_json": 2}, "tiles_withheld": 0, "warm_read": 4},
    **{"mutations": 7, "written": 6, "refused": 1},
}
FINDINGS = Findings({"counts": COUNTS}, COUNTERS, 0, None, Archived(8, 2))
LISTENING_CHILD = """
import signal, socket, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) == 3:
    subprocess.run([sys.executable, "-c", open(sys.argv[1]).read(), sys.argv[2]])
else:
    server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    while True:
        server.accept()
"""


ROWS = {
    **{"read": 9, "accepted": 6, "duplicate": 1, "conflict": 0, "late": 1},
    **{"rejected": {"not_json": 1}, "rows": 7, "rows_written": 7, "rows_refused": 0},
}


def message(event_id, published, time, label="event", *, rival=False):
    return Message(b"", {}, published, label, {"event_id": event_id}, time, rival=rival)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 130_000_000)), max_size=12))
def test_copies_of_an_event_that_is_moved_keep_its_time_and_rivals_and_late_ones_theirs(drawn):
    second = 1_000_000
    messages = [
        message(str(name), 1_000 * second + name + lag, 1_000 * second + name)
        for name, lag in drawn
    ]
    moved = list(stretched(messages))
    assert [each._replace(time=0) for each in moved] == [each._replace(time=0) for each in messages]
    for name in {name for name, _ in drawn}:
        assert len({each.time for each in moved if each.event["event_id"] == str(name)}) == 1
    assert all(each.time <= each.publish_time for each in moved)
    others = [each._replace(rival=True) for each in messages]
    others += [each._replace(label="late") for each in messages]
    assert list(stretched(others)) == others


@pytest.fixture
def published(monkeypatch):
    """Collect what is published, a list for each request."""
    requests = []
    monkeypatch.setattr(demo_stream, "publish", lambda _topic, due: requests.append(list(due)))
    return requests


@pytest.mark.engine
def test_both_contents_of_an_id_in_conflict_are_published_after_the_kill_and_nothing_is_left_out(
    published,
):
    stream = DemoStream(3_000, 7, 0.5, lambda _line: None)

    def tick():
        if len(published) > 1 and stream.published + stream.held == stream.events:
            stream.released = True

    stream.publish("topic", tick)
    sent = [each for request in published for each in request]
    assert len(sent) == stream.published == 3_000
    assert sorted(sent, key=id) == sorted(stream.messages, key=id)
    rivals = [n for n, each in enumerate(sent) if each.rival]
    assert rivals == list(range(3_000 - len(rivals), 3_000))
    ids = [sent[n].event["event_id"] for n in rivals]
    assert len(ids) > len(set(ids)) > 0
    order = {name: [each.label for each in sent if each.rival and each.event["event_id"] == name]
             for name in ids}  # fmt: skip
    assert set(map(tuple, order.values())) == {("event", "conflict"), ("event",)}


@pytest.mark.engine
def test_no_event_is_published_so_late_that_a_recomputation_would_miss_it(published):
    stream = DemoStream(900, 3, 0.5, lambda _line: None, released=True)
    stream.publish("topic", lambda: None)
    first, last = stream.span
    events = [each for each in stream.messages if each.event]
    assert first == min(each.time for each in events)
    assert last == max(each.time for each in events) + 1
    lags = [each.publish_time - each.time for each in events if each.label != "duplicate"]
    assert min(lags) >= -2_000
    assert max(lags) < LATEST_SECONDS * 1_000_000
    late = [each for each in events if each.label == "late"]
    assert late
    assert min(each.publish_time - each.time for each in late) > 11_000_000
    assert all(each.time // 1_000 in stream.sent for each in events)
    assert stream.truth()["counts"]["late"] == 0


def test_the_metrics_of_the_demo_are_the_shipped_ones_in_seconds(tmp_path):
    write_metrics(tmp_path / "metrics")
    metrics = demo_metrics(tmp_path / "metrics")
    assert {"activity", "purchases", "rejects"} <= {each.name for each in metrics}
    assert {each.windows for each in metrics} == {(1_000_000, 5_000_000)}
    assert {each.least_horizon for each in metrics} == {HORIZON_SECONDS * 1_000_000}


def test_files_that_nobody_wrote_are_no_rows(tmp_path):
    files = RowFiles(tmp_path)
    assert files.rows("ops.late") == files.curated("click") == []
    (tmp_path / "ops.late").mkdir()
    (tmp_path / "ops.late" / "a.ndjson").write_text('{"event_id":"a"}\n{"event_id":"b"}\n')
    assert files.rows("ops.late") == [{"event_id": "a"}, {"event_id": "b"}]


def test_waiting_tells_that_it_lives_and_ends_where_a_job_has_failed(monkeypatch):
    monkeypatch.setattr("local.demo_live._SIGN_OF_LIFE_SECONDS", 0)
    said: list[str] = []
    looks = iter([False, False, False, True])
    wait("for it", lambda: next(looks), lambda: None, said.append, lambda: ": 7")
    assert said[0] == "waiting for it"
    assert said[1:] == ["  still at work: 7"] * 2

    def failed():
        raise ServiceError("the job failed")

    with pytest.raises(ServiceError, match="the job failed"):
        wait("for it", lambda: False, failed, said.append)


def test_counters_of_rows_that_add_up_are_no_problem():
    assert list(unbalanced_rows("curated", ROWS)) == []


@pytest.mark.parametrize(
    ("counters", "problem"),
    [
        ({"duplicate": 2}, "curated: read is not the sum of its parts"),
        ({"rows_written": 6}, "curated: rows are not written + refused"),
        ({"rows": 8, "rows_refused": 1}, "curated: 1 rows were refused"),
    ],
)
def test_rows_that_do_not_add_up_are_named(counters, problem):
    assert list(unbalanced_rows("curated", {**ROWS, **counters})) == [problem]


def test_counters_that_add_up_are_no_problem():
    assert unbalanced(FINDINGS) == []


@pytest.mark.parametrize(
    ("counters", "problem"),
    [
        ({"duplicate": 3}, "read is not the sum of its parts"),
        ({"written": 5}, "mutations are not written + refused"),
        ({"accepted": 6, "read": 12}, "accepted differs from the truth"),
        ({"late": 0, "read": 10}, "late differs from the truth"),
        ({"rejected": {"not_utf8": 2}}, "fewer rejected than broken"),
        ({"tiles_withheld": 1}, "tiles were withheld"),
    ],
)
def test_what_does_not_add_up_is_named(counters, problem):
    found = dataclasses.replace(FINDINGS, counters={**COUNTERS, **counters})
    assert unbalanced(found) == [problem]


def test_an_archive_that_has_lost_messages_is_named():
    found = dataclasses.replace(FINDINGS, archived=Archived(7, 2))
    assert unbalanced(found) == ["the archive holds fewer messages than were published"]


def answers(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def eventually(holds):
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until, "did not come true in time"
        time.sleep(0.05)


def test_a_kill_takes_what_a_job_has_started_with_it_though_it_would_not_end_when_asked(tmp_path):
    port, script = free_port(), tmp_path / "job.py"
    script.write_text(LISTENING_CHILD)
    job = ServiceProcess(
        [sys.executable, str(script), str(script), str(port)], tmp_path / "log", {}
    )
    eventually(lambda: answers(port))
    kill(job)
    eventually(lambda: not answers(port))
    with pytest.raises(ServiceError, match="the job failed"):
        check(job)


def test_a_job_that_has_failed_is_told_by_what_it_said_of_itself_and_not_of_its_engine(tmp_path):
    lines = "ValueError: no table\\nWARNING:apache_beam.utils.subprocess_server:destroying\\n"
    job = ServiceProcess([sys.executable, "-c", f"print('{lines}')"], tmp_path / "log", {})
    eventually(job.ended)
    with pytest.raises(ServiceError, match="the job failed: ValueError: no table") as failure:
        check(job)
    assert str(tmp_path / "log") in str(failure.value)


def test_acknowledgements_that_were_lost_are_not_counted_as_passed_on(pubsub_emulator):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic)
    publish(topic, [Outgoing(b"%d" % number) for number in range(7)])
    with LossyProxy(pubsub_emulator.address, lose_every=3, at_most=9) as proxy:
        client = dataclasses.replace(pubsub_emulator, address=proxy.address).subscriber
        ids: set[str] = set()
        while len(ids) < 7:
            answer = client.pull(subscription=subscription, max_messages=7)
            ids |= {each.ack_id for each in answer.received_messages}
        client.acknowledge(subscription=subscription, ack_ids=sorted(ids))
        assert (proxy.lost, proxy.acknowledged) == (2, 5)
        client.transport.close()


def test_who_asks_for_messages_is_noted_and_only_one_subscription_loses_any(pubsub_emulator):
    topic = pubsub_emulator.topic()
    losing, other = (pubsub_emulator.subscription(topic) for _ in range(2))
    publish(topic, [Outgoing(b"%d" % number) for number in range(6)])
    with WatchedPubsub(pubsub_emulator.address, 2, 9, losing) as proxy:
        client = dataclasses.replace(pubsub_emulator, address=proxy.address).subscriber
        for subscription in (other, losing):
            assert subscription not in proxy.asked
            ids: set[str] = set()
            while len(ids) < 6:
                answer = client.pull(subscription=subscription, max_messages=6)
                ids |= {each.ack_id for each in answer.received_messages}
            client.acknowledge(subscription=subscription, ack_ids=sorted(ids))
        assert set(proxy.asked) == {losing, other}
        assert (proxy.lost, proxy.acknowledged) == (3, 3)
        client.transport.close()


@pytest.fixture
def run(bigtable_emulator, pubsub_emulator, gcs_emulator, tmp_path, monkeypatch):
    """Give a function that runs a small demo, and returns its outcome and what it said."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def run(events, **settings):
        said: list[str] = []
        outcome = Demo(events, 5, said.append, **settings).run()
        return outcome, " ".join(said)

    return run


def test_all_jobs_at_once_and_one_of_them_killed_everything_is_right_and_in_the_report(
    run, prism_binary, monkeypatch, tmp_path
):
    outcome, said = run(900, publish_seconds=8)
    assert outcome.differences == []
    assert len(outcome.checks) == 7
    found, beside = outcome.found, outcome.beside
    assert found.killed is not None
    assert beside is not None
    assert 0 < found.killed.published <= 900
    assert found.killed.acknowledged > 0
    assert 0 < found.killed.rows < len(found.truth["rows"])
    assert found.counters["warm_read"] >= found.killed.published
    assert found.lost > 0
    assert "KILLED" in said
    assert any("as a reader sees it" in line for line in outcome.report)
    accepted = found.truth["counts"]["accepted"]
    assert sum(map(len, beside.curated.values())) == accepted
    assert sum(each.after for each in beside.seconds) == accepted
    told = sum(each.on_time + each.late for each in beside.seconds)
    assert told == sum(each.before for each in beside.seconds)
    too_late = sum(each.too_late for each in beside.seconds)
    assert told + too_late == accepted
    assert too_late > 0
    assert beside.audited
    assert outcome.cells
    monkeypatch.setattr(demo.Demo, "run", lambda _self: outcome)
    lines: list[str] = []
    assert run_demo(900, 5, tmp_path / "report.html", lines.append)
    page = (tmp_path / "report.html").read_text()
    assert "all 7 checks hold" in page
    assert f"= {accepted:,} accepted" in page.replace("<span>", "")
    assert str(tmp_path / "report.html") in lines[-2]
    assert lines[-1].startswith("all checks hold, in ")


def test_without_the_warm_start_the_demo_is_wrong_and_says_so(run, prism_binary):
    outcome, _ = run(600, publish_seconds=3, cold=True, beside=False)
    assert not outcome.right
    assert any("is missing" in line for line in outcome.differences)
    assert "tiles were withheld" in outcome.differences
    assert "accepted differs from the truth" in outcome.differences


def test_without_prism_nothing_is_killed_and_it_says_so(run, forked_jobs, monkeypatch, tmp_path):
    def missing():
        raise ServiceError("no Go")

    monkeypatch.setattr(demo, "prism_binary", missing)
    outcome, said = run(300, publish_seconds=3)
    assert outcome.right
    assert outcome.found.killed is None
    assert "without Prism: no Go" in said
    assert "no job is killed" in said
    monkeypatch.setattr(demo.Demo, "run", lambda _self: outcome)
    assert run_demo(300, 5, tmp_path / "report.html", lambda _line: None)
    assert "There was no Prism in this run" in (tmp_path / "report.html").read_text()


def test_what_does_not_hold_is_told_and_the_demo_is_wrong(monkeypatch, tmp_path):
    problems = [f"row {number}" for number in range(7)]
    checked = [Check("Rows are right", "8 rows", problems), Check("Others", "x", [])]
    user = UserRow("k", 0, {})
    stream = DemoStream(200, 1, 1, lambda _line: None)
    outcome = Outcome(FINDINGS, None, checked, user, stream, {})
    monkeypatch.setattr("local.report_page.chart_script", lambda: "")
    monkeypatch.setattr(demo.Demo, "run", lambda _self: outcome)
    lines: list[str] = []
    assert not run_demo(200, 1, tmp_path / "report.html", lines.append)
    assert "WRONG  Rows are right: 8 rows" in lines
    assert "       row 4" in lines
    assert "       and 2 more" in lines
    assert "ok     Others: x" in lines
    assert lines[-1] == "1 checks failed"
    assert "1 of 2 checks failed" in (tmp_path / "report.html").read_text()


def test_without_bigquery_rows_go_to_files_and_it_says_so(monkeypatch):
    def missing(_name):
        raise MissingServiceError("it needs Python >= 3.11")

    monkeypatch.setattr(demo_stage, "python_environment", missing)
    said: list[str] = []
    assert "bigquery" not in demo_stage._obtainable(said.append)
    assert "without BigQuery: it needs Python >= 3.11" in said
    assert any("files in its place" in line for line in said)
