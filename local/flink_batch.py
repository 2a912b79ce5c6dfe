"""The same jobs on the same files on several engines, and whether they leave the same behind."""

import json
import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from local import flink_dedupe
from local.errors import ServiceError
from local.generate import generate, write_lines
from local.plan import Faults, Plan
from pipelines import curate_events, hot_path, window_metrics
from schemas.contract import load_contracts
from transforms.object_store import read_objects
from transforms.quarantine import read_quarantine

__all__ = [
    "JOBS",
    "BatchRun",
    "EngineRuns",
    "Left",
    "counted_otherwise",
    "told",
    "unlike",
    "write_events",
]

_NOW = "--now=2026-01-01T00:00:00Z"
_FAULTS = Faults(duplicate=0.1, broken=0.05, conflict=0.01, drift=0.05)
# When a row was made is the clock's, and the same in no two runs.
_OF_THE_CLOCK = frozenset({"ingest_time"})


class Left(NamedTuple):
    """What a run leaves behind: lines, sorted, with the name of their table in front; counters."""

    lines: list[str]
    rejected: list[str]
    counters: dict[str, Any]


class BatchRun(NamedTuple):
    """What a job did on an engine: how long it took, and how it differs from the first engine.

    `counters` names those that say something else; what is counted is the engine's affair, and
    results are the same without it.
    """

    job: str
    engine: str
    seconds: float
    lines: int
    differences: list[str]
    counters: list[str]


def _hot_path(folder: Path) -> list[str]:
    return [f"--cells_output={folder / 'left' / 'cells'}", *_common(folder)]


def _rows(folder: Path) -> list[str]:
    return [f"--rows_output={folder / 'left'}", *_common(folder)]


def _dedupe(folder: Path) -> list[str]:
    return [f"--ids_output={folder / 'left' / 'ids' / 'ids'}"]


def _common(folder: Path) -> list[str]:
    return [
        f"--quarantine_output={folder / 'quarantine'}",
        f"--counters_output={folder / 'counters.json'}",
        f"--pseudonym_key=file:{folder.parent / 'key'}",
        "--shards=4",
        _NOW,
    ]


JOBS: Mapping[str, tuple[Callable[[Sequence[str]], int], Callable[[Path], list[str]]]] = {
    "dedupe": (flink_dedupe.main, _dedupe),
    "hot path": (hot_path.main, _hot_path),
    "metrics of windows": (window_metrics.main, _rows),
    "curated events": (curate_events.main, _rows),
}
"""By name: what runs the job, and its options for a folder that it writes into."""


def write_events(folder: Path, events: int, seed: int) -> Path:
    """Write a stream with all faults as a file of lines, and a key of pseudonyms beside it."""
    (folder / "key").write_text("5e" * 32)
    path = folder / "events.ndjson"
    plan = Plan(events=events, seed=seed, faults=_FAULTS)
    write_lines(generate(plan, load_contracts(None)), path)
    return path


@dataclass
class EngineRuns:
    """Runs every job on every engine.

    Args:
        engines: by name, the options that choose it; the first one is what others are held against.
        folder: for what the jobs write.
        events: the file that they read.
        say: takes one line of progress.
    """

    engines: Mapping[str, Sequence[str]]
    folder: Path
    events: Path
    say: Callable[[str], None]

    def run(self) -> list[BatchRun]:
        """Run all of it.

        Raises:
            ServiceError: a job failed; one line.
        """
        return [found for job in JOBS for found in self._compared(job)]

    def _compared(self, job: str) -> Iterator[BatchRun]:
        first: Left | None = None
        for engine, options in self.engines.items():
            begun = time.monotonic()
            left = self._left(job, engine, options)
            seconds = round(time.monotonic() - begun, 1)
            first = first or left
            found, counted = list(unlike(first, left)), counted_otherwise(first, left)
            beside = f"; other counters: {', '.join(counted)}" if counted else ""
            self.say(
                f"{job} on {engine}: {len(left.lines)} lines in {seconds:.0f} s, "
                f"{'; '.join(found) or 'the same'}{beside}"
            )
            yield BatchRun(job, engine, seconds, len(left.lines), found, counted)

    def _left(self, job: str, engine: str, options: Sequence[str]) -> Left:
        main, output = JOBS[job]
        folder = self.folder / f"{job}-{engine}".replace(" ", "-").lower()
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "left" / "ids").mkdir(parents=True)
        log = folder / "log"
        with _logged(log):
            status = main([f"--input_files={self.events}", *output(folder), *options])
        if status:
            msg = f"{job} on {engine} left with status {status} (log: {log})"
            raise ServiceError(msg)
        return _read(folder)


def _read(folder: Path) -> Left:
    counters, quarantine = folder / "counters.json", folder / "quarantine"
    ids = [("ids", path.read_bytes()) for path in sorted((folder / "left" / "ids").iterdir())]
    found = [*ids, *read_objects(str(folder / "left"), ".ndjson")]
    records = read_quarantine(str(quarantine)) if quarantine.exists() else ()
    return Left(
        told(found),
        sorted(f"{record.reason} {record.payload.hex()}" for record in records),
        json.loads(counters.read_text()) if counters.exists() else {},
    )


def told(objects: Sequence[tuple[str, bytes]]) -> list[str]:
    """Return the lines of objects, sorted, with the folder they lie in, less what the clock says.

    >>> told([("rows/t/b.ndjson", b'{"a": 1, "ingest_time": "now"}'), ("ids", b"x")])
    ['ids x', 't {"a": 1}']
    """
    lines = []
    for name, content in objects:
        table = name.rsplit("/", 2)[-2] if "/" in name else name
        lines += [f"{table} {_timeless(line)}" for line in content.decode().splitlines()]
    return sorted(lines)


def _timeless(line: str) -> str:
    if not any(name in line for name in _OF_THE_CLOCK):
        return line
    return json.dumps({k: v for k, v in json.loads(line).items() if k not in _OF_THE_CLOCK})


def unlike(one: Left, other: Left) -> Iterator[str]:
    """Yield how two runs differ, in numbers: none of it holds a value.

    >>> list(unlike(Left(["a"], [], {}), Left(["a", "b", "b"], [], {})))
    ['2 of 3 lines differ']
    """
    for name in ("lines", "rejected"):
        mine, others = Counter(getattr(one, name)), Counter(getattr(other, name))
        if mine != others:
            alone = (mine - others).total() + (others - mine).total()
            yield f"{alone} of {(mine | others).total()} {name} differ"


def counted_otherwise(one: Left, other: Left) -> list[str]:
    """Return the names of the counters that two runs do not agree about.

    >>> counted_otherwise(Left([], [], {"read": 1}), Left([], [], {"read": 1, "late": 2}))
    ['late']
    """
    names = one.counters.keys() | other.counters.keys()
    return sorted(each for each in names if one.counters.get(each) != other.counters.get(each))


@contextmanager
def _logged(log: Path) -> Iterator[None]:
    """Let what is logged go to a file, not between the lines that are told."""
    root = logging.getLogger()
    others, handler = root.handlers[:], logging.FileHandler(log)
    root.handlers[:] = [handler]
    try:
        yield
    finally:
        root.handlers[:] = others
        handler.close()
