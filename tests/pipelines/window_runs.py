"""Runs the metrics of windows, and recomputations, in process; reads back all that they wrote."""

import base64
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines import recompute_windows, window_metrics
from pipelines.counters import RECOMPUTED, WINDOWS, counters_of, totals
from pipelines.options import parse_options
from pipelines.window_arguments import RecomputeOptions, WindowOptions
from pipelines.window_options import WindowConfig
from schemas.current_panes import current_panes
from schemas.durations import parse_duration
from schemas.metric import Metric
from schemas.rejected import Rejected
from schemas.times import parse_rfc3339
from tests.metric_builders import PLAIN, PLAIN_TEXT, WIDE, WIDE_TEXT, Seen, Told
from tests.pipelines.curate_runs import lines_of, rows_of
from tests.pipelines.hot_path_runs import GOLDEN as HOT_PATH
from tests.pipelines.hot_path_runs import KEY_VARIABLE
from transforms.quarantine import read_quarantine

GOLDEN = Path(__file__).parents[1] / "golden" / "window_metrics"
EVENTS = HOT_PATH / "events.ndjson"
"""The same events as the hot path's."""


class Left(NamedTuple):
    """What a run left behind: rows with their table in front, sorted."""

    rows: list[str]
    rejected: list[Rejected]
    counters: dict[str, Any]

    def of(self, table: str) -> list[dict[str, Any]]:
        return rows_of(self.rows, table)

    def current(self, metric: Metric) -> dict[Any, Mapping[str, Any]]:
        """What the view says."""
        panes = self.of(f"ops.panes_{metric.name}")
        return current_panes(metric, panes, self.of("ops.recomputed"))

    def told(self) -> Told:
        """What holds of the metrics of `tests.metric_builders`."""
        return told_by(self.current(WIDE).values(), WIDE) | told_by(
            self.current(PLAIN).values(), PLAIN
        )


def declared(folder: Path) -> Path:
    """Write the metrics of `tests.metric_builders` where a job reads them, if none are there."""
    metrics = folder / "metrics"
    metrics.mkdir(exist_ok=True)
    for name, text in (("wide", WIDE_TEXT), ("plain", PLAIN_TEXT)):
        if not (metrics / f"{name}.yaml").exists():
            (metrics / f"{name}.yaml").write_text(text)
    return metrics


def served(folder: Path) -> Path:
    """Declare the same metrics with `bigtable: true`."""
    metrics = declared(folder)
    for file in metrics.iterdir():
        text = file.read_text()
        file.write_text(text if "bigtable" in text else f"{text}bigtable: true\n")
    return metrics


def sinks(folder: Path) -> list[str]:
    return [
        f"--rows_output={folder / 'rows'}",
        f"--quarantine_output={folder / 'quarantine'}",
        f"--pseudonym_key=env:{KEY_VARIABLE}",
    ]


def golden_arguments(folder: Path, *more: str) -> list[str]:
    return [
        f"--input_files={EVENTS}",
        f"--contracts={HOT_PATH / 'contracts'}",
        f"--metrics={GOLDEN / 'metrics'}",
        *sinks(folder),
        "--now=2026-01-06T00:00:00Z",
        *more,
    ]


def run(argv: list[str], folder: Path, bundle_repeat: int = 0) -> Left:
    """Run the metrics of windows."""
    config = window_metrics.JOB.prepare(WindowConfig.of(parse_options(argv, WindowOptions, "")))
    pipeline = beam.Pipeline(runner=FnApiRunner(bundle_repeat=bundle_repeat))
    window_metrics.build(pipeline, config)
    return _finished(pipeline, folder, WINDOWS)


def recompute(argv: list[str], folder: Path, bundle_repeat: int = 0) -> Left:
    """Compute windows anew; rows of earlier runs in the folder come back too."""
    options = parse_options(argv, RecomputeOptions, "")
    config = recompute_windows.JOB.prepare(WindowConfig.recomputing(options))
    pipeline = beam.Pipeline(runner=FnApiRunner(bundle_repeat=bundle_repeat))
    recompute_windows.build(pipeline, config)
    return _finished(pipeline, folder, RECOMPUTED)


def left_behind(folder: Path, counters: dict[str, Any]) -> Left:
    quarantine = folder / "quarantine"
    rejected = list(read_quarantine(str(quarantine))) if quarantine.exists() else []
    return Left(lines_of(folder / "rows"), rejected, counters)


def events_file(folder: Path, seen: Iterable[Seen], name: str = "events.ndjson") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(one.line()) + "\n" for one in seen))
    return path


def told_by(rows: Iterable[Mapping[str, Any]], metric: Metric) -> Told:
    """Bring rows into the terms of the oracle."""
    found: Told = {}
    for row in rows:
        key = tuple(row.get(each.name) for each in metric.dimensions)
        values: dict[str, Any] = {}
        for measure in metric.measures:
            value = row.get(measure.name)
            if measure.value.kind == "long" and value is not None:
                value = int(value)
            elif measure.value.kind == "decimal":
                value = int(Decimal(value).scaleb(measure.value.scale))
            values[measure.name] = value
            if theta := row.get(f"{measure.name}_theta"):
                values[f"{measure.name}_theta"] = base64.b64decode(theta)
        start = parse_rfc3339(row["window_start"])
        found[metric.name, parse_duration(row["window"]), start, key] = (
            row["event_count"],
            values,
        )
    return found


def conserved(counters: dict[str, Any]) -> bool:
    parts = ("accepted", "duplicate", "conflict", "late")
    total = sum(counters.get(name, 0) for name in parts) + sum(counters["rejected"].values())
    rows = counters["rows_written"] + counters["rows_refused"]
    return counters["read"] == total and counters["rows"] == rows


def _finished(pipeline: beam.Pipeline, folder: Path, always: tuple[str, ...]) -> Left:
    result = pipeline.run()
    result.wait_until_finish()
    return left_behind(folder, totals(counters_of(result), always))
