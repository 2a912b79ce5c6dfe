"""The suite's hot path, file to cells, with the shipped features."""

import base64
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

# The job names its engine, which is then imported: as with the peer, that is not timed.
import apache_beam.runners.portability.fn_api_runner  # noqa: F401

from benchmarks.contender import main
from benchmarks.oracles import digest_of_cells
from pipelines import hot_path
from transforms.write_cell_lines import read_cell_lines

__all__ = ["cells_in", "run", "run_job"]


def run(path: str) -> Callable[[], str]:
    """Read events and write the cells of their users and sessions."""
    folder = run_job(path)
    return lambda: digest_of_cells(_removed(folder))


def run_job(path: str, *more: str) -> Path:
    """Run the job on a file, with more options; return the folder of `cells` and `quarantine`."""
    folder = Path(tempfile.mkdtemp())
    os.environ["BENCHMARK_KEY"] = "k1:pseudonyms-of-invented-people"
    hot_path.run(
        [
            f"--input_files={path}",
            f"--cells_output={folder / 'cells'}",
            f"--quarantine_output={folder / 'quarantine'}",
            "--pseudonym_key=env:BENCHMARK_KEY",
            "--shards=4",
            *more,
        ]
    )
    return folder


def _removed(folder: Path) -> Iterator[tuple[str, str, str, int, str]]:
    yield from cells_in(folder)
    shutil.rmtree(folder)


def cells_in(folder: Path) -> Iterator[tuple[str, str, str, int, str]]:
    """Yield the cells below a folder as `digest_of_cells` takes them."""
    for cell in read_cell_lines(str(folder)):
        value = base64.b64encode(cell.value).decode()
        yield cell.key.decode(), cell.family, cell.qualifier, cell.timestamp_micros, value


if __name__ == "__main__":
    main(run)
