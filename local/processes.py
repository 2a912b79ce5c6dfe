"""A service as a plain process: started behind its guardian, stopped by its id, with a log."""

import os
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

__all__ = ["ServiceProcess", "StartsAndStops", "free_port"]

_Started = TypeVar("_Started", bound="StartsAndStops")

_GUARDIAN = Path(__file__).with_name("guardian.py")


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class StartsAndStops(ABC):
    """What runs for the length of a `with` block; what has begun ends too where a start fails."""

    def __enter__(self: _Started) -> _Started:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @abstractmethod
    def _start(self) -> None:
        """Start; what was started by the time of an error is left to `stop`."""

    @abstractmethod
    def stop(self) -> None:
        """Stop what was started."""


class ServiceProcess:
    """A running command; it ends with `stop`, and also when this process ends in any way.

    Args:
        command: program and arguments.
        log: where its output goes.
        environ: its environment.
    """

    def __init__(self, command: Sequence[str], log: Path, environ: Mapping[str, str]) -> None:
        self.log = log
        guarded = [sys.executable, "-I", "-S", str(_GUARDIAN), str(os.getpid()), *command]
        with log.open("ab") as output:
            # A session of its own: Ctrl-C must not reach it before its user is done.
            self._process = subprocess.Popen(
                guarded,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id of the guardian, which leads the process group of the service."""
        return self._process.pid

    def ended(self) -> bool:
        """Say whether the command has ended."""
        return self._process.poll() is not None

    @property
    def status(self) -> int | None:
        """The exit status of the command, None while it runs."""
        return self._process.poll()

    def last_words(self) -> str:
        """Return the last line of the log that says something."""
        lines = self.log.read_text(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")

    def stop(self) -> None:
        """End the command; after it returns nothing of it is left."""
        if not self.ended():
            self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
