"""What a contender's processes take together: those that it starts count as its own."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from benchmarks.memory import peak_mb, peak_mb_of

__all__ = ["ProcessTree", "descendants"]

_PROC = Path("/proc")
_EVERY = 0.25
_TICKS = os.sysconf("SC_CLK_TCK")
_UTIME = 11
"""The place of the ticks in user mode behind the name of a process in its `stat`."""


class _Seen(NamedTuple):
    before: float
    cpu_seconds: float


class ProcessTree:
    """Watches this process, and those below it where the system tells them, while the block lasts.

    `cpu_seconds` is the processor time of all of them within the block. `peak_mb` is the greatest
    memory of this process plus that of each living one below it, each from its own start on, in
    MiB: never less than what they held at one time. A process that lives for less than a quarter
    of a second may be missed.
    """

    def __init__(self) -> None:
        self.cpu_seconds = 0.0
        self.peak_mb = 0.0
        self._below_mb = 0.0
        self._seen: dict[int, _Seen] = {}
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._look_often, daemon=True)

    def __enter__(self) -> "ProcessTree":
        self._begun = time.process_time()
        for process in descendants():
            if (busy := _cpu_seconds(process)) is not None:
                self._seen[process] = _Seen(busy, busy)
        self._watch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        own = time.process_time() - self._begun
        self._ended.set()
        self._watch.join()
        self._look()
        self.cpu_seconds = own + sum(each.cpu_seconds - each.before for each in self._seen.values())
        self.peak_mb = peak_mb() + self._below_mb

    def _look_often(self) -> None:
        while not self._ended.wait(_EVERY):
            self._look()

    def _look(self) -> None:
        held = 0.0
        for process in descendants():
            busy, most = _cpu_seconds(process), peak_mb_of(process)
            if busy is not None and most is not None:
                self._seen[process] = _Seen(self._seen.get(process, _Seen(0.0, 0.0)).before, busy)
                held += most
        self._below_mb = max(self._below_mb, held)


def descendants(process: int | None = None) -> Iterator[int]:
    """Yield the processes that this one started, and theirs; none where there is no `/proc`."""
    for children in (_PROC / str(process or "self") / "task").glob("*/children"):
        for child in _read(children).split():
            yield int(child)
            yield from descendants(int(child))


def _cpu_seconds(process: int) -> float | None:
    """Return the processor time of a process, None of one that has ended."""
    # The name in brackets may hold spaces and brackets.
    fields = _read(_PROC / str(process) / "stat").rpartition(")")[2].split()
    return sum(map(int, fields[_UTIME : _UTIME + 2])) / _TICKS if fields else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        # It has ended since it was listed.
        return ""
