"""What a run of the engines found, kept as JSON, and told in one line."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apache_beam.version import __version__ as sdk_version

from local.errors import ServiceError
from local.flink_batch import BatchRun
from local.flink_build import BEAM_VERSION, FLINK_VERSION
from local.flink_kills import Kill
from local.streaming_engines import StreamRun

__all__ = ["KillRecord", "add_stream", "batch_document", "summary"]

_EXACT = "exact"


@dataclass
class KillRecord:
    """The file of the kills with one set of settings; kills of earlier runs stay in it.

    A seed that is killed again under the same versions replaces its former record; of other
    versions nothing is kept.

    Args:
        path: of the file.
        settings: the options that the jobs run with.
    """

    path: Path
    settings: Sequence[str]
    kills: list[dict[str, Any]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Read what is there.

        Raises:
            ServiceError: it is no such file.
        """
        if not self.path.exists():
            return
        try:
            known = json.loads(self.path.read_text())
            if _head(self.settings).items() <= known.items():
                self.kills = list(known["kills"])
        except (ValueError, KeyError, AttributeError):
            msg = f"{self.path}: no record of kills; move it away or name another folder"
            raise ServiceError(msg) from None

    def add(self, kill: Kill) -> None:
        """Keep one more, at once: the next one may fail."""
        others = [each for each in self.kills if each["seed"] != kill.seed]
        self.kills = sorted([*others, kill._asdict()], key=lambda each: each["seed"])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        told = {**_head(self.settings), "machine": _machine(), "kills": self.kills}
        self.path.write_text(json.dumps(told, indent=1) + "\n")


def batch_document(runs: Sequence[BatchRun], events: int, seed: int) -> dict[str, Any]:
    """Return what the batch jobs did on each engine as JSON values."""
    return {
        **_versions(),
        "machine": _machine(),
        "events": events,
        "seed": seed,
        "runs": [run._asdict() for run in runs],
    }


def add_stream(path: Path, run: StreamRun) -> None:
    """Keep what an engine made of the streaming job, at once: the next one may fail.

    It replaces what is there of the same engine; of other versions nothing is kept.
    """
    known = json.loads(path.read_text()) if path.exists() else {}
    runs = known.get("runs", []) if _versions().items() <= known.items() else []
    others = [each for each in runs if (each["engine"], each["killed"]) != (run.engine, run.killed)]
    runs = sorted([*others, run._asdict()], key=lambda each: (each["engine"], each["killed"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {**_versions(), "machine": _machine(), "runs": runs}
    path.write_text(json.dumps(told, indent=1) + "\n")


def summary(
    runs: Sequence[BatchRun],
    kills: Sequence[Mapping[str, Any]],
    streams: Sequence[StreamRun] = (),
) -> tuple[str, bool]:
    """Return the last line of a run, and whether all of it holds.

    >>> kill = {"seed": 1, "verdict": "exact", "lost": 0, "duplicate": 0}
    >>> summary([], [kill, {**kill, "seed": 2, "verdict": "fell short", "lost": 3}])
    ('engines: 1 of 2 kills exact, 3 events lost, 0 counted twice', False)
    """
    said = []
    if runs:
        unlike = [run for run in runs if run.differences]
        engines = ", ".join(dict.fromkeys(run.engine for run in runs))
        jobs = len({run.job for run in runs})
        same = f"{len(unlike)} runs differ" if unlike else "the same"
        said.append(f"{jobs} jobs on {engines}: {same}")
    if streams:
        wrong = [run for run in streams if any(run.findings.values())]
        right = f"{len(wrong)} of {len(streams)} runs wrong" if wrong else "as the truth says"
        engines = ", ".join(dict.fromkeys(run.engine for run in streams))
        said.append(f"streaming on {engines}: {right}")
    if kills:
        exact = sum(kill["verdict"] == _EXACT for kill in kills)
        lost, twice = (sum(kill[name] for kill in kills) for name in ("lost", "duplicate"))
        said.append(
            f"{exact} of {len(kills)} kills exact, {lost} events lost, {twice} counted twice"
        )
    holds = not any(run.differences for run in runs)
    holds = holds and not any(each for run in streams for each in run.findings.values())
    return f"engines: {'; '.join(said)}", holds and all(k["verdict"] == _EXACT for k in kills)


def _head(settings: Sequence[str]) -> dict[str, Any]:
    return {**_versions(), "settings": list(settings)}


def _versions() -> dict[str, Any]:
    return {"flink": FLINK_VERSION, "job_server": BEAM_VERSION, "sdk": str(sdk_version)}


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
