"""What a run over many seeds came to, as numbers: kept as JSON, told in a line."""

import json
import os
import platform
from collections import Counter
from importlib.metadata import version
from typing import Any

from chaos.kinds import Kind
from chaos.verdict import Verdict

__all__ = ["Record"]

_KINDS = ("simulation", "loop")


class Record:
    """Adds up verdicts.

    >>> record = Record(1)
    >>> record.add(Verdict(1, "simulation", {"redelivery": 2}, ()))
    >>> record.summary()
    'chaos: 1 simulations, 0 loops from seed 1; 2 faults (redelivery 2); 0 violations'

    Args:
        seed: the first one.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._seeds: Counter[str] = Counter()
        self._faults: dict[str, Counter[str]] = {kind: Counter() for kind in _KINDS}
        self._struck: dict[str, Counter[str]] = {kind: Counter() for kind in _KINDS}
        self._figures: dict[str, Counter[str]] = {kind: Counter() for kind in _KINDS}
        self.violated: list[Verdict] = []
        self.seconds = 0.0

    def add(self, verdict: Verdict) -> None:
        """Take one verdict."""
        self._seeds[verdict.kind] += 1
        self._faults[verdict.kind].update(verdict.faults)
        self._struck[verdict.kind].update(name for name, n in verdict.faults.items() if n)
        self._figures[verdict.kind].update(verdict.figures)
        if verdict.violations:
            self.violated.append(verdict)

    def summary(self) -> str:
        """Return the last line of a run."""
        faults = sum(self._faults.values(), Counter[str]())
        told = ", ".join(
            f"{each.value} {faults[each.value]}" for each in Kind if faults[each.value]
        )
        violations = sum(len(verdict.violations) for verdict in self.violated)
        where = ""
        if self.violated:
            first = ", ".join(f"{verdict.kind} {verdict.seed}" for verdict in self.violated[:5])
            where = f" in {len(self.violated)} seeds: {first}"
        return (
            f"chaos: {self._seeds['simulation']} simulations, {self._seeds['loop']} loops from seed"
            f" {self._seed}; {faults.total()} faults ({told or 'none'}); {violations} violations"
            f"{where}"
        )

    def to_json(self) -> str:
        """Return the run as JSON."""
        return json.dumps(self._document(), indent=1) + "\n"

    def _document(self) -> dict[str, Any]:
        parts = {
            kind: {
                "seeds": self._seeds[kind],
                "faults": dict(sorted(self._faults[kind].items())),
                "seeds_struck": dict(sorted(self._struck[kind].items())),
                "figures": dict(sorted(self._figures[kind].items())),
                "violated": [verdict.record() for verdict in self.violated if verdict.kind == kind],
            }
            for kind in _KINDS
        }
        return {
            "seed": self._seed,
            "seconds": round(self.seconds),
            "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "beam": version("apache-beam"),
            **parts,
        }
