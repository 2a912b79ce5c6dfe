"""A service ends with whoever started it, however that one ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.processes import ServiceProcess, free_port

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]
STUBBORN = "trap '' TERM INT HUP; echo $$; while :; do sleep 0.1; done"
STARTER = """
import os, sys, time
from pathlib import Path
from local.processes import ServiceProcess
process = ServiceProcess(["sh", "-c", sys.argv[2]], Path(sys.argv[1]), os.environ)
print(process.pid, flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    if not Path("/proc/self/stat").exists():
        return True
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def within(seconds: float, condition) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def pid_in(log: Path) -> int:
    assert within(10, lambda: log.exists() and log.read_text().strip())
    return int(log.read_text().split()[0])


@pytest.fixture
def log(tmp_path):
    return tmp_path / "a log.log"


@pytest.fixture
def start(log):
    started = []

    def make(script: str) -> ServiceProcess:
        started.append(ServiceProcess(["sh", "-c", script], log, os.environ))
        return started[-1]

    yield make
    for process in started:
        process.stop()


def test_what_was_started_runs_until_it_is_stopped(start, log):
    process = start("echo $$; exec sleep 60")
    pid = pid_in(log)
    assert alive(pid)
    assert not process.ended()
    process.stop()
    assert process.ended()
    assert not alive(pid)


def test_stopping_twice_or_after_the_end_is_fine(start):
    process = start("exit 3")
    assert within(10, process.ended)
    process.stop()
    process.stop()


def test_a_command_that_ignores_signals_is_killed(start, log):
    process = start(STUBBORN)
    pid = pid_in(log)
    process.stop()
    assert not alive(pid)


@pytest.mark.parametrize("end", ["wait", "exit 0"])
def test_what_the_command_itself_started_ends_with_it(start, log, end):
    process = start(f"sleep 60 & echo $!; {end}")
    pid = pid_in(log)
    process.stop()
    assert within(5, lambda: not alive(pid))


def test_the_last_words_are_the_last_line_that_says_something(start, log):
    process = start("echo starting; echo 'port in use' >&2; echo; exit 1")
    assert within(10, process.ended)
    assert process.last_words() == "port in use"
    assert "starting" in log.read_text()


def test_a_program_that_does_not_exist_ends_with_a_plain_word(log):
    process = ServiceProcess(["/no/such program"], log, os.environ)
    assert within(10, process.ended)
    assert process.last_words() == "/no/such program: No such file or directory"


def test_a_killed_guardian_takes_its_command_along(start, log):
    if sys.platform != "linux":
        pytest.skip("the kernel of this system has no signal for a dead parent")
    process = start("echo $$; exec sleep 60")
    pid = pid_in(log)
    os.kill(process.pid, signal.SIGKILL)
    assert within(5, lambda: not alive(pid))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_parent_that_is_killed_leaves_nothing_behind(log, number):
    command = [sys.executable, "-c", STARTER, str(log), "echo $$; exec sleep 60"]
    parent = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    guardian, service = int(parent.stdout.readline()), pid_in(log)
    assert alive(guardian)
    assert alive(service)
    parent.send_signal(number)
    parent.wait(10)
    parent.stdout.close()
    assert within(10, lambda: not alive(service) and not alive(guardian))


def test_free_ports_are_free():
    ports = {free_port() for _ in range(20)}
    assert all(1024 < port < 65536 for port in ports)
