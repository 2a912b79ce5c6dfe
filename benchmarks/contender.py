"""What every contender shares: it reads a file, times itself and prints one line of JSON."""

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = ["digest", "main"]


def digest(rows: Iterable[object]) -> str:
    """Return a digest of a result that does not depend on the order of its rows.

    >>> digest([("b", 2), ("a", 1)]) == digest([["a", 1], ["b", 2]])
    True
    """
    lines = sorted(json.dumps(row, sort_keys=True) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def main(run: Callable[[str], Callable[[], str]]) -> None:
    """Run a contender from the command line: `--input FILE --json`.

    Seconds are of `run` alone: neither the interpreter's start nor the imports are in them, and not
    the digest of the result, which the function that `run` returns makes for the check.
    """
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--input", required=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    events = Path(options.input).read_bytes().count(b"\n")
    begun, busy = time.perf_counter(), time.process_time()
    result_of = run(options.input)
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - busy
    result = result_of()
    if options.json:
        told = {"seconds": seconds, "cpu_seconds": cpu_seconds, "events": events}
        print(json.dumps({**told, "result": result}))
    else:
        print(f"{events} events in {seconds:.2f} s; result {result}")
