"""What the benchmarks measured of an event: processor time, bytes and writes, of both pipelines."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["JOBS", "RESULTS", "Figures", "Side", "at_pack", "read_figures"]

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"

JOBS = {
    "hot_path": "hot_path",
    "archive_raw": "archive",
    "curate_events": "curate",
    "window_metrics": "window_measures",
}
"""Each job, and the benchmark that measured it beside plain Beam."""

_CURVES = (
    "events_a_pack",
    "ids_shuffle",
    "ids_state",
    "changes_shuffle",
    "changes_state",
    "parts_shuffle",
    "rows",
    "row_bytes",
    "ids_cpu_us",
    "changes_cpu_us",
    "parts_cpu_us",
)
_KEPT = (
    "memory_an_id",
    "memory_an_entity_hour",
    "state_an_entity_hour",
    "table_bytes_an_entity",
    "table_bytes_an_entity_hour",
)


class Side(NamedTuple):
    """What one pipeline takes for an event: processor seconds by job, and bytes by name."""

    cpu: Mapping[str, float]
    bytes: Mapping[str, float]


class Figures(NamedTuple):
    """Everything measured. `packs` has the suite's figures by the number of events in a pack.

    `kept` is what an id, a row and an hour of a row take in memory, in state and in the table.
    """

    payload: float
    packs: tuple[Mapping[str, float], ...]
    penstock: Side
    naive: Side
    kept: Mapping[str, float]
    dates: tuple[str, ...]


def read_figures(results: Path = RESULTS) -> Figures:
    """Read the records of the benchmarks.

    Raises:
        ValueError: one is missing or has not what is needed; one line.
    """
    measured, size = _read(results, "event_bytes"), _read(results, "archive_size")
    state = _read(results, "state_per_id")
    runs = {job: _read(results, name) for job, name in JOBS.items()}
    try:
        sinks = measured["sinks"]
        archived = next(f["value"] for f in size["figures"] if f["what"] == "messages of Pub/Sub")
        kept = {name: float(measured["kept"][name]) for name in _KEPT}
        kept["state_an_id"] = max(float(each["bytes_per_id"]) for each in state["figures"])
        return Figures(
            float(measured["payload"]),
            tuple(
                {name: float(p[name]) for name in ("events_a_pack", *_CURVES)}
                for p in measured["packs"]
            ),
            Side(_cpu(runs, 0), {"archive": float(archived), **sinks}),
            Side(_cpu(runs, 1), {**measured["naive"], "pane_row": sinks["pane_row"]}),
            kept,
            tuple(sorted({run["taken"]["date"] for run in (measured, *runs.values())})),
        )
    except (KeyError, IndexError, TypeError, ValueError, StopIteration) as error:
        msg = f"{results}: a record lacks what is needed ({error}); make bench ONLY=event_bytes"
        raise ValueError(msg) from None


def at_pack(packs: tuple[Mapping[str, float], ...], events: float) -> dict[str, float]:
    """Return the figures for packs of so many events: between two measured sizes by logarithm.

    >>> few, many = {"events_a_pack": 1.0, "rows": 4.0}, {"events_a_pack": 16.0, "rows": 2.0}
    >>> at_pack((few, many), 4)["rows"], at_pack((few, many), 0.1)["rows"]
    (3.0, 4.0)
    """
    ordered = sorted(packs, key=lambda each: each["events_a_pack"])
    least, most = ordered[0]["events_a_pack"], ordered[-1]["events_a_pack"]
    size = min(max(events, least), most)
    right = next(each for each in ordered if each["events_a_pack"] >= size)
    left = [each for each in ordered if each["events_a_pack"] <= size][-1]
    low, high = left["events_a_pack"], right["events_a_pack"]
    share = 0.0 if low == high else math.log(size / low) / math.log(high / low)
    return {name: left[name] + share * (right[name] - left[name]) for name in left}


def _cpu(runs: Mapping[str, dict[str, Any]], place: int) -> dict[str, float]:
    """Return processor seconds an event; where they were not recorded, seconds."""
    taken = {}
    for job, run in runs.items():
        contender = run["contenders"][place]
        seconds = contender.get("cpu_seconds") or contender["seconds"]
        taken[job] = seconds / contender["events"]
    return taken


def _read(results: Path, name: str) -> dict[str, Any]:
    path = results / f"{name}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no JSON"
        msg = f"{path}: cannot be read ({reason}); record it: make bench ONLY={name}"
        raise ValueError(msg) from None
    if not isinstance(found, dict):
        msg = f"{path}: no record of a benchmark; record it: make bench ONLY={name}"
        raise ValueError(msg)
    return found
