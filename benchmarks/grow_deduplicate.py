"""The stateful dedupe of `bench_deduplicate`, which tells what it gave the engine to keep."""

from collections.abc import Callable

from benchmarks.bench_deduplicate import run as deduplicate
from benchmarks.contender import main
from benchmarks.counted_state import counted_state

__all__ = ["run", "told"]

_TOLD: dict[str, int] = {}


def run(path: str) -> Callable[[], str]:
    """Dedupe with state, version fence, horizon and timers."""
    with counted_state() as kept:
        result_of = deduplicate(path)
    _TOLD.update(state_bytes=kept.most)
    return result_of


def told() -> dict[str, int]:
    """Return what the last run kept."""
    return _TOLD


if __name__ == "__main__":
    main(run, figures=told)
