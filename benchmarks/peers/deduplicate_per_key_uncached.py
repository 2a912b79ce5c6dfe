"""`deduplicate_per_key` with the local worker's state cache off, to its advantage."""

from collections.abc import Callable

from apache_beam.runners.portability.fn_api_runner import worker_handlers

from benchmarks.contender import main
from benchmarks.peers import deduplicate_per_key

__all__ = ["run"]


def run(path: str) -> Callable[[], str]:
    """Dedupe by id and write the ids that passed."""
    # No option reaches the local runner's cache.
    worker_handlers.STATE_CACHE_SIZE_MB = 0
    return deduplicate_per_key.run(path)


if __name__ == "__main__":
    main(run)
