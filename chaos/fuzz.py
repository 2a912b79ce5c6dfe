"""Fuzzing of all that reads what others wrote: seeded, bounded, a line for each target.

    python -m chaos.fuzz --seed=7 --executions=100000

Inputs are neighbours of valid ones. Whatever leaves an entry point beside its documented error is a
crash, and so is a broken promise, an input that takes too long, or too much memory. The exit status
is 0 where there is none, 1 where there is one, 2 where nothing could be run.
"""

import argparse
import functools
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from chaos.fuzz_keep import keep
from chaos.fuzz_page import record, summary, write_table
from chaos.fuzz_runs import CORPUS, FuzzError, TargetRun, run_target
from chaos.fuzz_target import Target
from chaos.fuzz_targets import TARGETS, load_target

__all__ = ["main"]

_RESULT = "fuzz.json"
_SEED = 20_260_101
_EXECUTIONS = 50_000
_LEAST = 50
_THOUSAND = 1_000
_ROOT = Path(__file__).parents[1]
_RESULTS = _ROOT / "build" / "fuzz"
_RECORDED = _ROOT / "docs" / "chaos"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the targets; return the exit status."""
    try:
        given = _arguments(argv)
        targets = [load_target(name) for name in given.target or TARGETS]
        with ThreadPoolExecutor(given.processes) as pool:
            runs = list(pool.map(functools.partial(_run, given), targets))
        found = record(runs, given.seed)
        _write(found, given.results)
        if given.record:
            _write(found, _RECORDED)
            write_table(found)
            _keep(targets, given.results)
    except (FuzzError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    _say(summary(found))
    return 1 if found["crashes"] else 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos.fuzz", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seed", type=int, default=_SEED, help="of all mutations")
    parser.add_argument("--executions", type=_count, default=_EXECUTIONS, help="of all targets")
    parser.add_argument("--processes", type=_count, default=1, help="targets that run at a time")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this; repeatable")
    parser.add_argument(
        "--results", type=Path, default=_RESULTS, help=f"folder for {_RESULT} and all inputs"
    )
    parser.add_argument(
        "--record", action="store_true", help="keep what is new, and write docs/fuzz.md"
    )
    return parser.parse_args(argv)


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(text)
    return count


def _run(given: argparse.Namespace, target: Target) -> TargetRun:
    share = max(given.executions * target.weight // _THOUSAND, _LEAST)
    executions = max(given.executions // len(given.target), 1) if given.target else share
    folder = given.results / target.name
    run = run_target(target, given.seed, executions, folder)
    _say(run.line)
    for kind, times in run.crashes.items():
        _say(f"{target.name}: {times} times {kind}; see {folder / 'crashes'}")
    return run


def _write(found: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _RESULT).write_text(json.dumps(found, indent=1) + "\n")


def _keep(targets: Sequence[Target], folder: Path) -> None:
    for target in targets:
        inputs = folder / target.name
        keep(target, inputs / "found", inputs / "crashes", CORPUS / target.name)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
