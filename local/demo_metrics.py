"""The metrics of the demo: the shipped ones in a hurry, with windows of seconds."""

from pathlib import Path
from typing import Any

import yaml

from schemas.contract import load_contracts
from schemas.metric_set import SHIPPED, Metric, load_metrics

__all__ = ["HORIZON_SECONDS", "LATENESS_SECONDS", "WINDOW_SECONDS", "demo_metrics", "write_metrics"]

WINDOW_SECONDS = (1, 5)
"""The windows of the demo, in the place of 1 and 5 minutes."""

LATENESS_SECONDS = 6
"""The allowed lateness of the demo, in the place of an hour."""

HORIZON_SECONDS = LATENESS_SECONDS + WINDOW_SECONDS[-1]
"""How far apart copies may be: the least that these metrics need."""

_SPECULATIVE = "2s"


def write_metrics(folder: Path) -> None:
    """Write the shipped metrics with the windows, the lateness and the triggers of the demo."""
    folder.mkdir()
    for file in sorted(SHIPPED.glob("*.yaml")):
        spec = {
            **yaml.safe_load(file.read_text()),
            "windows": [f"{seconds}s" for seconds in WINDOW_SECONDS],
            "allowed_lateness": f"{LATENESS_SECONDS}s",
        }
        triggers: dict[str, Any] = dict(spec.get("triggers", {}))
        if triggers.get("speculative_every") != "none":
            triggers["speculative_every"] = _SPECULATIVE
        (folder / file.name).write_text(
            yaml.safe_dump({**spec, "triggers": triggers}, sort_keys=False)
        )


def demo_metrics(folder: Path) -> list[Metric]:
    """Return the metrics of a folder."""
    return load_metrics(str(folder), load_contracts(None))
