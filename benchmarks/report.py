"""The table of the recorded results, as it stands in `benchmarks/README.md`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import FIGURES
from benchmarks.rows import ROWS

__all__ = ["README", "RESULTS", "in_readme", "table", "write"]

README = Path(__file__).with_name("README.md")
RESULTS = Path(__file__).with_name("results")
_BEGIN = "<!-- results: written by make bench -->\n"
_END = "<!-- end of results -->\n"
_HEAD = """\
| benchmark | events | ours | peer | ratio | target | peak MB |
|---|---|---|---|---|---|---|
"""


def table(results: Path = RESULTS) -> str:
    """Return the table of all results of a folder, in the order of the benchmarks."""
    found = {path.stem: json.loads(path.read_text()) for path in results.glob("*.json")}
    lines = [line for row in ROWS if row.name in found for line in _lines(found[row.name])]
    figures = [f"- {each.told(found[each.name])}\n" for each in FIGURES if each.name in found]
    taken = _circumstances(list(found.values())) if found else []
    parts = [_HEAD, *lines], figures, taken
    return "\n".join(["".join(part) for part in parts if part])


def write(results: Path = RESULTS) -> None:
    """Bring the table in the README up to date."""
    before, _, rest = README.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    README.write_text(before + _BEGIN + table(results) + _END + after)


def in_readme() -> str:
    """Return the table that stands in the README."""
    return README.read_text().partition(_BEGIN)[2].partition(_END)[0]


def _lines(document: dict[str, Any]) -> list[str]:
    ours, *peers = document["contenders"]
    return [
        f"| {document['title']} | {ours['events']:,} | {ours['seconds']:.2f} s "
        f"| {_named(peer)}: {peer['seconds']:.2f} s{_fewer(peer)} "
        f"| {_times(peer['ratio'])} | {_target(peer)} "
        f"| {_memory(ours)}; {_memory(peer)}{_lighter(peer)} |\n"
        for peer in peers
    ]


def _target(peer: dict[str, Any]) -> str:
    """Tell the target, and plainly where it is missed."""
    if peer["target"] is None:
        return "none"
    missed = peer["ratio"] < peer["target"] or peer.get("lighter") is False
    return f"{peer['target']}x{', **missed**' if missed else ''}"


def _times(ratio: float) -> str:
    return f"{ratio:.1f}x" if ratio >= 1 else f"{ratio:.2f}x"


def _fewer(peer: dict[str, Any]) -> str:
    return f" for {peer['events']:,}" if peer["own_input"] else ""


def _memory(contender: dict[str, Any]) -> str:
    known = contender["peak_mb"]
    return "?" if known is None else f"{known:.0f}"


def _named(peer: dict[str, Any]) -> str:
    tool = peer.get("tool")
    return f"{tool}: {peer['contender']}" if tool else str(peer["contender"])


def _lighter(peer: dict[str, Any]) -> str:
    return " (target: less)" if peer.get("lighter") is not None else ""


def _circumstances(documents: Sequence[dict[str, Any]]) -> list[str]:
    """Tell machines, dates, versions and the number of runs."""
    machines = sorted({_machine(each["taken"]) for each in documents})
    days = sorted({each["taken"]["date"] for each in documents})
    runs = sorted({each["runs"] for each in documents if "runs" in each})
    told = f"medians of {_span(runs)} runs" if runs[-1:] > [1] else "one run each"
    taken = "; ".join([*machines, told])
    contenders = [each for found in documents for each in found.get("contenders", ())]
    tools = dict(pair for each in contenders for pair in each.get("tools", {}).items())
    peers = ", ".join(f"{tool} {tools[tool]}" for tool in sorted(tools, key=str.lower))
    return [f"Taken on {_span(days)}: {taken}.\n", *([f"Peers: {peers}.\n"] if peers else [])]


def _machine(taken: dict[str, Any]) -> str:
    kind = f" ({taken['cpu']}, {taken['memory_gb']:g} GiB)" if "cpu" in taken else ""
    return (
        f"{taken['cpus']} cores {taken['machine']}{kind}, Python {taken['python']}, "
        f"Beam {taken['beam']}"
    )


def _span(values: Sequence[Any]) -> str:
    first, last = values[0], values[-1]
    return f"{first}" if first == last else f"{first} to {last}"
