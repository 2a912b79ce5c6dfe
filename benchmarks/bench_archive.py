"""The suite's archive job, file to immutable objects: each line is a message, kept as it is."""

import shutil
import tempfile
from collections.abc import Callable, Iterator

# The job names its engine, which is then imported: as with the peer, that is not timed.
import apache_beam.runners.portability.fn_api_runner  # noqa: F401
import msgspec

from benchmarks.contender import digest_of_many, main
from benchmarks.inputs import SOURCE
from benchmarks.oracles import content_of
from pipelines import archive_raw
from transforms.archive_manifest import list_hours
from transforms.archive_objects import read_packs

__all__ = ["archive_lines", "run"]


def run(path: str) -> Callable[[], str]:
    """Archive the lines of a file."""
    folder = tempfile.mkdtemp()
    archive_lines(path, folder)
    return lambda: _digest_of(folder)


def archive_lines(path: str, folder: str) -> None:
    """Archive the lines of a file in a folder."""
    archive_raw.run(
        [
            f"--input_files={path}",
            f"--archive_output={folder}",
            f"--source={SOURCE}",
            "--now=2026-01-01T00:00:00Z",
        ]
    )


def _digest_of(folder: str) -> str:
    found = digest_of_many(map(content_of, map(msgspec.json.decode, _payloads(folder))))
    shutil.rmtree(folder)
    return found


def _payloads(root: str) -> Iterator[bytes]:
    for hour in list_hours(root, SOURCE):
        for entry in hour.entries:
            for _, pack in read_packs(hour.path_of(entry), entry):
                yield from pack.payloads


if __name__ == "__main__":
    main(run)
