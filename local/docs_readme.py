"""The part of the README that is made: the recorded benchmarks, in short."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["END", "START", "benchmark_lines", "readme"]

Document: TypeAlias = Mapping[str, Any]

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
    "bytewax_count",
    "stream_count",
    "mutations",
    "read_messages",
)
"""Those of whole jobs first."""
_DASHES = "|---|---|---|---|---|"


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
    """Yield tables of what was recorded: each beside plain Beam, and beside other tools."""
    found = {path.stem: json.loads(path.read_text()) for path in results.glob("*.json")}
    compared = [
        found[name]
        for name in sorted(found, key=lambda name: (_place(name), name))
        if "contenders" in found[name]
    ]
    yield from ("", "| events a second | Penstock | plain Beam | faster |", "|---|---|---|---|")
    for each in compared:
        ours, peer, *_ = each["contenders"]
        if not peer.get("tool"):
            yield f"| {each['title']} | {_speed(ours)} | {_speed(peer)} | {_ratio(peer)} |"
    yield from _beside_tools(compared)
    yield from ("", _taken(compared), "")


def _beside_tools(compared: Iterable[Document]) -> Iterator[str]:
    """Yield the table of the peers that are not plain Beam; nothing where none was recorded."""
    lines = [
        f"| {each['title']} | {_speed(ours)} | {peer['tool']}: {peer['contender']} "
        f"| {_speed(peer)} | {_ratio(peer)} |"
        for each in compared
        for ours, *peers in [each["contenders"]]
        for peer in peers
        if peer.get("tool")
    ]
    if lines:
        yield from ("", "Beside other tools, and beside what one loop or one query takes:", "")
        yield from (
            "| events a second | Penstock | the other | it | ratio |",
            "|---|---|---|---|---|",
        )
        yield from lines


def _place(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _speed(contender: Document) -> str:
    return f"{round(contender['events'] / contender['seconds'], -2):,.0f}"


def _ratio(peer: Document) -> str:
    """Tell how many times as fast the suite is, and where that is less than it is to be."""
    ratio, target = peer["ratio"], peer["target"]
    told = f"**{ratio:.1f}x**" if ratio >= 1 else f"**{ratio:.2f}x**"
    return told if target is None or ratio >= target else f"{told}, target {target}x missed"


def _taken(compared: Sequence[Document]) -> str:
    taken = [each["taken"] for each in compared]
    machines = sorted({_machine(each) for each in taken})
    days = sorted({each["date"] for each in taken})
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    runs = sorted({each["runs"] for each in compared})
    return (
        f"{_medians(runs)}, {'; '.join(machines)}, {span}; {_tools(compared)}"
        "the results of all are checked to be equal."
    )


def _machine(taken: Document) -> str:
    kind = f" ({taken['cpu']}, {taken['memory_gb']:g} GiB)" if "cpu" in taken else ""
    return f"{taken['cpus']} cores{kind}, Python {taken['python']}, Beam {taken['beam']}"


def _medians(runs: Sequence[int]) -> str:
    if len(runs) > 1:
        return f"Medians of {runs[0]} to {runs[-1]} runs"
    return f"Medians of {runs[0]} runs" if runs[0] > 1 else "One run each"


def _tools(compared: Iterable[Document]) -> str:
    told = [each.get("tools", {}) for found in compared for each in found["contenders"]]
    tools = {tool: version for each in told for tool, version in each.items()}
    return "".join(f"{tool} {tools[tool]}; " for tool in sorted(tools, key=str.lower))
