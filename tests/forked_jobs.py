"""Has services of the suite's own jobs start as forks of a process that has imported Beam.

    python -m tests.forked_jobs

is that process (`chaos.fork_server`). A fork stands where `local.processes` has a guardian and its
command, and ends or is killed like any other process. In it Beam remembers what it would compute
anew at each look.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL, SIGTERM
from types import SimpleNamespace
from typing import Any
from unittest import mock

from chaos.fork_server import ForkServer, serve
from local import processes

MODULES = (
    "pipelines.archive_raw",
    "pipelines.curate_events",
    "pipelines.hot_path",
    "pipelines.window_metrics",
    "tests.gated_archive",
)


class ForkedProcess:
    """A started fork, with what `ServiceProcess` asks of a `Popen`."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self._server, self.pid = server, pid
        self._returned: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, after a signal as a guardian would, which is killed or tells."""
        if self._returned is None:
            status = self._server.status(self.pid)
            told = status is None or status >= 0 or status == -SIGKILL
            self._returned = status if told else 128 - status
        return self._returned

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end."""
        until = time.monotonic() + (timeout or 3_600.0)
        while (status := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("a forked job", timeout or 0.0)
            time.sleep(0.02)
        return status

    def terminate(self) -> None:
        """Ask for the end."""
        os.kill(self.pid, SIGTERM)


@contextmanager
def forking(server: ForkServer) -> Iterator[None]:
    """Have `ServiceProcess` fork jobs while the block lasts; anything else it starts as ever."""

    def start(command: list[str], **more: Any) -> Any:
        behind = command[command.index(str(processes._GUARDIAN)) + 2 :]
        if behind[:2] != [sys.executable, "-m"] or behind[2] not in MODULES:
            return subprocess.Popen(command, **more)
        pid = server.start(behind[2:], more["env"], Path(more["stdout"].name))
        return ForkedProcess(server, pid)

    names = {**vars(subprocess), "Popen": start}
    with mock.patch.object(processes, "subprocess", SimpleNamespace(**names)):
        yield


def main() -> None:
    """Import what jobs import, and serve."""
    import apache_beam.pipeline  # noqa: F401, PLC0415
    from objsize import traverse  # noqa: PLC0415

    from tests.remembered_beam import remembering  # noqa: PLC0415

    sizes = mock.patch.object(traverse, "_iter_modules_globals", tuple)
    with remembering(), sizes:
        serve(MODULES)


if __name__ == "__main__":
    main()
