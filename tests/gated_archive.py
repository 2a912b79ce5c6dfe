"""The archive job, whose writes of objects wait for as long as a file is there.

python -m tests.gated_archive GATE [options of the job]
"""

import pathlib
import sys
import time

from pipelines.archive_raw import main
from transforms import pubsub_lease, pubsub_session, write_archive
from transforms.object_store import create_object

__all__ = ["run"]


def run(gate: pathlib.Path, arguments: list[str]) -> int:
    """Run the job with the gate; return its exit status."""

    def gated(path: str, content: bytes) -> bool:
        while path.endswith(".avro") and gate.exists():
            gate.with_suffix(".waiting").touch()
            time.sleep(0.05)
        return create_object(path, content)

    # Prism's LOOPBACK environment runs the writes in this process.
    write_archive.create_object = gated
    pubsub_lease.EXTENSION = pubsub_session.EXTENSION = 10
    return main(arguments)


if __name__ == "__main__":
    sys.exit(run(pathlib.Path(sys.argv[1]), sys.argv[2:]))
