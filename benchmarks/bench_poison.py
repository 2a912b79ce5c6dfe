"""The suite's hot path on a file of which a part is invalid: cells, and the quarantine."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

# The job names its engine, which is then imported: that is not timed.
import apache_beam.runners.portability.fn_api_runner  # noqa: F401

from benchmarks.bench_hot_path import cells_in
from benchmarks.contender import digest_of_many, main
from benchmarks.oracles import digest_of_cells
from pipelines import hot_path
from schemas.quarantine_reading import records_of

__all__ = ["MOST_BYTES", "run"]

MOST_BYTES = 2_048
"""Of an event; what is larger is refused."""


def run(path: str) -> Callable[[], str]:
    """Read lines, write cells of those that are events, and quarantine the others."""
    folder = Path(tempfile.mkdtemp())
    os.environ["BENCHMARK_KEY"] = "k1:pseudonyms-of-invented-people"
    hot_path.run(
        [
            f"--input_files={path}",
            f"--cells_output={folder / 'cells'}",
            f"--quarantine_output={folder / 'quarantine'}",
            "--pseudonym_key=env:BENCHMARK_KEY",
            f"--max_event_bytes={MOST_BYTES}",
            "--shards=4",
        ]
    )
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
