"""Runs the hot path on files in process and reads back all that it wrote."""

import json
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.counters import counters_of, totals
from pipelines.hot_path import build
from pipelines.hot_path_options import HotPathConfig, HotPathOptions
from pipelines.options import parse_options
from schemas.rejected import Rejected
from transforms.quarantine import read_quarantine

GOLDEN = Path(__file__).parents[1] / "golden" / "hot_path"
KEY_VARIABLE = "PENSTOCK_TEST_KEY"
KEY = "2026:golden-pseudonym-key"


class Run(NamedTuple):
    """What a run left behind."""

    cells: list[str]
    rejected: list[Rejected]
    counters: dict


def arguments(folder: Path, events: Path, *more: str) -> list[str]:
    return [
        f"--input_files={events}",
        f"--contracts={GOLDEN / 'contracts'}",
        f"--features={GOLDEN / 'features'}",
        f"--cells_output={folder / 'cells'}",
        f"--quarantine_output={folder / 'quarantine'}",
        f"--pseudonym_key=env:{KEY_VARIABLE}",
        "--now=2026-01-06T00:00:00Z",
        *more,
    ]


def run(argv: list[str], folder: Path, bundle_repeat: int = 0) -> Run:
    config = HotPathConfig.of(parse_options(argv, HotPathOptions, ""))
    pipeline = beam.Pipeline(runner=FnApiRunner(bundle_repeat=bundle_repeat))
    build(pipeline, config)
    result = pipeline.run()
    result.wait_until_finish()
    return left_behind(folder, totals(counters_of(result)))


def left_behind(folder: Path, counters: dict) -> Run:
    files = sorted((folder / "cells").glob("*.ndjson"))
    lines = sorted(line for file in files for line in file.read_text().splitlines())
    quarantine = folder / "quarantine"
    return Run(
        lines, list(read_quarantine(str(quarantine))) if quarantine.exists() else [], counters
    )


def shown(rejected: list[Rejected]) -> list[dict]:
    """Return what of the quarantine does not depend on when the job ran."""
    rows = [
        {
            "step": one.step,
            "reason": one.reason,
            "detail": one.detail,
            "event_time": one.event_time,
            "payload": one.payload.decode(),
        }
        for one in rejected
    ]
    return sorted(rows, key=json.dumps)


def golden_lines(name: str) -> list[str]:
    return (GOLDEN / name).read_text().splitlines()


def conserved(counters: dict) -> bool:
    parts = ("accepted", "duplicate", "conflict", "late")
    total = sum(counters[name] for name in parts) + sum(counters["rejected"].values())
    return (
        counters["read"] == total
        and counters["mutations"] == counters["written"] + counters["refused"]
    )
