"""The jobs of a seed: how each is started, and started again, and how it comes to its end."""

import contextlib
import os
import resource
import signal
import sys
from pathlib import Path

from chaos.fork_server import ForkServer

__all__ = ["ForkedJob"]

_SAID = 300


class ForkedJob:
    """One running job, with the engine that it has started."""

    def __init__(self, server: ForkServer, pid: int, log: Path) -> None:
        self._server = server
        self.pid = pid
        self.log = log
        self.is_full = False

    @property
    def status(self) -> int | None:
        """The exit status, negative after a signal; None while it runs."""
        return self._server.status(self.pid)

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
