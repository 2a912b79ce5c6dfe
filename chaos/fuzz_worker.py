"""One target in a process of its own, under atheris where it is to be had.

    python -m chaos.fuzz_worker TARGET --seed=1 --executions=1000 --folder=F

In the folder F are `seeds` and `found` with inputs, `crashes` with those that broke a promise, and
`result.json` at the end. Parents read the coverage from what libFuzzer prints.
"""

import argparse
import importlib.util
import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from chaos.fuzz_crash import Crashes

__all__ = ["main"]

_ROOMS = ["schemas", "transforms", "pipelines", "console"]
# The processor's time is the bound; this is for what holds on to the interpreter.
_WALL_SECONDS = 60
_MOST_MEGABYTES = 4_096


class SlowInputError(AssertionError):
    """An input took longer than its target may."""


class HungryInputError(AssertionError):
    """An input raised the peak of memory by more than its target may."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one target to its end; atheris ends the process itself."""
    parser = argparse.ArgumentParser(prog="python -m chaos.fuzz_worker")
    parser.add_argument("target")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--executions", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args(argv)
    atheris = _atheris()
    from chaos.fuzz_targets import load_target  # noqa: PLC0415 (only what comes now is measured)

    target = load_target(given.target) if atheris is None else _load(atheris, given.target)
    for number, seed in enumerate(target.seeds()):
        (given.folder / "seeds" / f"seed-{number:03}").write_bytes(seed[: target.max_bytes])
    watched = _Watched(target, given.folder, given.executions)
    if atheris is None:
        _plainly(target, watched, given.seed, given.executions, given.folder)
        return 0
    _guided(atheris, target, watched, given)
    return 0


def _atheris() -> Any:
    # It has no wheels for some systems and versions of Python.
    if importlib.util.find_spec("atheris") is None:
        return None
    return importlib.import_module("atheris")


def _load(atheris: Any, name: str) -> Any:
    with atheris.instrument_imports(include=_ROOMS):
        from chaos.fuzz_targets import load_target  # noqa: PLC0415

        return load_target(name)


class _Watched:
    """Hands inputs to a target, and keeps those that it should have come to terms with."""

    def __init__(self, target: Any, folder: Path, executions: int) -> None:
        self._target, self._folder, self._last = target, folder, executions
        self._crashes = Crashes(self._judged, folder / "crashes")
        self._executions = 0
        self._began = time.process_time()
        self._peak = _peak()

    def __call__(self, data: bytes) -> None:
        self._executions += 1
        try:
            self._judged(data)
        except Exception as error:
            self._crashes.add(data, error)
        # libFuzzer leaves the process behind the last one, without a word to Python.
        if self._executions == self._last:
            self._tell()

    def _judged(self, data: bytes) -> None:
        began = time.thread_time()
        self._target.check(data)
        took, peak = time.thread_time() - began, _peak()
        grown, self._peak = peak - self._peak, peak
        if took > self._target.seconds:
            msg = f"an input took {took:.1f} s, more than {self._target.seconds}"
            raise SlowInputError(msg)
        if grown > self._target.megabytes:
            msg = f"an input took {grown:.0f} MB, more than {self._target.megabytes}"
            raise HungryInputError(msg)

    def _tell(self) -> None:
        told = {
            "executions": self._executions,
            "seconds": round(time.process_time() - self._began, 1),
            "peak_mb": round(_peak()),
            "crashes": self._crashes.told(),
        }
        (self._folder / "result.json").write_text(json.dumps(told))


def _guided(atheris: Any, target: Any, watched: Callable[[bytes], None], given: Any) -> None:
    def mutated(data: bytes, most: int, seed: int) -> bytes:
        return bytes(target.mutate(data, Random(seed))[:most])

    folder = given.folder
    options = (
        f"-runs={given.executions}",
        f"-seed={given.seed}",
        f"-max_len={target.max_bytes}",
        f"-timeout={_WALL_SECONDS}",
        f"-rss_limit_mb={_MOST_MEGABYTES}",
        f"-artifact_prefix={folder / 'crashes'}/",
        # What depends on addresses in memory is left out: equal seeds find the same.
        "-cross_over=0",
        "-mutate_depth=1",
        "-len_control=0",
        "-reload=0",
        "-print_final_stats=1",
    )
    corpus = [str(folder / name) for name in ("found", "seeds")]
    atheris.Setup([sys.argv[0], *options, *corpus], watched, custom_mutator=mutated)
    atheris.Fuzz()


def _plainly(
    target: Any, watched: Callable[[bytes], None], seed: int, executions: int, folder: Path
) -> None:
    """Mutate the seeds again and again, without a look at what they reach."""
    corpus = [path.read_bytes() for path in sorted((folder / "seeds").iterdir())]
    random = Random(seed)
    for data in corpus[:executions]:
        watched(data)
    for _ in range(executions - len(corpus)):
        data = random.choice(corpus)
        for _ in range(1 + random.randrange(4)):
            data = target.mutate(data, random)
        watched(data[: target.max_bytes])


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
