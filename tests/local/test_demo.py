"""The demo: it is right after a kill, it would not be without the warm start, and it can fail."""

import dataclasses
import socket
import sys
import tempfile
import time

import pytest

from local import demo
from local.demo import Demo
from local.demo_jobs import check, kill
from local.demo_report import Archived, Findings, unbalanced
from local.demo_stream import parts
from local.errors import ServiceError
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


def message(number, *, rival=False):
    return Message(b"%d" % number, {}, number, "event", {}, number, rival=rival)


def test_both_contents_of_an_id_in_conflict_are_published_after_the_kill_and_nothing_is_left_out():
    messages = [message(number, rival=number in (1, 4, 6)) for number in range(9)]
    before, after = parts(messages)
    assert [each.time for each in before] == [0, 2, 3]
    assert [each.time for each in after] == [1, 4, 5, 6, 7, 8]


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


@pytest.fixture
def run(bigtable_emulator, pubsub_emulator, gcs_emulator, tmp_path, monkeypatch):
    """Give a function that runs a small demo, and returns its outcome and what it said."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def run(events, **settings):
        said: list[str] = []
        outcome = Demo(events, 5, said.append, lead_seconds=0, **settings).run()
        return outcome, " ".join(said)

    return run


def test_killed_in_the_middle_and_started_warm_every_row_is_right(run, prism_binary):
    outcome, said = run(1_500, publish_seconds=6)
    assert outcome.differences == []
    found = outcome.found
    assert found.killed is not None
    assert 0 < found.killed.published < 800
    assert found.killed.acknowledged > 0
    assert 0 < found.killed.rows < len(found.truth["rows"])
    assert found.counters["warm_read"] >= found.killed.published
    assert found.lost > 0
    assert "KILLED" in said
    assert any("as a reader sees it" in line for line in outcome.report)


def test_without_the_warm_start_the_demo_is_wrong_and_says_so(run, prism_binary):
    outcome, _ = run(600, publish_seconds=3, idle_seconds=4, cold=True)
    assert not outcome.right
    assert any("is missing" in line for line in outcome.differences)
    assert "tiles were withheld" in outcome.differences
    assert "accepted differs from the truth" in outcome.differences


def test_without_prism_nothing_is_killed_and_it_says_so(run, monkeypatch):
    def missing():
        raise ServiceError("no Go")

    monkeypatch.setattr(demo, "prism_binary", missing)
    outcome, said = run(300, publish_seconds=3)
    assert outcome.right
    assert outcome.found.killed is None
    assert "without Prism: no Go" in said
    assert "no job is killed" in said
