"""Starts jobs as processes that need not import Beam again: forks of one that has.

The program that forks is a module whose `main` calls `serve`; `ForkServer` starts it, and asks it.
It has one thread and no channel of gRPC, and takes a request a line, as JSON: `{"argv", "environ",
"folder", "log"}` starts `python -m ARGV` and is answered by `{"pid"}`; `{"pid"}` is answered by
`{"status"}`, null while it runs. A job leads a session and a process group of its own, in which its
engine is too. It ends with the program, and that ends when nobody asks any more.

What it cannot show: what happens before a module is imported. Only Linux forks what has loaded so
many libraries without harm.
"""

import atexit
import contextlib
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from local.errors import ServiceError
from local.guardian import end_with_parent
from local.processes import StartsAndStops

__all__ = ["ForkServer", "serve"]

_ROOT = Path(__file__).parents[1]
_ENGINES = (
    "apache_beam.io.gcp.gcsfilesystem",
    "apache_beam.runners.direct.direct_runner",
    "apache_beam.runners.portability.fn_api_runner",
    "apache_beam.runners.portability.prism_runner",
)
_NOT_FLUSHED = 120
"""The status of an interpreter whose last words could not be written."""


class ForkServer(StartsAndStops):
    """Forks jobs off a process that has imported them, while the block lasts.

    Args:
        module: of the program that calls `serve`.
        log: where what it says itself goes; by default where this process's errors go.

    Raises:
        ServiceError: it has ended.
    """

    def __init__(self, module: str, log: Path | None = None) -> None:
        self._module, self._log = module, log
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def start(self, argv: Sequence[str], environ: Mapping[str, str], log: Path) -> int:
        """Start `python -m ARGV` in this folder; return its process id, and its group's."""
        where = {"folder": str(Path.cwd()), "log": str(log.absolute())}
        return int(self._ask({"argv": [*argv], "environ": dict(environ), **where})["pid"])

    def status(self, pid: int) -> int | None:
        """Return the exit status of a job, negative after a signal; None while it runs."""
        status: int | None = self._ask({"pid": pid})["status"]
        return status

    def stop(self) -> None:
        """End the process, and what it has forked."""
        if self._process is None:
            return
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _start(self) -> None:
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(self._log.open("ab")) if self._log else None
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=_ROOT,
                # A fork would wait for the threads of a library for algebra.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                # Ctrl-C is for the user of this process; that one ends when this one does.
                start_new_session=True,
            )
        self._answer()

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process and self._process.stdin
        with self._lock:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(request) + "\n")
                self._process.stdin.flush()
            return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process and self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            msg = f"{self._module} has ended" + (f" (log: {self._log})" if self._log else "")
            raise ServiceError(msg)
        answer: dict[str, Any] = json.loads(line)
        return answer


def serve(modules: Sequence[str], *, leave_threads: bool = False) -> None:
    """Import what jobs import, and fork what is asked for until nobody asks any more.

    Args:
        modules: what a job can be.
        leave_threads: a job ends when its main thread has, where an interpreter waits for others.
    """
    for module in (*modules, *_ENGINES):
        importlib.import_module(module)
    statuses: dict[int, int | None] = {}
    # Clients create threads with their first channel, which a fork would not have.
    _say({"ready": True})
    try:
        for line in sys.stdin:
            request = json.loads(line)
            if "pid" in request:
                _say({"status": _status(request["pid"], statuses)})
            else:
                pid = _fork(request, leave_threads)
                statuses[pid] = None
                _say({"pid": pid})
    finally:
        for pid in (pid for pid, status in statuses.items() if status is None):
            _kill(pid)


def _fork(request: Mapping[str, Any], leave_threads: bool) -> int:
    leads, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        # Who asked may kill the group at once, so it is there before its number is known.
        os.setsid()
        os.close(leads)
        os.close(told)
        _become(request, leave_threads)
    os.close(told)
    os.read(leads, 1)
    os.close(leads)
    return pid


def _status(pid: int, statuses: dict[int, int | None]) -> int | None:
    if statuses[pid] is None:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            statuses[pid] = os.waitstatus_to_exitcode(status)
            # What a job has started must not outlive it.
            _kill(pid)
    return statuses[pid]


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _become(request: Mapping[str, Any], leave_threads: bool) -> NoReturn:
    """Run a job in this process, and end with it."""
    status = 1
    try:
        end_with_parent()
        _redirect(request["log"])
        os.environ.clear()
        os.environ.update(request["environ"])
        os.chdir(request["folder"])
        status = _run(request["argv"])
        if not leave_threads:
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
    finally:
        # The frames of the program are below these: end as the interpreter does, but here.
        os._exit(_flushed(status))


def _run(argv: Sequence[str]) -> int:
    """Run a module as `python -m` does; return the exit status."""
    module = argv[0]
    sys.argv = [*argv]
    sys.modules.pop(module, None)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as left:
        if left.code is None or isinstance(left.code, int):
            return left.code or 0
        print(left.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _flushed(status: int) -> int:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return status or _NOT_FLUSHED
    return status


def _redirect(log: str) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number, descriptor in enumerate((nothing, output, output)):
        os.dup2(descriptor, number)


def _say(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
