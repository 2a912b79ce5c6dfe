"""Runs one command and ends it when its parent ends, however that happens.

Usage: `python -I -S guardian.py PARENT_PID COMMAND...`. It needs nothing but the standard library
and is started for each service: a parent that is killed cannot tidy up after itself.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

__all__ = ["end_with_parent", "guard"]

_PR_SET_PDEATHSIG = 1
_PATIENCE_SECONDS = 1.0


def guard(parent: int, command: Sequence[str]) -> int:
    """Run the command until it ends, the parent is gone or a signal asks; return its status."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _asked)
    child = None
    try:
        # There are no threads here that a function between fork and exec could hang on.
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            preexec_fn=end_with_parent,  # noqa: PLW1509
        )
        while child.poll() is None and os.getppid() == parent:
            _wait(child, 0.2)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", flush=True)
        return 127
    except _AskedError:
        pass
    return _end(child) if child else 0


class _AskedError(Exception):
    """A signal asked the guardian to end."""


def _asked(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _AskedError


def _wait(child: "subprocess.Popen[bytes]", seconds: float) -> None:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _end(child: "subprocess.Popen[bytes]") -> int:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if child.poll() is None:
        child.terminate()
        _wait(child, _PATIENCE_SECONDS)
    if child.poll() is None:
        child.kill()
    status = child.wait()
    _sweep()
    return status if status >= 0 else 128 - status


def _sweep() -> None:
    """Ask what the command itself has started to end too; only in a process group of our own."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGTERM)


def end_with_parent() -> None:
    """Have this process killed with the one that started it, where the kernel offers it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(guard(int(sys.argv[1]), sys.argv[2:]))
