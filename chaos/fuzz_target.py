"""What a fuzz target is: an entry point, what it promises for any bytes, and its seeds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

__all__ = ["CANARY", "BrokenPromiseError", "Target", "promise", "promise_one_line"]

CANARY = "Zq7canary"
"""Stands in values and secrets of seeds: a message that tells one of them holds it."""

_LONGEST_LINE = 20_000


class BrokenPromiseError(AssertionError):
    """An entry point took an input, or refused it, otherwise than it promises."""


@dataclass(frozen=True)
class Target:
    """One entry point that reads what others wrote.

    Args:
        name: Of the target, and of its folder of kept inputs.
        told: What it promises, in a line.
        check: Hands bytes to the entry point; raises nothing where it keeps its promises. Its
            documented error is caught in there; whatever leaves it is a crash.
        seeds: Valid inputs, and some that are refused.
        mutate: Returns a neighbour of an input, equal for equal numbers; mostly it keeps the
            structure, for random bytes seldom come behind the first check.
        weight: Its part of the executions of a run, in thousandths; the quicker, the more.
        max_bytes: Of an input.
        seconds: Of the processor that an input may take.
        megabytes: By which an input may raise the peak of memory.
    """

    name: str
    told: str
    check: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    mutate: Callable[[bytes, Random], bytes]
    weight: int
    max_bytes: int = 16_384
    seconds: float = 2.0
    megabytes: float = 256.0


def promise(holds: bool, told: str) -> None:
    """Raise `BrokenPromiseError` with what was promised unless it holds."""
    if not holds:
        raise BrokenPromiseError(told)


def promise_one_line(error: Exception) -> None:
    """Check what a person is told: a line, with no value of the input in it."""
    line = str(error)
    promise(bool(line.strip()), "a refusal says why")
    promise("\n" not in line.strip(), "a refusal is one line")
    promise(len(line) <= _LONGEST_LINE, "a refusal is a line that can be read")
    promise("Traceback" not in line, "a refusal is no traceback")
