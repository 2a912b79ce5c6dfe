"""Starts jobs as processes without waiting for their imports: forks of one that has imported them.

Usage: `python -m chaos.loop_forge`. It takes one request a line, as JSON: `{"module", "argv",
"environ", "log"}` starts a job and is answered by its process id; `{"pid"}` is answered by the
job's exit status, null while it runs. A job leads a process group of its own, in which its engine
is too. When the requests end, all that runs is killed.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

__all__ = ["MODULES", "serve"]

MODULES = (
    "pipelines.archive_raw",
    "pipelines.curate_events",
    "pipelines.hot_path",
    "pipelines.recompute_windows",
    "pipelines.window_metrics",
)
"""What a job can be."""

_PR_SET_PDEATHSIG = 1
_UNEXPECTED = 70


def serve() -> None:
    """Answer requests until there are no more."""
    for module in MODULES:
        importlib.import_module(module)
    running: dict[int, int | None] = {}
    # Clients create threads with their first channel, which a fork would not have.
    _say({"ready": True})
    try:
        for line in sys.stdin:
            _say(_answer(json.loads(line), running))
    finally:
        for pid in (pid for pid, status in running.items() if status is None):
            _kill(pid)


def _answer(request: Mapping[str, Any], running: dict[int, int | None]) -> dict[str, Any]:
    if "pid" in request:
        return {"status": _status(request["pid"], running)}
    pid = os.fork()
    if pid == 0:
        _become(request)
    running[pid] = None
    return {"pid": pid}


def _status(pid: int, running: dict[int, int | None]) -> int | None:
    if running[pid] is None:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            running[pid] = os.waitstatus_to_exitcode(status)
            # What a job that was killed has started must not outlive it.
            _kill(pid)
    return running[pid]


def _become(request: Mapping[str, Any]) -> NoReturn:
    """Run a job in this process, and end with it."""
    status = _UNEXPECTED
    try:
        os.setsid()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _redirect(request["log"])
        os.environ.update(request["environ"])
        sys.argv = [request["module"], *request["argv"]]
        status = sys.modules[request["module"]].main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else _UNEXPECTED
    finally:
        # Threads of clients and engines do not keep the process, as they would not a container.
        os._exit(_flushed(status))


def _flushed(status: int) -> int:
    if sys.exc_info()[0] is not None:
        sys.excepthook(*sys.exc_info())
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return status or _UNEXPECTED
    return status


def _redirect(log: str) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number, descriptor in enumerate((nothing, output, output)):
        os.dup2(descriptor, number)


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _say(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve()
