"""The suite's curated events, file to files that BigQuery loads, with the shipped contracts."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

# The job names its engine, which is then imported: as with the peer, that is not timed.
import apache_beam.runners.portability.fn_api_runner  # noqa: F401

from benchmarks.contender import main
from benchmarks.oracles import digest_of_rows
from pipelines import curate_events

__all__ = ["run"]


def run(path: str) -> Callable[[], str]:
    """Read events and write the rows of their tables."""
    folder = Path(tempfile.mkdtemp())
    os.environ["BENCHMARK_KEY"] = "k1:pseudonyms-of-invented-people"
    curate_events.run(
        [
            f"--input_files={path}",
            f"--rows_output={folder / 'rows'}",
            f"--quarantine_output={folder / 'quarantine'}",
            "--pseudonym_key=env:BENCHMARK_KEY",
        ]
    )
    return lambda: digest_of_rows(_rows_in(folder))


def _rows_in(folder: Path) -> Iterator[dict]:
    for path in (folder / "rows").rglob("*.ndjson"):
        with path.open("rb") as file:
            yield from map(json.loads, file)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(run)
