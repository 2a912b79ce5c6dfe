"""The jobs of the proof: live ones as processes on Prism, replays and repairs in this one."""

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.errors import ServiceError
from local.processes import ServiceProcess
from local.prove_schedule import SECOND
from pipelines import curate_events, hot_path, recompute_windows, window_metrics
from schemas.times import format_rfc3339

__all__ = [
    "CURATE", "KEY_VARIABLE", "MEASURE", "RECOMPUTE", "SOURCE", "ProofJobs", "check", "kill",
    "wait_until",
]  # fmt: skip

SOURCE = "proof"
"""The archive's source."""
KEY_VARIABLE = "PENSTOCK_PROOF_KEY"

CURATE, MEASURE, RECOMPUTE = "curate", "measure", "recompute"
"""What writes rows; what stands behind the name of a way in the name of a run."""

_ROW_JOBS = {CURATE: curate_events, MEASURE: window_metrics, RECOMPUTE: recompute_windows}

_IDLE_SECONDS = 12
_PAUSE = 0.2


@dataclass
class ProofJobs:
    """Starts the jobs of one proof, and stops what is left of them in the end.

    Args:
        prism: the binary of Prism.
        folder: for archive, quarantines, logs and counters.
        features: the feature files of all jobs.
        metrics: the metric files of all jobs.
        horizon: of all jobs, in microseconds.
        stack: what is started ends with it.
    """

    prism: Path
    folder: Path
    features: Path
    metrics: Path
    horizon: int
    stack: ExitStack

    @property
    def archive(self) -> str:
        """The root of the archive."""
        return str(self.folder / "archive")

    def quarantine(self, name: str) -> str:
        """Return the folder of what a run has refused."""
        return str(self.folder / name / "quarantine")

    def rows(self, name: str) -> str:
        """Return the folder of the rows of a run."""
        return str(self.folder / name / "rows")

    def counters(self, name: str) -> dict[str, Any]:
        """Return what a run that has ended has counted."""
        counted: dict[str, Any] = json.loads((self.folder / f"{name}.json").read_text())
        return counted

    def keep(self, subscription: str) -> ServiceProcess:
        """Start the job that archives; it runs until it is stopped."""
        return self._start(
            "archive",
            "pipelines.archive_raw",
            f"--input_subscription={subscription}",
            f"--archive_output={self.archive}",
            f"--source={SOURCE}",
            *("--batches=bundle", "--batch_age=2s"),
            *("--marker_every=1s", "--restart_grace=0s"),
        )

    def live(
        self, name: str, subscription: str, table: str, *more: str, bigtable: str = ""
    ) -> ServiceProcess:
        """Start a live hot path that ends when nothing comes any more.

        Args:
            name: of its quarantine, counters and log.
            subscription: what it reads.
            table: what it writes.
            more: options.
            bigtable: HOST:PORT by which it reaches Bigtable, by default as this process does.
        """
        return self._start(
            name,
            "pipelines.hot_path",
            f"--input_subscription={subscription}",
            f"--late_output={self.folder / name / 'late'}",
            f"--stop_after_idle={_IDLE_SECONDS}s",
            *self._hot_path(name, table),
            *more,
            environ={"BIGTABLE_EMULATOR_HOST": bigtable} if bigtable else {},
        )

    def replay(self, name: str, table: str, span: tuple[int, int], *more: str) -> dict[str, Any]:
        """Run a batch job over a span of the archive; return what it counted.

        Raises:
            ServiceError: it failed.
        """
        return self._run(hot_path.main, name, span, *self._hot_path(name, table), *more)

    def live_rows(self, kind: str, way: str, subscription: str, *more: str) -> ServiceProcess:
        """Start a live job that writes rows and ends when nothing comes any more.

        Args:
            kind: CURATE or MEASURE.
            way: what stands in front of the kind in the name of the run.
            subscription: what it reads.
            more: options.
        """
        name = f"{way}-{kind}"
        late = [f"--late_output={self.folder / name / 'late'}"] if kind == MEASURE else []
        return self._start(
            name,
            _ROW_JOBS[kind].__name__,
            f"--input_subscription={subscription}",
            f"--stop_after_idle={_IDLE_SECONDS}s",
            *self._row_job(kind, name),
            *late,
            *more,
        )

    def batch_rows(self, kind: str, name: str, span: tuple[int, int], *more: str) -> dict[str, Any]:
        """Run a batch job that writes rows over a span of the archive; return what it counted.

        Raises:
            ServiceError: it failed.
        """
        return self._run(_ROW_JOBS[kind].main, name, span, *self._row_job(kind, name), *more)

    def _run(
        self, main: Callable[[list[str]], int], name: str, span: tuple[int, int], *more: str
    ) -> dict[str, Any]:
        start, end = map(format_rfc3339, span)
        log = self.folder / f"{name}.log"
        read = [f"--input_archive={self.archive}", f"--from={start}", f"--to={end}"]
        with _logged(log):
            status = main([*read, *more])
        if status:
            msg = f"the replay {name} failed with status {status} (log: {log})"
            raise ServiceError(msg)
        return self.counters(name)

    def _hot_path(self, name: str, table: str) -> list[str]:
        return [
            f"--bigtable_table={table}",
            f"--features={self.features}",
            f"--horizon={self.horizon // SECOND}s",
            *self._common(name),
        ]

    def _row_job(self, kind: str, name: str) -> list[str]:
        declared = [] if kind == CURATE else [f"--metrics={self.metrics}"]
        return [f"--rows_output={self.rows(name)}", *declared, *self._common(name)]

    def _common(self, name: str) -> list[str]:
        return [
            f"--quarantine_output={self.quarantine(name)}",
            f"--counters_output={self.folder / f'{name}.json'}",
            f"--pseudonym_key=env:{KEY_VARIABLE}",
            "--shards=2",
        ]

    def _start(
        self, name: str, module: str, *options: str, environ: Mapping[str, str] | None = None
    ) -> ServiceProcess:
        engine = (
            "--runner=PrismRunner",
            f"--prism_location={self.prism}",
            "--environment_type=LOOPBACK",
        )
        command = [sys.executable, "-m", module, *engine, *options, "--readers=1"]
        job = ServiceProcess(
            command, self.folder / f"{name}.log", {**os.environ, **(environ or {})}
        )
        self.stack.callback(job.stop)
        return job


def kill(job: ServiceProcess) -> None:
    """Kill job and engine at once, as a machine does that fails."""
    os.killpg(job.pid, signal.SIGKILL)
    job.stop()


def check(*jobs: ServiceProcess) -> None:
    """Raise a ServiceError if one of the jobs has failed."""
    for job in jobs:
        if job.status:
            msg = f"a job failed: {job.last_words()} (log: {job.log})"
            raise ServiceError(msg)


def wait_until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until something is true.

    Raises:
        ServiceError: it did not become true within so many seconds; one line that says what.
    """
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            msg = f"{what}: not within {seconds:.0f} s"
            raise ServiceError(msg)
        time.sleep(_PAUSE)


@contextmanager
def _logged(log: Path) -> Iterator[None]:
    """Let what is logged go to a file, not between the lines of the proof."""
    handler = logging.FileHandler(log)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
