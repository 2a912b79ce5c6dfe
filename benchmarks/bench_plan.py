"""Seconds and memory that it takes to plan a replay over a month of a large archive.

`python -m benchmarks.bench_plan --archive=FOLDER` plans in a process of its own and prints one line
of JSON. The manifest is synthetic: names of objects and entries, all files empty.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, BenchmarkError
from benchmarks.memory import peak_mb
from local.chance import Chance
from schemas.archive_layout import EVENTS, HOUR, hour_folder
from schemas.manifest import ManifestEntry
from schemas.replay_plan import ReplaySpan
from transforms.plan_replay import plan_replay

__all__ = ["main", "measure", "told"]

_SOURCE = "benchmark"
_START = 1_767_225_600_000_000
_DAYS = 31
_END = _START + _DAYS * 24 * HOUR
_OBJECTS = 100_000
_EVENTS = 60_000
_BYTES = 4_000_000
_MOST_SECONDS = 5
_MOST_MB = 200


def measure(objects: int = _OBJECTS) -> dict[str, Any]:
    """Return the document of the benchmark.

    Raises:
        BenchmarkError: the plan is not the right one.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted = _make(Path(folder), objects)
        found = json.loads(subprocess.check_output(
            [sys.executable, "-m", "benchmarks.bench_plan", f"--archive={folder}"], cwd=ROOT
        ))  # fmt: skip
    if found["plan"] != wanted:
        msg = f"plan: planned {found['plan']} (objects, events, bytes) instead of {wanted}"
        raise BenchmarkError(msg)
    title = f"planning a replay of a month, {objects:,} objects in a local folder"
    figures = [
        {"what": "seconds", "value": round(found["seconds"], 4), "target": _MOST_SECONDS},
        {"what": "peak MB", "value": round(found["peak_mb"], 1), "target": _MOST_MB},
    ]
    taken = {"objects": objects, "cpu_seconds": round(found["cpu_seconds"], 2)}
    return {"name": "plan", "title": title, **taken, "figures": figures}


def told(document: dict[str, Any]) -> str:
    """Return the figures as a sentence."""
    seconds, peak = document["figures"]
    return (
        f"{document['title'].capitalize()}: {seconds['value']:.1f} s (target {seconds['target']}), "
        f"{peak['value']:.0f} MB at most (target {peak['target']}), imports included."
    )


def _make(archive: Path, objects: int) -> list[int]:
    """Make the names of an archive; return how many objects, events and bytes they tell of."""
    events = size = 0
    for folder, entry in _entries(objects):
        place = archive / EVENTS / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / entry.name).touch()
        (place / entry.object_name).touch()
        events += entry.events
        size += entry.size
    return [objects, events, size]


def _entries(objects: int) -> Iterator[tuple[str, ManifestEntry]]:
    chance = Chance(0)
    apart = _DAYS * 24 * HOUR // objects
    for number in range(objects):
        published = _START + number * apart
        entry = ManifestEntry(
            digest=chance.hex(32),
            events=1 + chance.below(_EVENTS),
            size=1 + chance.below(_BYTES),
            first_publish=published,
            last_publish=published + chance.below(apart),
            codec="zstd",
        )
        yield hour_folder(_SOURCE, published), entry


def main() -> None:
    """Plan a month, and tell what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--archive", required=True)
    options = parser.parse_args()
    begun, busy = time.perf_counter(), time.process_time()
    plan = plan_replay(options.archive, None, ReplaySpan.of(_START, _END, HOUR, HOUR))
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - busy
    taken = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": peak_mb()}
    print(json.dumps({**taken, "plan": [plan.objects, plan.events, plan.size]}))


if __name__ == "__main__":
    main()
