"""What is run on the archive of a seed when the live jobs have ended: replays, and repairs."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chaos.kinds import Kind
from chaos.loop_jobs import ForkedJob
from chaos.loop_plan import CURATE, HOT_PATH, WINDOWS
from chaos.loop_stage import Stage
from chaos.loop_stream import BACKLOG, HORIZON
from local.clock_text import time_text
from local.errors import ServiceError

__all__ = ["REPAIR", "REPLAY", "LoopAfter"]

REPLAY, REPAIR = "replay", "repair"
"""The names of the batch jobs; those that write rows have that of the job before them."""

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
_PATIENCE = 120.0
_PAUSE = 0.02
_SECOND = 1_000_000
_RECOMPUTE = "recompute_windows"


@dataclass
class LoopAfter:
    """Runs the batch jobs of a seed.

    `closed` is the span of event time that is repaired and recomputed, in microseconds; None where
    none is closed: only a backlog of days has one.

    Args:
        stage: where the live jobs ran.
        now: when the stream began to be published, in microseconds.
    """

    stage: Stage
    now: int

    def __post_init__(self) -> None:
        closing = (self.now - 2 * HORIZON) // _HOUR * _HOUR - _HOUR
        has = self.stage.plan.has(Kind.BACKLOG_OF_DAYS)
        self.closed = (self._whole[0], closing) if has else None

    def run(self) -> None:
        """Replay everything into tables of its own, and repair the live ones where they are closed.

        Raises:
            ServiceError: a job failed; one line.
        """
        whole, beside = self._span(self._whole), self.stage.plan.beside
        table = self.stage.replayed
        replays = {REPLAY: self.stage.batch(HOT_PATH, REPLAY, *whole, *self._bundles, table=table)}
        if beside == CURATE:
            name = f"{REPLAY}-{CURATE}"
            replays[name] = self.stage.batch(CURATE, name, *whole, *self._bundles)
        elif self.closed:
            name = f"{REPAIR}-{WINDOWS}"
            replays[name] = self.stage.batch(_RECOMPUTE, name, *self._closed, *self._bundles)
        self._finish(replays)

    def repair(self) -> None:
        """Repair the live table where its span is closed, after it was looked at."""
        if self.closed:
            options = [*self._closed, "--write_mode=repair", *self._bundles]
            job = self.stage.batch(HOT_PATH, REPAIR, *options, table=self.stage.table)
            self._finish({REPAIR: job})

    @property
    def _whole(self) -> tuple[int, int]:
        """From before the first event, with the most skewed and latest, to after the last."""
        day = self.now // _DAY * _DAY
        return day - BACKLOG - 3 * _DAY, day + 4 * _DAY

    @property
    def _bundles(self) -> list[str]:
        replayed = self.stage.plan.has(Kind.BUNDLE_REPLAY)
        return ["--direct_runner_bundle_repeat=1"] if replayed else []

    @property
    def _closed(self) -> list[str]:
        assert self.closed
        return [*self._span(self.closed), f"--max_lateness={2 * HORIZON // _SECOND}s"]

    def _span(self, span: tuple[int, int]) -> list[str]:
        return [f"--from={time_text(span[0])}", f"--to={time_text(span[1])}"]

    def _finish(self, jobs: Mapping[str, ForkedJob]) -> None:
        until = time.monotonic() + _PATIENCE
        while (found := [job.status for job in jobs.values()]) != [0] * len(jobs):
            _check(jobs, found)
            if time.monotonic() > until:
                msg = f"{', '.join(jobs)}: not within {_PATIENCE:.0f} s"
                raise ServiceError(msg)
            time.sleep(_PAUSE)


def _check(jobs: Mapping[str, ForkedJob], found: Iterable[int | None]) -> None:
    for (name, job), status in zip(jobs.items(), found, strict=True):
        if status:
            msg = f"{name} failed: {job.last_words()} (log: {job.log})"
            raise ServiceError(msg)
