"""The page of the recorded run, made of its JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chaos.kinds import Kind

__all__ = ["page", "write_page"]

_HEAD = """\
# What chaos has found

Written by `make chaos RECORD=1`, not by hand, of the JSON beside it; [chaos](../chaos.md) says what
is run, and what it shows.
"""
_TITLES = {
    "simulation": "Simulation, in one process",
    "loop": "Loop, over services and jobs on this machine",
}


def write_page(folder: Path) -> None:
    """Write the page of the record in a folder, into the same."""
    told = json.loads((folder / "recorded.json").read_text())
    (folder / "recorded.md").write_text(page(told))


def page(told: Mapping[str, Any]) -> str:
    """Return the page of a record."""
    lines = [_HEAD, _run(told)]
    for kind, title in _TITLES.items():
        if told[kind]["seeds"]:
            lines += [f"## {title}\n", *_part(told[kind])]
    return "\n".join(lines)


def _run(told: Mapping[str, Any]) -> str:
    seeds = {kind: told[kind]["seeds"] for kind in _TITLES}
    violations = sum(len(each["violations"]) for kind in _TITLES for each in told[kind]["violated"])
    return (
        f"{seeds['simulation']:,} seeds of the simulation and {seeds['loop']:,} of the loop, from"
        f" seed {told['seed']}: **{violations} violations**, in {told['seconds']:,} s;"
        f" {told['machine']}, Python {told['python']}, Beam {told['beam']}.\n"
    )


def _part(part: Mapping[str, Any]) -> Iterator[str]:
    figures = ", ".join(
        f"{value:,.0f} {name.replace('_', ' ')}" for name, value in part["figures"].items()
    )
    yield f"{part['seeds']:,} seeds: {figures}.\n"
    rows = [
        (f"`{kind.value}`", f"{part['seeds_struck'].get(kind.value, 0):,}", f"{number:,}")
        for kind in Kind
        if (number := part["faults"].get(kind.value, 0))
    ]
    yield _table(("fault", "seeds that it struck", "times that it struck"), rows)
    for verdict in part["violated"]:
        for violation in verdict["violations"]:
            yield f"- seed {verdict['seed']}: `{violation['promise']}`: {violation['told']}\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
