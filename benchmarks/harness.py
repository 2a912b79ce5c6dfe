"""Runs contenders as processes of their own, in turns, and compares what they took and what came.

Every contender is `python -m benchmarks.<module> --input FILE --json` and prints one line of JSON:
`seconds` (measured inside, without the interpreter's start and the imports), `peak_mb`, `events`,
`tools` (versions) and `result`, a digest. A result that differs from the oracle's ends the
benchmark: a time is never a verdict, a wrong answer always is.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.inputs import Archived, Input, prepared
from benchmarks.peer_environment import peers_python
from local.errors import ServiceError

__all__ = ["ROOT", "BenchmarkError", "Contender", "Measured", "Peer", "Row", "run_once", "run_row"]

ROOT = Path(__file__).parents[1]
_LAST_LINES = 5


class BenchmarkError(RuntimeError):
    """A contender that failed, or whose result is wrong; one line."""


class Contender(NamedTuple):
    """A program to measure. `arguments` come after the input.

    `tool`: what it is written in, where that is neither the suite nor plain Beam. `apart`: it runs
    in the environment of the peers.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    tool: str = ""
    apart: bool = False


class Peer(NamedTuple):
    """What the suite is compared with, how many times as fast it is to be, and on which input.

    `target` is None where it is only told how the suite stands beside it. `input` is None for the
    row's own; another one is for peers too slow for that: then events per second are compared, and
    the table says so. `lighter`: ours is to take less memory, too.
    """

    contender: Contender
    target: float | None
    input: Input | Archived | None = None
    lighter: bool = False


class Row(NamedTuple):
    """One benchmark: ours against peers, all checked against the oracle of their input.

    Without an oracle the results have to be equal to each other.
    """

    name: str
    title: str
    input: Input | Archived
    ours: Contender
    peers: tuple[Peer, ...]
    oracle: Callable[[Path], str] | None


class Measured(NamedTuple):
    """One run. `seconds` is the contender's own figure, `wall` that of the whole process.

    `cpu_seconds` is what the work took of the processor, where the contender tells it: it says
    whether a difference is one of the machine's other work.
    """

    seconds: float
    events: int
    result: str
    wall: float
    peak_mb: float
    cpu_seconds: float | None = None
    tools: dict[str, str] = {}  # noqa: RUF012 (never changed, and a named tuple has no factories)
    figures: dict[str, int] = {}  # noqa: RUF012


_Entry = tuple[Contender, Input | Archived, Peer | None]


def run_row(
    row: Row, runs: int, scale: float = 1.0, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Measure a row, the contenders in turns (A B A B ...); return its document for `results/`.

    Args:
        row: what to measure.
        runs: the number of turns; medians are reported.
        scale: shrinks all inputs, for a quick look.
        say: told what happens.

    Raises:
        BenchmarkError: a contender failed or gave a wrong result.
    """
    entries: list[_Entry] = [(row.ours, row.input, None)]
    entries += [(peer.contender, peer.input or row.input, peer) for peer in row.peers]
    inputs = {given: prepared(_scaled(given, scale)) for _, given, _ in entries}
    wanted = {given: row.oracle(path) for given, path in inputs.items()} if row.oracle else {}
    taken: dict[str, list[Measured]] = {contender.name: [] for contender, _, _ in entries}
    for turn in range(runs):
        for contender, given, _ in entries:
            measured = run_once(contender, inputs[given])
            if measured.result != wanted.setdefault(given, measured.result):
                msg = f"{row.name}: the result of {contender.name} is not the right one"
                raise BenchmarkError(msg)
            taken[contender.name].append(measured)
            say(f"{row.name} {turn + 1}/{runs} {contender.name}: {measured.seconds:.2f} s")
    return {
        "name": row.name,
        "title": row.title,
        "runs": runs,
        "contenders": list(_compared(entries, taken)),
    }


def run_once(contender: Contender, path: Path) -> Measured:
    """Run a contender in a process of its own and read its line."""
    module = f"benchmarks.{contender.module}"
    python = _interpreter(contender)
    command = [python, "-m", module, "--input", str(path), "--json", *contender.arguments]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaints:
        begun = time.perf_counter()
        code = subprocess.call(command, stdout=out, stderr=complaints, cwd=ROOT)
        wall = time.perf_counter() - begun
        if code:
            raise BenchmarkError(_failure(contender, code, _text(complaints)))
        said = json.loads(_text(out).strip().splitlines()[-1])
    taken = said["seconds"], said["events"], said["result"]
    told = said.get("tools", {}), said.get("figures", {})
    return Measured(*taken, wall, said["peak_mb"], said.get("cpu_seconds"), *told)


def _interpreter(contender: Contender) -> str:
    try:
        return str(peers_python()) if contender.apart else sys.executable
    except ServiceError as error:
        msg = f"{contender.name}: {error}"
        raise BenchmarkError(msg) from None


def _compared(entries: list[_Entry], taken: dict[str, list[Measured]]) -> Iterator[dict[str, Any]]:
    first = taken[entries[0][0].name]
    ours, held = _rate(first), _peak(first)
    for contender, given, peer in entries:
        runs = taken[contender.name]
        rate, peak = _rate(runs), _peak(runs)
        yield {
            "contender": contender.name,
            "tool": contender.tool,
            "tools": runs[-1].tools,
            "events": runs[0].events,
            "seconds": round(statistics.median(run.seconds for run in runs), 3),
            "seconds_each": [round(run.seconds, 3) for run in runs],
            "cpu_seconds": _median_or_none([run.cpu_seconds for run in runs]),
            "wall_seconds": round(statistics.median(run.wall for run in runs), 3),
            "events_per_second": round(rate),
            "peak_mb": round(peak, 1),
            "ratio": None if peer is None else round(ours / rate, 2),
            "target": None if peer is None else peer.target,
            "lighter": held < peak if peer is not None and peer.lighter else None,
            "own_input": given != entries[0][1],
        }


def _median_or_none(figures: list[float | None]) -> float | None:
    told = [figure for figure in figures if figure is not None]
    return round(statistics.median(told), 3) if told else None


def _peak(runs: list[Measured]) -> float:
    return max(run.peak_mb for run in runs)


def _rate(runs: list[Measured]) -> float:
    return runs[0].events / statistics.median(run.seconds for run in runs)


def _scaled(given: Input | Archived, scale: float) -> Input | Archived:
    return given._replace(events=max(1_000, int(given.events * scale)))


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode(errors="replace"))


def _failure(contender: Contender, code: int, complaints: str) -> str:
    last = " | ".join(complaints.strip().splitlines()[-_LAST_LINES:])
    return f"{contender.name} ended with {code}: {last}"
