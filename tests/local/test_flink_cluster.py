"""The cluster's processes start, are found, die one by one when asked, and never outlive the block.

Java is played by a small program that registers TaskManagers by files and answers as JobManager.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.errors import ServiceError
from local.flink_build import FlinkPrograms
from local.flink_cluster import FlinkCluster

pytestmark = pytest.mark.engine

# Begun by a shell: a path of Python with a space in it cannot stand behind #!.
JAVA = """#!/bin/sh
''':'
exec "{python}" -IS "$0" "$@"
'''
import http.server, json, os, pathlib, socket, subprocess, sys, time
arguments = sys.argv[1:]
if "-jar" in arguments:
    port = next(each for each in arguments if each.startswith("--job-port=")).partition("=")[2]
    listening = socket.create_server(("127.0.0.1", int(port)))
    time.sleep(600)
folder = pathlib.Path(arguments[arguments.index("--configDir") + 1])
told = dict(line.split(": ", 1) for line in (folder / "config.yaml").read_text().splitlines())
if "-D" in arguments:
    name = arguments[arguments.index("-D") + 1].partition("=")[2]
    if name in {broken!r}:
        sys.exit("no memory for " + name)
    worker = subprocess.Popen(["sleep", "600"])
    (folder.parent / "workers" / str(worker.pid)).touch()
    (folder / name).write_text(str(os.getpid()))
    time.sleep(600)

def alive(path):
    try:
        os.kill(int(path.read_text() or 0), 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True

class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = [{{"id": each.name}} for each in folder.glob("taskmanager-*") if alive(each)]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({{"taskmanagers": known}}).encode())
    def log_message(self, *_):
        pass

if {manager}:
    http.server.ThreadingHTTPServer(("127.0.0.1", int(told["rest.port"])), Answers).serve_forever()
sys.exit("the port is taken")
"""


@pytest.fixture
def machine(tmp_path):
    """Make a cluster of a folder with a space in its name."""

    def make(broken: tuple[str, ...] = (), manager: bool = True, **settings) -> FlinkCluster:
        java = tmp_path / "java"
        java.write_text(JAVA.format(python=sys.executable, broken=broken, manager=manager))
        java.chmod(0o755)
        programs = FlinkPrograms(java, tmp_path / "jars", tmp_path / "job-server.jar")
        return FlinkCluster(programs, folder=tmp_path / "a cluster", **settings)

    return make


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone(pids, seconds=5.0) -> bool:
    until = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(map(alive, pids))


def test_kills_hit_what_they_name_and_nothing_outlives_the_block(machine):
    with machine(environ={"X": "y z"}) as cluster:
        assert cluster.rest.task_managers() == {"taskmanager-0", "taskmanager-1"}
        assert cluster.alive() == [0, 1]
        first, second = (process.pid for process in cluster.task_managers)
        workers = {os.getpgid(pid): pid for pid in cluster.workers()}
        assert set(workers) == {first, second}

        cluster.kill_task_manager(0)
        assert gone([first])
        # Its worker lives on: that is what a Python worker does for a while.
        assert alive(workers[first])
        assert cluster.workers() == sorted(workers.values())
        cluster.start_task_manager()
        cluster.wait_for_task_managers()
        assert cluster.rest.task_managers() == {"taskmanager-1", "taskmanager-2"}

        cluster.kill_machine(1)
        assert gone([second, workers[second]])
        assert cluster.alive() == [2]
        left = [*cluster.workers(), cluster.task_managers[2].pid]
        script = (cluster.folder / "worker").read_text()
        assert "export X='y z'" in script
    assert gone(left)
    assert sorted(path.name for path in cluster.logs.iterdir())[0] == "job-server.log"
    assert not (cluster.folder / "checkpoints").exists()


def test_a_worker_whose_number_is_anothers_now_is_not_ours(machine, tmp_path):
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        with machine(size=1) as cluster:
            (cluster.folder / "workers" / str(stranger.pid)).touch()
            assert stranger.pid not in cluster.workers()
        assert alive(stranger.pid)
    finally:
        os.kill(stranger.pid, signal.SIGKILL)
        stranger.wait()


def test_a_cluster_that_does_not_come_up_says_so_in_one_line_with_its_log(machine):
    cluster = machine(broken=("taskmanager-1",))
    with pytest.raises(ServiceError) as raised, cluster:
        pass
    said = "Flink's taskmanager-1 has ended: no memory for taskmanager-1"
    assert str(raised.value) == f"{said} (log: {cluster.logs / 'taskmanager-1.log'})"
    assert not cluster.alive()


def test_waiting_has_an_end_that_names_the_logs(machine):
    with machine(size=1) as cluster:
        with pytest.raises(ServiceError) as raised:
            cluster.wait(lambda: False, "no job came", 1.0)
        assert str(raised.value) == f"no job came within 1 s (logs: {cluster.logs})"


def test_a_job_manager_that_ends_is_told_with_its_last_words(machine):
    cluster = machine(manager=False)
    with pytest.raises(
        ServiceError, match=r"Flink's JobManager has ended: the port is taken \(log"
    ):
        cluster.__enter__()
    assert not cluster.alive()


def test_a_job_is_told_where_to_run(machine):
    with machine(size=1, slots=3) as cluster:
        runner, endpoint, *others = cluster.engine
    assert runner == "--runner=PortableRunner"
    assert endpoint.startswith("--job_endpoint=127.0.0.1:")
    assert others == [
        "--environment_type=PROCESS",
        f'--environment_config={{"command": "{cluster.folder / "worker"}"}}',
        "--parallelism=3",
    ]
