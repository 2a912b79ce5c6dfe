"""The most memory that a process has held."""

import resource
import sys
from pathlib import Path

__all__ = ["peak_mb", "peak_mb_of"]

_PROC = Path("/proc")
_PEAK = "VmHWM:"


def peak_mb() -> float:
    """Return the greatest resident memory of this process so far, in MiB.

    On Linux not by `getrusage`: its figure begins with what the process held that started this one.
    """
    held = peak_mb_of("self")
    if held is not None:
        return held
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1_048_576 if sys.platform == "darwin" else 1_024)


def peak_mb_of(process: int | str) -> float | None:
    """Return the greatest resident memory of a process, in MiB.

    None of one that has ended, and where the system does not tell.
    """
    try:
        lines = (_PROC / str(process) / "status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1_024 for line in lines if line.startswith(_PEAK)), None)
