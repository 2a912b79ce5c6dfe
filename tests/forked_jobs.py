"""Starts jobs as processes that need not import Beam again: forks of one that has.

    python -m tests.forked_jobs

is the process that forks. It has one thread and no channel of gRPC, and hears on its standard input
what to run. A fork stands where `local.processes` has a guardian and its command: a session of its
own, the guardian's own code, and below it the module as `__main__`, with the arguments, variables,
folder and log that it was given; it ends, or is killed, like any other process. What it cannot
show: what happens before a module is imported, which the commands of the demo do.
"""

import array
import atexit
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NoReturn
from unittest import mock

from local import guardian, processes

MODULES = (
    "pipelines.archive_raw",
    "pipelines.curate_events",
    "pipelines.hot_path",
    "pipelines.window_metrics",
    "tests.gated_archive",
)
_ENGINES = (
    "apache_beam.io.gcp.gcsfilesystem",
    "apache_beam.runners.direct.direct_runner",
    "apache_beam.runners.portability.fn_api_runner",
    "apache_beam.runners.portability.prism_runner",
)
_MOST = 1 << 20
_READY = b"ready"


class ForkedProcess:
    """A started fork, with what `ServiceProcess` asks of a `Popen`."""

    def __init__(self, pid: int, status: int) -> None:
        self.pid, self._pipe, self._said = pid, status, b""
        self._returned: int | None = None
        os.set_blocking(status, False)

    def poll(self) -> int | None:
        """Return the exit status; without a word of its own it was killed."""
        while self._returned is None:
            try:
                said = os.read(self._pipe, 16)
            except BlockingIOError:
                return None
            if said:
                self._said += said
            else:
                os.close(self._pipe)
                self._returned = int(self._said or -signal.SIGKILL)
        return self._returned

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end."""
        return _waited(self, timeout or 3_600.0)

    def terminate(self) -> None:
        """Ask for the end."""
        os.kill(self.pid, signal.SIGTERM)


def _waited(job: Any, seconds: float) -> int:
    until = time.monotonic() + seconds
    while (status := job.poll()) is None:
        if time.monotonic() > until:
            raise subprocess.TimeoutExpired("a forked job", seconds)
        time.sleep(0.02)
    return int(status)


class ForkServer:
    """The process that forks; it has imported all when this is made, and no start has to wait."""

    def __init__(self) -> None:
        self._asks, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Forks of a process with the threads of a library for algebra would wait for them.
        environ = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        with theirs:
            command = [sys.executable, "-m", __name__]
            self._process = subprocess.Popen(command, stdin=theirs, env=environ)
        assert self._asks.recv(16) == _READY

    def start(self, command: Sequence[str], environ: Mapping[str, str], log: Any) -> ForkedProcess:
        """Start `python -m MODULE ARGUMENTS`, its output going to the log."""
        ours, theirs = os.pipe()
        order = {"argv": list(command), "environ": dict(environ), "folder": os.getcwd()}
        descriptors = array.array("i", [log.fileno(), theirs])
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
        self._asks.sendmsg([json.dumps(order).encode()], control)
        os.close(theirs)
        return ForkedProcess(int(self._asks.recv(16)), ours)

    def stop(self) -> None:
        """End the process; jobs end with it."""
        self._asks.close()
        self._process.wait(30)


@contextmanager
def forking(server: ForkServer) -> Iterator[None]:
    """Have `ServiceProcess` fork jobs while the block lasts; anything else it starts as ever."""

    def start(command: list[str], **more: Any) -> Any:
        behind = command[command.index(str(processes._GUARDIAN)) + 2 :]
        if behind[:2] != [sys.executable, "-m"] or behind[2] not in MODULES:
            return subprocess.Popen(command, **more)
        return server.start(behind[2:], more["env"], more["stdout"])

    names = {**vars(subprocess), "Popen": start}
    with mock.patch.object(processes, "subprocess", SimpleNamespace(**names)):
        yield


class _Child:
    """A fork of this process that runs a module, with what the guardian asks of a `Popen`."""

    def __init__(self, command: Sequence[str], told: int) -> None:
        self.pid = os.fork()
        self._status: int | None = None
        if not self.pid:
            # Who holds this end of the pipe says that the guardian lives.
            os.close(told)
            _run(command)

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def wait(self, timeout: float = 3_600.0) -> int:
        """Wait for the end."""
        return _waited(self, timeout)

    def terminate(self) -> None:
        """Ask for the end."""
        os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGKILL)


def _run(command: Sequence[str]) -> NoReturn:
    """Run a module as `python -m` does, in a process that has imported what it imports."""
    guardian._end_with_guardian()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    module, *arguments = command
    sys.argv = [module, *arguments]
    sys.modules.pop(module, None)
    status: Any = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as left:
        status = left.code
    except BaseException:
        traceback.print_exc()
        status = 1
    if status is not None and not isinstance(status, int):
        print(status, file=sys.stderr)
        status = 1
    # The frames of the guardian are below these: end as the interpreter does, but here.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)


def _stand_guard(order: Mapping[str, Any], parent: int, log: int, told: int) -> NoReturn:
    """Be the guardian of a job; its status goes into the pipe, and nothing if it is killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, log, log)):
        os.dup2(descriptor, number)
    os.environ.clear()
    os.environ.update(order["environ"])
    os.chdir(order["folder"])
    names = {**vars(subprocess), "Popen": lambda command, **_: _Child(command, told)}
    with mock.patch.object(guardian, "subprocess", SimpleNamespace(**names)):
        status = guardian.guard(parent, order["argv"])
    os.write(told, str(status).encode())
    os._exit(0)


def serve(asked: socket.socket) -> None:
    """Fork what is asked for, until nobody asks any more."""
    parent = os.getpid()
    # Nobody waits for the guardians here: whoever started one hears of its end by the pipe.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    asked.send(_READY)
    while True:
        size = socket.CMSG_SPACE(2 * array.array("i").itemsize)
        message, control, *_ = asked.recvmsg(_MOST, size, socket.MSG_CMSG_CLOEXEC)
        if not message:
            return
        log, told = array.array("i", control[0][2])
        pid = os.fork()
        if not pid:
            # Who asked may kill the session at once, so it is there before its number is known.
            os.setsid()
            asked.send(str(os.getpid()).encode())
            asked.close()
            _stand_guard(json.loads(message), parent, log, told)
        os.close(log)
        os.close(told)


def main() -> None:
    """Import what jobs import, and serve."""
    from objsize import traverse  # noqa: PLC0415

    from tests.remembered_beam import remembering  # noqa: PLC0415

    for name in (*MODULES, *_ENGINES):
        importlib.import_module(name)
    sizes = mock.patch.object(traverse, "_iter_modules_globals", tuple)
    with remembering(), sizes:
        serve(socket.socket(fileno=0))


if __name__ == "__main__":
    main()
