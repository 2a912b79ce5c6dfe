"""The archive job as a process of its own, and what its archive holds at any moment."""

import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from local.processes import ServiceProcess
from schemas.events import RawEvent
from schemas.manifest import ENTRY_SUFFIX, parse_name
from transforms.archive_manifest import list_hours, read_marker

__all__ = ["SOURCE", "Archive", "Job", "Sample", "eventually"]

SOURCE = "live"


def eventually(holds: Callable[[], object], seconds: float = 40.0, pause: float = 0.1) -> None:
    """Wait until something is true, or fail."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(pause)


class Job:
    """A running archive job on Prism; `kill` leaves it no chance to tidy up, nor its engine."""

    def __init__(
        self,
        prism: pathlib.Path,
        subscription: str,
        archive: pathlib.Path,
        *more: str,
        gate: pathlib.Path | None = None,
    ) -> None:
        module = ["tests.gated_archive", str(gate)] if gate else ["pipelines.archive_raw"]
        command = [
            *(sys.executable, "-m", *module),
            "--runner=PrismRunner",
            f"--prism_location={prism}",
            "--environment_type=LOOPBACK",
            f"--input_subscription={subscription}",
            f"--archive_output={archive}",
            f"--source={SOURCE}",
            *more,
        ]
        archive.mkdir(exist_ok=True)
        self._process = ServiceProcess(command, archive.with_suffix(".log"), os.environ)

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    def kill(self) -> None:
        """Kill job and engine at once, as a machine does that fails."""
        assert not self._process.ended(), self._process.last_words()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.stop()

    def wait(self, seconds: float = 40.0) -> int | None:
        """Wait for the job's own end; return its status."""
        eventually(self._process.ended, seconds)
        return self._process.status

    def lines_with(self, words: str) -> list[str]:
        """Return the lines of its log that hold these words."""
        lines = self._process.log.read_text(errors="replace").splitlines()
        return [line for line in lines if words in line]


class Sample(NamedTuple):
    """A marker, and the names of the entries that were there after it had been read."""

    marker: int | None
    entries: frozenset[str]


class Archive:
    """What is in an archive, read as any reader does."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._known: dict[str, list[RawEvent]] = {}

    @property
    def marker(self) -> int | None:
        """Up to when it is complete."""
        return read_marker(str(self._path), SOURCE)

    def entries(self) -> frozenset[str]:
        """Return the names of all entries of the manifest."""
        return frozenset(str(path) for path in self._path.rglob(f"*{ENTRY_SUFFIX}"))

    def messages(self) -> list[RawEvent]:
        """Return the messages of all entries, each object read once and proved whole."""
        return [row for name in self.entries() for row in self._rows(name)]

    def sample(self) -> Sample:
        """Look at the marker, then at the manifest."""
        return Sample(self.marker, self.entries())

    def check(self, samples: list[Sample]) -> None:
        """Prove that at each sample all that was published before the marker was archived.

        To be called when all is archived: then the objects tell what was published when.
        """
        rows = {row.message_id: row for row in self.messages()}
        for marker, entries in samples:
            there = {row.message_id for name in entries for row in self._rows(name)}
            missing = [row for id_, row in rows.items() if id_ not in there]
            early = [row.payload for row in missing if marker and row.publish_time < marker]
            assert not early, f"marker {marker} is ahead of {early[:3]}"

    def verify(self) -> None:
        """Prove that every hour's entries have their objects."""
        hours = list(list_hours(str(self._path), SOURCE))
        assert hours
        assert not [entry for hour in hours for entry in hour.missing]

    def _rows(self, name: str) -> list[RawEvent]:
        if name not in self._known:
            entry = parse_name(pathlib.Path(name).name)
            assert entry is not None
            content = pathlib.Path(name).with_name(entry.object_name).read_bytes()
            # Raises where digest, count or codec are not what the name tells.
            pack = entry.read(content)
            self._known[name] = [pack.row(index) for index in range(len(pack))]
        return self._known[name]
