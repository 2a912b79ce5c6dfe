"""The jobs of a seed: how each is started, and started again, and how it comes to its end."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.errors import ServiceError
from local.processes import StartsAndStops

__all__ = ["Forge", "ForkedJob"]

_MODULE = "chaos.loop_forge"
_ROOT = Path(__file__).parents[1]
_SAID = 300


class Forge(StartsAndStops):
    """Forks jobs off a process that has imported them, while the block lasts.

    Args:
        log: where what it says itself goes.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=_ROOT,
                # Ctrl-C is for the user of this process; that one ends when this one does.
                start_new_session=True,
            )
        self._answer()

    def stop(self) -> None:
        """End the process, and what it has forked."""
        if self._process is None:
            return
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def start(
        self, module: str, argv: list[str], environ: Mapping[str, str], log: Path
    ) -> "ForkedJob":
        """Start a job."""
        request = {"module": module, "argv": argv, "environ": dict(environ), "log": str(log)}
        return ForkedJob(self, self.ask(request)["pid"], log)

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the process something.

        Raises:
            ServiceError: it is no more.
        """
        assert self._process and self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process and self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            msg = f"{_MODULE} has ended (log: {self._log})"
            raise ServiceError(msg)
        answer: dict[str, Any] = json.loads(line)
        return answer


class ForkedJob:
    """One running job, with the engine that it has started."""

    def __init__(self, forge: Forge, pid: int, log: Path) -> None:
        self._forge = forge
        self.pid = pid
        self.log = log
        self.is_full = False

    @property
    def status(self) -> int | None:
        """The exit status, negative after a signal; None while it runs."""
        status: int | None = self._forge.ask({"pid": self.pid})["status"]
        return status

    def kill(self) -> None:
        """Kill job and engine at once, as a machine does that fails."""
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError):
                kill(self.pid, signal.SIGKILL)

    def fill_disk(self) -> None:
        """Let every write of the process to a file fail in the kernel, also to one that is open.

        A limit on the size of files, which needs no rights: its error is EFBIG where that of a full
        disk is ENOSPC, and no code here or in Beam tells one from the other. Only Linux has it.
        """
        self.is_full = True
        self._limit(0)

    def empty_disk(self) -> None:
        """Let it write again."""
        self.is_full = False
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        if sys.platform != "linux":
            return
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def last_words(self) -> str:
        """Return the last line of the log that says something."""
        lines = self.log.read_text(errors="replace").splitlines()
        said = (line.strip() for line in reversed(lines) if line.strip())
        return next(said, "nothing")[:_SAID]
