"""Runs one case: all jobs, one after another, over the models of what is outside."""

import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from chaos.calls import Live
from chaos.case import Case
from chaos.drive import drive
from chaos.jobs import HORIZON_MICROS, graphs
from chaos.object_models import FolderModel, MemoryModel
from chaos.outcome import Outcome
from chaos.readings import archived_ids, cells_of, rows_of
from chaos.release import release
from chaos.row_store import RowStore
from chaos.stand_ins import World, standing_in
from chaos.troubles import Troubles
from chaos.worker import Clock

__all__ = ["run_case"]

_WARM: dict[str, dict[int, Live]] = {}
"""By job: see `chaos.worker.Worker`."""
_FOLDERS = {
    "hot": "hot",
    "windows": "windows",
    "replay": "replay",
    "replay_windows": "replay-windows",
    "repair": "repair",
    "recompute": "recompute",
}


def run_case(case: Case) -> Outcome:
    """Run all jobs of a case, read what is left after each; nothing is judged."""
    troubles = Troubles(Clock(case.begins), random.Random(f"{case.seed} outside"))
    outcome = Outcome(case, HORIZON_MICROS)
    with _world_of(case, troubles) as world, standing_in(world):
        job = ""
        try:
            for job in graphs():
                _run_job(case, job, world, outcome)
        except Exception as error:
            # Whatever stops a job is what is looked for.
            outcome.stopped = job, type(error).__name__, str(error)
        outcome.struck = dict(troubles.struck)
        outcome.overwritten = world.objects.overwritten
    return outcome


def _run_job(case: Case, job: str, world: World, outcome: Outcome) -> None:
    engine = drive(graphs()[job], case, job, world.troubles, _WARM.setdefault(job, {}))
    outcome.counts[job] = dict(engine.counts)
    outcome.bundles += engine.bundles
    outcome.repeated += engine.repeated
    if job in _FOLDERS:
        release(_FOLDERS[job], world, job)
        outcome.read_quarantine(job, _FOLDERS[job])
    _READ[job](world, outcome)


def _read_archive(_: World, outcome: Outcome) -> None:
    outcome.archived = archived_ids()


def _read_hot(world: World, outcome: Outcome) -> None:
    outcome.cells["live"] = cells_of(world.cell_table("live"))
    outcome.read_late("hot", "/late")


def _read_windows(world: World, outcome: Outcome) -> None:
    outcome.windows["live"] = rows_of(world.rows, "chaos-live", 0)
    outcome.read_late("windows", "/late-windows")


def _read_replay(world: World, outcome: Outcome) -> None:
    outcome.cells["replay"] = cells_of(world.cell_table("replay"))


def _read_replayed_windows(world: World, outcome: Outcome) -> None:
    outcome.windows["replay"] = rows_of(world.rows, "chaos-replay", 0)


def _read_repaired(world: World, outcome: Outcome) -> None:
    outcome.cells["repaired"] = cells_of(world.cell_table("live"))
    # What workers had sent before they were given up comes now, of whatever job it was.
    world.cell_table("live").settle()
    outcome.cells["settled"] = cells_of(world.cell_table("live"))


def _read_recomputed(world: World, outcome: Outcome) -> None:
    outcome.windows["repaired"] = rows_of(world.rows, "chaos-live", 1)


_READ: dict[str, Callable[[World, Outcome], None]] = {
    "archive": _read_archive,
    "hot": _read_hot,
    "windows": _read_windows,
    "replay": _read_replay,
    "replay_windows": _read_replayed_windows,
    "repair": _read_repaired,
    "recompute": _read_recomputed,
}


@contextmanager
def _world_of(case: Case, troubles: Troubles) -> Iterator[World]:
    rows = RowStore(troubles)
    if not case.on_disk:
        yield World(troubles, MemoryModel(troubles), rows, {})
        return
    # Nothing here is to outlast a power cut.
    with tempfile.TemporaryDirectory() as root, mock.patch.object(os, "fsync"):
        yield World(troubles, FolderModel(root, troubles), rows, {})
