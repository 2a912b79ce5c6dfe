"""Runs of fuzz targets, each in a process of its own, and what they came to."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from chaos.fuzz_target import Target

__all__ = ["CORPUS", "FuzzError", "TargetRun", "run_target"]

_ROOT = Path(__file__).parents[1]
CORPUS = _ROOT / "tests" / "chaos" / "corpus"
"""The inputs that are kept, a folder for each target."""

_BEGUN = re.compile(r"INITED\s+cov: (\d+)")
_ENDED = re.compile(r"DONE\s+cov: (\d+) ft: \d+ corp: (\d+)")
_LATEST = re.compile(r"^#(\d+)\s", re.MULTILINE)
_DEATHS = {"crash-": "the process died", "timeout-": "no end in a minute", "oom-": "out of memory"}


class FuzzError(RuntimeError):
    """A target could not be run: one line."""


class TargetRun(NamedTuple):
    """What came of one target.

    `seconds` are the processor's. `crashes` counts how often each kind came. `corpus` is the number
    of inputs that reached something new, `covered` that of branches reached in the end, and
    `at_first` of those that the seeds and the kept inputs reach; None where nothing measures them.
    """

    target: str
    executions: int
    seconds: float
    crashes: dict[str, int]
    corpus: int
    at_first: int | None
    covered: int | None

    @property
    def line(self) -> str:
        """What a run tells of this target."""
        growth = "not measured" if self.covered is None else f"{self.at_first} to {self.covered}"
        return (
            f"{self.target}: {self.executions:,} executions in {self.seconds:.1f} s, "
            f"{len(self.crashes)} crashes, corpus {self.corpus}, coverage {growth}"
        )


def run_target(target: Target, seed: int, executions: int, folder: Path) -> TargetRun:
    """Fuzz one target in a new process, whose death is a crash of it.

    Inputs stay in the folder; those of an earlier run there are removed.

    Raises:
        FuzzError: the process ended without having begun.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("seeds", "found", "crashes"):
        (folder / name).mkdir(parents=True)
    for path in sorted((CORPUS / target.name).glob("*")):
        shutil.copyfile(path, folder / "seeds" / f"kept-{path.name}")
    # libFuzzer makes one up instead of 0, and takes 32 bits.
    own = seed % (2**32 - 1) + 1
    command = [sys.executable, "-m", "chaos.fuzz_worker", target.name, f"--seed={own}"]
    command += [f"--executions={executions}", f"--folder={folder.resolve()}"]
    # Sets in the same order in each process, so that equal seeds find the same.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    log = folder / "log.txt"
    with log.open("wb") as out:
        subprocess.run(command, cwd=_ROOT, env=environment, stdout=out, stderr=out, check=False)
    return _read(target, folder, log.read_text(errors="replace"))


def _read(target: Target, folder: Path, told: str) -> TargetRun:
    deaths = {
        f"{words} ({path.name})": 1
        for prefix, words in _DEATHS.items()
        for path in sorted((folder / "crashes").glob(f"{prefix}*"))
    }
    result = folder / "result.json"
    if not result.exists() and not deaths:
        lines = told.strip().splitlines()
        msg = f"{target.name} did not run: {lines[-1] if lines else 'no output'}; see {folder}"
        raise FuzzError(msg)
    latest = [int(number) for number in _LATEST.findall(told)]
    known: dict[str, Any] = {"executions": max(latest, default=0), "seconds": 0.0, "crashes": {}}
    if result.exists():
        known = json.loads(result.read_text())
    begun, ended = _BEGUN.search(told), _ENDED.search(told)
    inputs = sum(1 for name in ("seeds", "found") for _ in (folder / name).iterdir())
    return TargetRun(
        target.name,
        known["executions"],
        known["seconds"],
        {**known["crashes"], **deaths},
        int(ended[2]) if ended else inputs,
        int(begun[1]) if begun else None,
        int(ended[1]) if ended else None,
    )
