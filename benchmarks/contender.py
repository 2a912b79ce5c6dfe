"""What every contender shares: it reads a file, times itself and prints one line of JSON."""

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

__all__ = ["Outcome", "digest", "lines_in", "main"]


class Outcome(NamedTuple):
    """What came of a run: how many events went in; `result` gives a digest of what came out.

    The digest is for the check and not part of the work, so its time is not taken.
    """

    events: int
    result: Callable[[], str]


def digest(rows: Iterable[object]) -> str:
    """Return a digest of a result that does not depend on the order of its rows.

    >>> digest([("b", 2), ("a", 1)]) == digest([["a", 1], ["b", 2]])
    True
    """
    lines = sorted(json.dumps(row, sort_keys=True) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def lines_in(path: str) -> int:
    """Return the number of lines of an input file."""
    with open(path, "rb") as file:
        return sum(1 for _ in file)


def main(run: Callable[[str], Outcome]) -> None:
    """Run a contender from the command line: `--input FILE --json`.

    Seconds are of `run` alone: neither the interpreter's start nor the imports are in them.
    """
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--input", required=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    begun, busy = time.perf_counter(), time.process_time()
    outcome = run(options.input)
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - busy
    result = outcome.result()
    if options.json:
        told = {"seconds": seconds, "cpu_seconds": cpu_seconds, "events": outcome.events}
        print(json.dumps({**told, "result": result}))
    else:
        print(f"{outcome.events} events in {seconds:.2f} s; result {result}")
