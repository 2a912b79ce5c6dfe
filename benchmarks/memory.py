"""The most memory that this process has held."""

import resource
import sys
from pathlib import Path

__all__ = ["peak_mb"]

_STATUS = Path("/proc/self/status")
_PEAK = "VmHWM:"


def peak_mb() -> float:
    """Return the greatest resident memory of this process so far, in MiB.

    On Linux not by `getrusage`: its figure begins with what the process held that started this one.
    """
    if _STATUS.exists():
        lines = _STATUS.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(_PEAK)) / 1_024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1_048_576 if sys.platform == "darwin" else 1_024)
