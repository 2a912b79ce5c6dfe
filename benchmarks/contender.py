"""What every contender shares: it reads a file, times itself and prints one line of JSON."""

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.process_tree import ProcessTree

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


def main(
    run: Callable[[str], Callable[[], str]],
    begin: Callable[[str], dict[str, str]] | None = None,
    figures: Callable[[], dict[str, int]] = dict,
) -> None:
    """Run a contender from the command line: `--input FILE --json`.

    Seconds are of `run` alone: neither the interpreter's start nor the imports are in them, and not
    the digest of the result, which the function that `run` returns makes for the check. Processor
    time and the peak of memory are those of this process and all that it started; the peak is taken
    before that check.

    Args:
        run: does the work on a file; what it returns digests the result.
        begin: starts and warms up what a contender needs, untimed, on the same file; returns the
            versions of its tools. Its memory counts.
        figures: what else is to be told of the work that is done.
    """
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--input", required=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    events = _lines_in(options.input)
    tools = begin(options.input) if begin else {}
    with ProcessTree() as taken:
        begun = time.perf_counter()
        result_of = run(options.input)
        seconds = time.perf_counter() - begun
    told = {
        "seconds": seconds,
        "cpu_seconds": taken.cpu_seconds,
        "events": events,
        "peak_mb": taken.peak_mb,
        "tools": tools,
    }
    result = result_of()
    if options.json:
        print(json.dumps({**told, "figures": figures(), "result": result}))
    else:
        print(f"{events} events in {seconds:.2f} s, {taken.peak_mb:.0f} MB; result {result}")


def _lines_in(path: str) -> int:
    """Count the lines of a file: it is then in the system's cache, and not in this memory."""
    with Path(path).open("rb") as file:
        return sum(part.count(b"\n") for part in iter(lambda: file.read(_READ_BYTES), b""))
