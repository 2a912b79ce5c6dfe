"""Runs the curated events in process and reads back all that they wrote."""

import json
from pathlib import Path

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.counters import CURATED, counters_of, totals
from pipelines.curate_events import JOB, build
from pipelines.curate_options import CurateConfig, CurateOptions
from pipelines.options import parse_options
from tests.pipelines.hot_path_runs import GOLDEN as HOT_PATH
from tests.pipelines.hot_path_runs import KEY_VARIABLE, Run
from transforms.object_store import read_objects
from transforms.quarantine import read_quarantine

GOLDEN = Path(__file__).parents[1] / "golden" / "curate_events"
EVENTS = HOT_PATH / "events.ndjson"
"""The same events as the hot path's."""


def arguments(folder: Path, events: Path = EVENTS, *more: str) -> list[str]:
    return [
        f"--input_files={events}",
        f"--contracts={HOT_PATH / 'contracts'}",
        f"--rows_output={folder / 'rows'}",
        f"--quarantine_output={folder / 'quarantine'}",
        f"--pseudonym_key=env:{KEY_VARIABLE}",
        "--now=2026-01-06T00:00:00Z",
        *more,
    ]


def configured(argv: list[str]) -> CurateConfig:
    return JOB.prepare(CurateConfig.of(parse_options(argv, CurateOptions, "")))


def run(argv: list[str], folder: Path, bundle_repeat: int = 0) -> Run:
    """Plan, build and run; `cells` of what comes back are the rows."""
    pipeline = beam.Pipeline(runner=FnApiRunner(bundle_repeat=bundle_repeat))
    build(pipeline, configured(argv))
    result = pipeline.run()
    result.wait_until_finish()
    return Run(
        lines_of(folder / "rows"),
        list(read_quarantine(str(folder / "quarantine"))),
        totals(counters_of(result), CURATED),
    )


def lines_of(rows: Path | str, *, index: bool = False) -> list[str]:
    """Return the rows below a folder, each with its table in front, sorted.

    What was refused is looked at in the quarantine; only with `index` its rows are there too.
    """
    found = []
    for name, content in read_objects(str(rows), ".ndjson"):
        table = name.rsplit("/", 2)[1]
        if table == "ops.quarantine" and not index:
            continue
        found += [f"{table} {line}" for line in content.decode().splitlines()]
    return sorted(found)


def rows_of(lines: list[str], table: str = "") -> list[dict]:
    """Return the rows of a table, or of all."""
    split = [line.split(" ", 1) for line in lines]
    return [json.loads(row) for name, row in split if table in ("", name)]


def told_once(lines: list[str]) -> list[tuple[str, dict]]:
    """Return rows without what differs between runs over the same messages."""
    split = [line.split(" ", 1) for line in lines]
    rows = [(table, {**json.loads(row), "ingest_time": ""}) for table, row in split]
    return sorted(rows, key=str)


def conserved(counters: dict) -> bool:
    parts = ("accepted", "duplicate", "conflict")
    total = sum(counters[name] for name in parts) + sum(counters["rejected"].values())
    rows = counters["rows_written"] + counters["rows_refused"]
    made = counters["accepted"] - counters["outside_span"] + counters["drifted"]
    return counters["read"] == total and counters["rows"] == rows == made
