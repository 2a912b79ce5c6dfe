"""How time, memory, state and requests to sinks grow with events, and with users.

Every point is a process of its own and is checked against an oracle. What a contender takes before
it has done anything is measured too, with an input of a thousand events, and taken from each point
before an exponent is fitted, as are those events: a fixed start would make it look smaller than it
is. These, and the shortest input of the curve over events, are medians of three runs, because what
is small decides as much as what is large.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec

from benchmarks import oracles
from benchmarks.growth_fit import fitted, without_start
from benchmarks.growth_inputs import of_users
from benchmarks.harness import BenchmarkError, Contender, Measured, run_once
from benchmarks.inputs import Input, prepared

__all__ = ["FIGURES", "TARGET", "measure", "quick", "told"]

TARGET = 1.05
FIGURES = {
    "seconds": "seconds",
    "cpu_seconds": "processor seconds",
    "peak_mb": "peak MB",
    "state_bytes": "bytes of state",
    "requests": "requests to Bigtable",
    "mutations": "mutations",
}
"""What is told of a point, and how it is called."""

_BEGUN = ("seconds", "cpu_seconds", "peak_mb")
"""What a contender takes before it has done anything; the others count what was done."""

_START = 1_000
_TURNS = 3
_EVENTS = (100_000, 300_000, 1_000_000, 3_000_000)
_USERS = (1_000, 10_000, 100_000, 1_000_000)
_EVENTS_OF_USERS = 1_000_000
_QUICK = 50


class _Envelope(msgspec.Struct, gc=False):
    event_id: str
    user_id: str | None = None


def _events_of_users(path: Path) -> str:
    """Count the events that have a user, each id once: what the tiles of users must add up to."""
    decode = msgspec.json.Decoder(_Envelope).decode
    with path.open("rb") as file:
        ids = {each.event_id for each in map(decode, file) if each.user_id is not None}
    return f"{len(ids)} events of users"


class _Work(NamedTuple):
    contender: Contender
    oracle: Callable[[Path], str]


_WORKS = (
    _Work(Contender("dedupe and count, batch", "bench_distinct_count"), oracles.counts_by_minute),
    _Work(Contender("stateful dedupe", "grow_deduplicate"), oracles.unique_ids),
    _Work(Contender("hot path, batch", "grow_hot_path"), _events_of_users),
    _Work(Contender("hot path, as a stream", "grow_hot_path_stream"), _events_of_users),
)

_Inputs = dict[int, Path]


def measure(shrunk: int = 1) -> dict[str, Any]:
    """Return the document of both curves.

    Args:
        shrunk: by how much the inputs are divided.

    Raises:
        BenchmarkError: a contender failed or gave a wrong result.
    """
    lengths = [events // shrunk for events in _EVENTS]
    counts = [users // shrunk for users in _USERS]
    of_all = Input(_EVENTS_OF_USERS // shrunk)
    curves = {
        "events": ({events: prepared(Input(events)) for events in lengths}, None),
        "users": ({users: of_users(of_all, users) for users in counts}, of_all.events),
    }
    start = list(_points({_START: prepared(Input(_START))}, _START))
    return {
        "name": "growth",
        "title": "growth with events and users",
        "start_events": _START,
        "start": start,
        "curves": [
            _curve(over, inputs, events, start) for over, (inputs, events) in curves.items()
        ],
    }


def quick() -> dict[str, Any]:
    """Measure a fiftieth: a look."""
    return measure(_QUICK)


def told(document: dict[str, Any]) -> str:
    """Return the exponents as sentences."""
    return " ".join(_told(curve) for curve in document["curves"])


def _told(curve: dict[str, Any]) -> str:
    first, last = curve["points"][0][curve["over"]], curve["points"][-1][curve["over"]]
    worst = {
        what: max(values, key=lambda each: each["exponent"])
        for what in FIGURES
        if (values := [each for each in curve["exponents"] if each["figure"] == what])
    }
    greatest = ", ".join(
        f"{FIGURES[what]} {each['exponent']:.2f} ({each['work']})" for what, each in worst.items()
    )
    above = [each for each in worst.values() if each["exponent"] > TARGET]
    verdict = f"target {TARGET} missed" if above else f"target {TARGET}"
    return (
        f"From {first:,} to {last:,} {curve['over']}, greatest exponents without the fixed start: "
        f"{greatest}; {verdict}."
    )


def _curve(
    over: str, inputs: _Inputs, events: int | None, start: list[dict[str, Any]]
) -> dict[str, Any]:
    often = min(inputs) if over == "events" else 0
    points = [{**point, over: point.pop("at")} for point in _points(inputs, often)]
    return {
        "over": over,
        "events": events,
        "points": points,
        "exponents": list(_exponents(over, points, start)),
    }


def _points(inputs: _Inputs, often: int) -> Iterator[dict[str, Any]]:
    """Measure all works on each input, the works in turns, so that a slow hour slows them all."""
    for at, path in inputs.items():
        for work in _WORKS:
            wanted = work.oracle(path)
            runs = [run_once(work.contender, path) for _ in range(_TURNS if at == often else 1)]
            if {each.result for each in runs} != {wanted}:
                msg = f"growth: the result of {work.contender.name} is not the right one"
                raise BenchmarkError(msg)
            yield {"work": work.contender.name, "at": at, **_figures(runs)}


def _figures(runs: list[Measured]) -> dict[str, Any]:
    taken = {
        "seconds": round(median(each.seconds for each in runs), 3),
        "cpu_seconds": round(median(each.cpu_seconds or 0.0 for each in runs), 3),
        "peak_mb": round(median(each.peak_mb for each in runs), 1),
    }
    return taken | {name: value for name, value in runs[-1].figures.items() if value}


def _exponents(
    over: str, points: list[dict[str, Any]], start: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield the exponent of each figure of each work, without the fixed start and with it."""
    begun = {each["work"]: each for each in start}
    done = _START if over == "events" else 0
    for work, first in begun.items():
        for figure in FIGURES:
            curve = [(p[over], p[figure]) for p in points if p["work"] == work and figure in p]
            fixed, some = (first[figure], done) if figure in _BEGUN else (0, 0)
            law, whole = fitted(without_start(curve, fixed, some)), fitted(curve)
            if law and whole:
                yield {
                    "work": work,
                    "figure": figure,
                    "start": fixed,
                    "exponent": round(law.exponent, 3),
                    "with_start": round(whole.exponent, 3),
                }
