"""What every contender shares: it reads a file, times itself and prints one line of JSON."""

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.memory import peak_mb

__all__ = ["digest", "digest_of_many", "main"]

_READ_BYTES = 1_048_576


def digest(rows: Iterable[object]) -> str:
    """Return a digest of a result that does not depend on the order of its rows.

    >>> digest([("b", 2), ("a", 1)]) == digest([["a", 1], ["b", 2]])
    True
    """
    lines = sorted(json.dumps(row, sort_keys=True) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def digest_of_many(rows: Iterable[bytes]) -> str:
    """Return a digest that does not depend on order either, of more rows than memory holds.

    >>> digest_of_many([b"a", b"b", b"b"]) == digest_of_many([b"b", b"a", b"b"])
    True
    >>> digest_of_many([b"a", b"b", b"b"]) == digest_of_many([b"a", b"b"])
    False
    """
    count = total = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 (the last count is the answer)
        total += int.from_bytes(hashlib.blake2b(row, digest_size=16).digest(), "big")
    return f"{total % 2**128:032x} of {count}"


def main(run: Callable[[str], Callable[[], str]]) -> None:
    """Run a contender from the command line: `--input FILE --json`.

    Seconds are of `run` alone: neither the interpreter's start nor the imports are in them, and not
    the digest of the result, which the function that `run` returns makes for the check. The peak of
    memory is taken before that check.
    """
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--input", required=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    events = _lines_in(options.input)
    begun, busy = time.perf_counter(), time.process_time()
    result_of = run(options.input)
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - busy
    told = {"seconds": seconds, "cpu_seconds": cpu_seconds, "events": events, "peak_mb": peak_mb()}
    result = result_of()
    if options.json:
        print(json.dumps({**told, "result": result}))
    else:
        print(f"{events} events in {seconds:.2f} s, {told['peak_mb']:.0f} MB; result {result}")


def _lines_in(path: str) -> int:
    """Count the lines of a file: it is then in the system's cache, and not in this memory."""
    with Path(path).open("rb") as file:
        return sum(part.count(b"\n") for part in iter(lambda: file.read(_READ_BYTES), b""))
