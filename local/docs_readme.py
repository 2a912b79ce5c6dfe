"""The part of the README that is made: the recorded benchmarks, in short."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["END", "START", "benchmark_lines", "readme"]

_ROOT = Path(__file__).parents[1]
_RESULTS = _ROOT / "benchmarks" / "results"
START = "<!-- benchmarks: written by `make docs` -->"
END = "<!-- end -->"
_ORDER = (
    "hot_path",
    "curate",
    "window_count",
    "window_measures",
    "archive",
    "replay",
    "replay_decoded",
    "deduplicate",
    "distinct_count",
    "mutations",
    "read_messages",
)
"""Those of whole jobs first."""


def readme() -> dict[Path, str]:
    """Return the README with its table renewed.

    Raises:
        ValueError: it has no place for the table.
    """
    path = _ROOT / "README.md"
    before, found, rest = path.read_text().partition(START)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        msg = f"README.md: write the lines {START} and {END} where the benchmarks are to be told"
        raise ValueError(msg)
    lines = "\n".join(benchmark_lines())
    return {path: f"{before}{START}\n{lines}\n{END}{after}"}


def benchmark_lines(results: Path = _RESULTS) -> Iterator[str]:
    """Yield a table of what was recorded, each beside the first of its peers."""
    found = {path.stem: json.loads(path.read_text()) for path in results.glob("*.json")}
    compared = {name: each for name, each in found.items() if "contenders" in each}
    yield from ("", "| events a second | Penstock | plain Beam | faster |", "|---|---|---|---|")
    for name in sorted(compared, key=lambda name: (_place(name), name)):
        ours, peer, *_ = compared[name]["contenders"]
        yield (
            f"| {compared[name]['title']} | {_speed(ours)} | {_speed(peer)} "
            f"| **{peer['ratio']:.1f}x** |"
        )
    yield from ("", _taken(compared), "")


def _place(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _speed(contender: Mapping[str, Any]) -> str:
    return f"{round(contender['events'] / contender['seconds'], -2):,.0f}"


def _taken(documents: Mapping[str, Mapping[str, Any]]) -> str:
    taken = [each["taken"] for each in documents.values()]
    machines = sorted({f"{each['cpus']} cores, Beam {each['beam']}" for each in taken})
    days = sorted({each["date"] for each in taken})
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"Medians, {'; '.join(machines)}, {span}; the results of both are checked to be equal."
