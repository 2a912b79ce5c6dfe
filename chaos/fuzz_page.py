"""What a run of the fuzz targets came to, kept as JSON, and the page that is made of it."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from chaos.fuzz_runs import TargetRun
from chaos.fuzz_targets import told_of

__all__ = ["record", "summary", "write_table"]

_PAGE = Path(__file__).parents[1] / "docs" / "fuzz.md"
_FIRST, _LAST = "<!-- the recorded run: begin -->\n", "<!-- the recorded run: end -->\n"
_HEADS = ("target", "executions", "seconds", "crashes", "corpus", "coverage", "promise")


def record(runs: Sequence[TargetRun], seed: int) -> dict[str, Any]:
    """Return a run as JSON values."""
    return {
        "seed": seed,
        "engine": engine(),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "executions": sum(run.executions for run in runs),
        "seconds": round(sum(run.seconds for run in runs), 1),
        "crashes": sum(len(run.crashes) for run in runs),
        "targets": [run._asdict() for run in runs],
    }


def summary(found: Mapping[str, Any]) -> str:
    """Return the last line of a run.

    >>> summary({"targets": [{}], "executions": 5, "seconds": 1.25, "crashes": 0, "seed": 7})
    'fuzz: 1 targets, 5 executions in 1.2 s, 0 crashes, seed 7'
    """
    return (
        f"fuzz: {len(found['targets'])} targets, {found['executions']:,} executions in "
        f"{found['seconds']:.1f} s, {found['crashes']} crashes, seed {found['seed']}"
    )


def engine() -> str:
    """Return what chooses the inputs, with its version."""
    try:
        return f"atheris {version('atheris')}"
    except PackageNotFoundError:
        return "mutations of the seeds alone"


def write_table(found: Mapping[str, Any], page: Path = _PAGE) -> None:
    """Put the table of a recorded run between its marks on the page."""
    text = page.read_text()
    before, _, rest = text.partition(_FIRST)
    _, _, behind = rest.partition(_LAST)
    page.write_text(f"{before}{_FIRST}{_table(found)}{_LAST}{behind}")


def _table(found: Mapping[str, Any]) -> str:
    lines: list[Sequence[str]] = [_HEADS, ["---"] * len(_HEADS)]
    for run in found["targets"]:
        growth = "" if run["covered"] is None else f"{run['at_first']} to {run['covered']}"
        numbers = [f"{run['executions']:,}", f"{run['seconds']:.0f}", str(len(run["crashes"]))]
        promised = told_of(run["target"])
        lines.append([f"`{run['target']}`", *numbers, f"{run['corpus']:,}", growth, promised])
    told = (
        f"{found['executions']:,} executions, seed {found['seed']}: {found['crashes']} crashes, in "
        f"{found['seconds']:,.0f} s of the processor; {found['engine']}, Python {found['python']}, "
        f"{found['machine']}.\n\n"
    )
    return told + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
