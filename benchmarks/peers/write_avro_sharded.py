"""The same as `write_avro`, into as many files as ours makes shards: what the engine shuffles."""

from collections.abc import Callable

from benchmarks.contender import main
from benchmarks.peers.write_avro import written

__all__ = ["run"]

_SHARDS = 16


def run(path: str) -> Callable[[], str]:
    """Parse events and write them."""
    return written(path, _SHARDS)


if __name__ == "__main__":
    main(run)
