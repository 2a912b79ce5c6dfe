"""Jobs that are forked are told apart, end as processes do, and never outlive the server."""

import os
import signal
import sys
import threading
import time

import pytest

from chaos.fork_server import ForkServer
from local.errors import ServiceError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no job is forked")

MODULE = "tests.chaos.light_forks"
WAITS = "import time; time.sleep(600)"
STARTS = "import subprocess as s; print(s.Popen(['sleep', '600']).pid, flush=True)"


@pytest.fixture
def server(tmp_path):
    with ForkServer(MODULE, tmp_path / "server.log") as server:
        yield server


def eventually(holds):
    until = time.monotonic() + 30
    while not (found := holds()):
        assert time.monotonic() < until, "did not come true in time"
        time.sleep(0.01)
    return found


def ended(server, pid):
    eventually(lambda: server.status(pid) is not None)
    return server.status(pid)


def runs(pid):
    """Say whether a process is alive; one that nobody has waited for is not."""
    try:
        with open(f"/proc/{pid}/stat") as told:
            return told.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


ENDS = {
    "print('done')": (0, "done"),
    "sys.exit(3)": (3, ""),
    "sys.exit('what is wrong')": (1, "what is wrong"),
    "1 / 0": (1, "ZeroDivisionError: division by zero"),
    "import os; os.kill(os.getpid(), 15)": (-signal.SIGTERM, ""),
    "import threading; threading.Timer(0.1, print, ['later']).start()": (0, "later"),
    "import atexit; atexit.register(print, 'last')": (0, "last"),
}


def test_a_job_ends_with_the_status_and_the_last_words_of_its_module(server, tmp_path):
    logs = {code: tmp_path / f"{number}.log" for number, code in enumerate(ENDS)}
    pids = {code: server.start([MODULE, code], os.environ, log) for code, log in logs.items()}
    found = {}
    for code, pid in pids.items():
        status = ended(server, pid)
        found[code] = (status, (logs[code].read_text().splitlines() or [""])[-1])
    assert found == ENDS


def test_jobs_have_variables_folder_and_log_of_their_own(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "import os; print(os.environ, os.getcwd(), os.getsid(0) == os.getpid())"
    logs = [tmp_path / f"{n}.log" for n in range(3)]
    pids = [server.start([MODULE, code], {"JOB": log.name}, log) for log in logs]
    assert [ended(server, pid) for pid in pids] == [0, 0, 0]
    for log in logs:
        assert log.read_text() == f"environ({{'JOB': '{log.name}'}}) {tmp_path} True\n"


def test_what_a_job_has_started_ends_with_it_and_all_jobs_with_the_server(server, tmp_path):
    logs = [tmp_path / name for name in ("left", "killed", "alive")]
    codes = (STARTS, f"{STARTS}; {WAITS}", f"{STARTS}; {WAITS}")
    pids = [
        server.start([MODULE, code], os.environ, log) for code, log in zip(codes, logs, strict=True)
    ]
    left, killed, alive = (
        int(eventually(lambda log=log: log.read_text().split() if log.exists() else [])[0])
        for log in logs
    )
    assert ended(server, pids[0]) == 0
    eventually(lambda: not runs(left))
    os.killpg(pids[1], signal.SIGKILL)
    assert ended(server, pids[1]) == -signal.SIGKILL
    eventually(lambda: not runs(killed))
    assert server.status(pids[2]) is None
    assert runs(alive)
    server.stop()
    eventually(lambda: not runs(pids[2]) and not runs(alive))


def test_several_threads_may_ask_at_once(server, tmp_path):
    found = {}

    def ask(number):
        pid = server.start([MODULE, f"sys.exit({number})"], os.environ, tmp_path / f"{number}.log")
        found[number] = ended(server, pid)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: number for number in range(8)}


def test_a_server_that_is_gone_is_one_line_with_its_log(tmp_path):
    log = tmp_path / "server.log"
    with pytest.raises(ServiceError, match=f"tests.no_such_module has ended .log: {log}"):
        ForkServer("tests.no_such_module", log).__enter__()
    assert "No module named tests.no_such_module" in log.read_text()
