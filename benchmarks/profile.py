"""Profiles a benchmark's contender: its stacks, folded, and a flame graph of them."""

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.flame_graph import flame_graph
from benchmarks.harness import ROOT, BenchmarkError, Contender, Row
from benchmarks.inputs import prepared
from benchmarks.stacks import Stacks, condensed, read_folded, shares, written

__all__ = ["PROFILES", "profile_row", "sampled"]

PROFILES = ROOT / "docs" / "profiles"
_RATE = 250
_SHOWN = 25
_PY_SPY = Path(sys.executable).with_name("py-spy")


def profile_row(
    row: Row, runs: int, say: Callable[[str], None] = print, folder: Path = PROFILES
) -> list[Path]:
    """Sample the runs of a row's own contender; write `NAME.folded` and `NAME.svg`, and say most.

    Errors: a contender that fails, or a profiler that may not look, raises `BenchmarkError`.
    """
    path = prepared(row.input)
    stacks: Counter[tuple[str, ...]] = Counter()
    for turn in range(runs):
        stacks += condensed(_profiled(row.ours, path), f"({_file_of(row.ours)})")
        say(f"profile of {row.name} {turn + 1}/{runs}: {sum(stacks.values()):,} samples")
    if not stacks:
        msg = f"{row.name}: no sample of its run; does `python -m benchmarks --only` work?"
        raise BenchmarkError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    folded, drawn = (folder / f"{row.name}.{ending}" for ending in ("folded", "svg"))
    folded.write_text(written(stacks))
    drawn.write_text(flame_graph(stacks, f"{row.title}: {row.ours.name}"))
    for frame, below, inside in [*shares(stacks)][:_SHOWN]:
        say(f"{below:6.1%} {inside:6.1%} of it in itself  {frame}")
    return [folded, drawn]


def sampled(command: Sequence[str]) -> Stacks:
    """Run a command of Python under py-spy, native frames too; return the stacks as it tells them.

    Raises:
        BenchmarkError: the command failed, or the system lets nobody look into a process.
    """
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        spying = (_PY_SPY, "record", "--native", "--rate", str(_RATE), "--format", "raw")
        done = subprocess.run(
            [*map(str, spying), "--output", str(raw), "--", *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not raw.exists():
            told = " | ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
            msg = f"py-spy: {told}; where looking into a process is forbidden, allow ptrace"
            raise BenchmarkError(msg)
        return read_folded(raw.read_text(errors="replace"))


def _profiled(contender: Contender, path: Path) -> Stacks:
    module = f"benchmarks.{contender.module}"
    given = ("--input", str(path), "--json", *contender.arguments)
    return sampled([sys.executable, "-m", module, *given])


def _file_of(contender: Contender) -> str:
    return f"benchmarks/{contender.module.replace('.', '/')}.py"
