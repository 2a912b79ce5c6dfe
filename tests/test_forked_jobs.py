"""A forked job is a process like any other: it has its own log, status, variables and end."""

import json
import os
import signal
import sys
import time

import pytest

from local.processes import ServiceProcess
from tests.forked_jobs import forking

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no test forks a job"),
]

LINE = {"event_id": "e", "event_type": "click", "event_details": {}}


@pytest.fixture
def start(tmp_path, fork_server):
    """Give a function that starts a job by a fork; nothing runs afterwards."""
    started = []

    def start(module, *arguments, **environ):
        log = tmp_path / f"{len(started)}.log"
        command = [sys.executable, "-m", module, *arguments]
        started.append(ServiceProcess(command, log, {**os.environ, **environ}))
        return started[-1]

    with forking(fork_server):
        yield start
        for each in started:
            each.stop()


def eventually(holds):
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until, "did not come true in time"
        time.sleep(0.02)


def ended(job):
    eventually(job.ended)
    return job.status


def runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_forked_jobs_are_told_apart_and_end_as_processes_do(start, tmp_path):
    lines = tmp_path / "events.ndjson"
    lines.write_text(json.dumps(LINE) + "\n")
    into = [f"--archive_output={tmp_path / 'archive'}", "--source=files"]
    good = start("pipelines.archive_raw", f"--input_files={lines}", *into)
    usage = start("pipelines.hot_path", "--nothing_like_it=1")
    helped = start("pipelines.archive_raw", "--help", COLUMNS="60")
    assert (ended(good), ended(usage), ended(helped)) == (0, 2, 0)
    assert list((tmp_path / "archive").rglob("*.avro"))
    assert "--nothing_like_it" in usage.last_words()
    said = helped.log.read_text()
    assert said.startswith("usage: python -m pipelines.archive_raw ")
    assert max(map(len, said.partition("options:")[2].splitlines())) <= 60
    # Other commands are plain processes.
    plain = ServiceProcess([sys.executable, "-c", "print('plain')"], tmp_path / "log", {})
    assert ended(plain) == 0
    assert plain.last_words() == "plain"


def test_a_forked_job_is_stopped_and_killed_with_its_group(start, tmp_path):
    waits = ["--input_subscription=projects/p/subscriptions/s", f"--archive_output={tmp_path}"]
    waits += ["--source=s", "--runner=BundleBasedDirectRunner"]
    jobs = [start("pipelines.archive_raw", *waits, PUBSUB_EMULATOR_HOST="127.0.0.1:1")
            for _ in range(2)]  # fmt: skip
    assert not any(job.ended() for job in jobs)
    assert {os.getsid(job.pid) for job in jobs} == {job.pid for job in jobs}
    os.killpg(jobs[0].pid, signal.SIGKILL)
    assert ended(jobs[0]) == -signal.SIGKILL
    jobs[0].stop()
    jobs[1].stop()
    assert jobs[1].status == 143
    eventually(lambda: not any(runs(job.pid) for job in jobs))
