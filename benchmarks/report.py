"""The table of the recorded results, as it stands in `benchmarks/README.md`."""

import json
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
    taken = sorted({_circumstances(each) for each in found.values()})
    return "\n".join(["".join(part) for part in ([_HEAD, *lines], figures, taken) if part])


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
        f"| {peer['contender']}: {peer['seconds']:.2f} s{_fewer(peer)} "
        f"| {peer['ratio']:.1f}x | {peer['target']}x "
        f"| {_memory(ours)}; {_memory(peer)}{_lighter(peer)} |\n"
        for peer in peers
    ]


def _fewer(peer: dict[str, Any]) -> str:
    return f" for {peer['events']:,}" if peer["own_input"] else ""


def _memory(contender: dict[str, Any]) -> str:
    known = contender["peak_mb"]
    return "?" if known is None else f"{known:.0f}"


def _lighter(peer: dict[str, Any]) -> str:
    return " (target: less)" if peer.get("lighter") is not None else ""


def _circumstances(document: dict[str, Any]) -> str:
    taken = document["taken"]
    return (
        f"Taken on {taken['date']}: {taken['cpus']} cores {taken['machine']}, Python "
        f"{taken['python']}, Beam {taken['beam']}; medians.\n"
    )
