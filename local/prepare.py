"""Sets up the local services and Prism, once: `python -m local.prepare`."""

import sys
from collections.abc import Callable

from local.binaries import BIGTABLE, PRISM, PUBSUB, java_pubsub
from local.errors import MissingServiceError, ServiceError
from local.toolchains import built_expansion_jar, expansion_jar, python_environment

__all__ = ["main", "prepare"]


def prepare(print_line: Callable[[str], None]) -> None:
    """Find or build what tests and demo need, and say where each is.

    Raises:
        ServiceError: one of them can neither be found nor built.
    """
    programs = (("Bigtable emulator", BIGTABLE), ("Pub/Sub emulator", PUBSUB), ("Prism", PRISM))
    for name, program in programs:
        if not program.find():
            print_line(f"{name}: is built, once; this takes a minute or two")
        print_line(f"{name}: {program.obtain()}")
    print_line(f"Cloud Storage emulator: {python_environment('gcs')}")
    try:
        print_line(f"BigQuery emulator: {python_environment('bigquery')}")
    except MissingServiceError as error:
        print_line(f"not here, and needed for BigQuery only: {error}")
    try:
        if not built_expansion_jar():
            print_line("Beam's expansion service: is built, once; this takes a minute or two")
        print_line(f"Beam's expansion service: {expansion_jar()}")
    except MissingServiceError as error:
        print_line(
            f"not here, and needed for the tests of the Storage Write API and Kafka only: {error}"
        )
    try:
        print_line(f"official Pub/Sub emulator: {java_pubsub()[-1]}")
    except MissingServiceError as error:
        print_line(f"not here, and optional: official Pub/Sub emulator: {error}")


def main() -> int:
    """Prepare, and return the exit status."""
    try:
        prepare(lambda line: print(line, flush=True))
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
