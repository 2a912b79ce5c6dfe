"""The suite's hot path on a file of which a part is invalid: cells, and the quarantine."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.bench_hot_path import cells_in, run_job
from benchmarks.contender import digest_of_many, main
from benchmarks.oracles import digest_of_cells
from schemas.quarantine_reading import records_of

__all__ = ["MOST_BYTES", "run"]

MOST_BYTES = 2_048
"""Of an event; what is larger is refused."""


def run(path: str) -> Callable[[], str]:
    """Read lines, write cells of those that are events, and quarantine the others."""
    folder = run_job(path, f"--max_event_bytes={MOST_BYTES}")
    return lambda: _digest_of(folder)


def _digest_of(folder: Path) -> str:
    refused = digest_of_many(_refused_in(folder / "quarantine"))
    cells = digest_of_cells(cells_in(folder / "cells"))
    shutil.rmtree(folder)
    return f"{cells}, refused {refused}"


def _refused_in(folder: Path) -> Iterator[bytes]:
    for file in sorted(folder.rglob("*.avro")):
        for record in records_of(file.read_bytes()):
            yield f"{record.reason} ".encode() + record.payload


if __name__ == "__main__":
    main(run)
