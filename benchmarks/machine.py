"""What kind of machine this is, as far as the system tells: nothing that names it."""

import os
import platform
import re
from pathlib import Path

__all__ = ["kind_of_machine"]

_CPUS = Path("/proc/cpuinfo")
_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


def kind_of_machine() -> dict[str, str | float]:
    """Return `cpu`, the kind of its processor, and `memory_gb`, in GiB."""
    text = _CPUS.read_text() if _CPUS.exists() else ""
    model = _MODEL.search(text)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": model[1].strip() if model else platform.processor() or platform.machine(),
        "memory_gb": round(pages / 2**30, 1),
    }
