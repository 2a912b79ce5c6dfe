"""The jobs of the demo: started as an operator would, and killed as a machine that fails."""

import json
import os
import secrets
import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local import demo_metrics
from local.demo_rows import RowPlace
from local.demo_stream import HORIZON_SECONDS, LATEST_SECONDS
from local.errors import ServiceError
from local.processes import ServiceProcess
from schemas.bigtable_table import TableName

__all__ = ["ARCHIVE_SOURCE", "DemoJobs", "check", "kill"]

ARCHIVE_SOURCE = "events"
"""The name of the demo's stream in its archive."""

_KEY_VARIABLE = "PENSTOCK_DEMO_KEY"
_ENGINE_NOTE = "apache_beam.utils.subprocess_server"


@dataclass(frozen=True)
class DemoJobs:
    """Starts the jobs of one demo; they are ended with the stack.

    Args:
        stack: ends what is started.
        prism: the engine; None: the bundle-based runner, for the hot path only.
        logs: folder for logs and counters.
        pubsub: HOST:PORT of the Pub/Sub that the jobs read.
        bigtable: HOST:PORT of the Bigtable that the hot path writes.
        subscriptions: full names, by the names of the jobs, all on one topic.
        tables: what the hot path writes, and what a replay does.
        bucket: for the archive, the quarantines and late events.
        rows: where rows go.
        metrics: folder of the metrics.
        idle_seconds: after so long a silence a streaming job ends by itself, if it is asked to.
    """

    stack: ExitStack
    prism: Path | None
    logs: Path
    pubsub: str
    bigtable: str
    subscriptions: dict[str, str]
    tables: tuple[TableName, TableName]
    bucket: str
    rows: RowPlace
    metrics: Path
    idle_seconds: int
    # All jobs share it: pseudonyms have to be the same in all of them, and after the kill.
    key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    @property
    def archive(self) -> str:
        """The root of the archive."""
        return f"gs://{self.bucket}/archive"

    @property
    def ending(self) -> list[str]:
        """The option by which a streaming job on Prism ends by itself."""
        return [f"--stop_after_idle={self.idle_seconds}"]

    def archive_raw(self) -> ServiceProcess:
        """Start the archive job: small objects, and a marker that moves every second."""
        return self._stream(
            "archive",
            "archive_raw",
            f"--archive_output={self.archive}",
            f"--source={ARCHIVE_SOURCE}",
            "--batch_age=2s",
            "--marker_every=1s",
            # Nobody has read this subscription before, so nothing is hidden by a lease.
            "--restart_grace=0s",
        )

    def hot_path(self, name: str, *more: str) -> ServiceProcess:
        """Start a hot path, with more options; its log and counters are called by the name."""
        return self._stream(
            name,
            "hot_path",
            f"--bigtable_table={self.tables[0]}",
            f"--horizon={HORIZON_SECONDS}s",
            f"--late_output=gs://{self.bucket}/late/hot_path",
            *self._counting(name, "hot_path"),
            *more,
            environ={"BIGTABLE_EMULATOR_HOST": self.bigtable},
        )

    def curate_events(self) -> ServiceProcess:
        """Start the job of the curated events."""
        return self._stream(
            "curated",
            "curate_events",
            *self.rows.options(),
            *self.ending,
            *self._counting("curated", "curated"),
        )

    def window_metrics(self) -> ServiceProcess:
        """Start the job of the metrics of windows."""
        return self._stream(
            "windows",
            "window_metrics",
            "--covers_from=beginning",
            f"--late_output=gs://{self.bucket}/late/windows",
            *self._measuring("windows"),
            *self.ending,
        )

    def replay(self, start: str, end: str) -> ServiceProcess:
        """Start a replay of event times from the archive into the other table."""
        return self._start(
            "replay",
            "hot_path",
            *self._span(start, end),
            f"--bigtable_table={self.tables[1]}",
            f"--horizon={HORIZON_SECONDS}s",
            *self._counting("replay", "replay"),
        )

    def recompute(self, start: str, end: str) -> ServiceProcess:
        """Start the computation of closed windows from the archive."""
        return self._start(
            "recomputed",
            "recompute_windows",
            *self._span(start, end),
            f"--max_lateness={LATEST_SECONDS}s",
            *self._measuring("recomputed"),
        )

    def audit(self, start: str, end: str) -> ServiceProcess:
        """Start the audit of a span."""
        return self._start(
            "audit",
            "audit",
            *self._span(start, end),
            self.rows.audited(),
            f"--metrics={self.metrics}",
            f"--quarantine={self.quarantine('curated')}",
        )

    def quarantine(self, name: str) -> str:
        """Return the folder of what a job has refused."""
        return f"gs://{self.bucket}/quarantine/{name}"

    def counters(self, name: str) -> dict[str, Any]:
        """Return what a job has counted that has ended by itself."""
        counted: dict[str, Any] = json.loads(self._counters(name).read_text())
        return counted

    def _counters(self, name: str) -> Path:
        return self.logs / f"{name}.json"

    def _counting(self, name: str, refused: str) -> list[str]:
        return [
            f"--counters_output={self._counters(name)}",
            f"--quarantine_output={self.quarantine(refused)}",
            f"--pseudonym_key=env:{_KEY_VARIABLE}",
            "--shards=4",
        ]

    def _measuring(self, name: str) -> list[str]:
        return [
            f"--metrics={self.metrics}",
            f"--horizon={demo_metrics.HORIZON_SECONDS}s",
            *self.rows.options(),
            *self._counting(name, name),
        ]

    def _span(self, start: str, end: str) -> list[str]:
        archive = [f"--input_archive={self.archive}", f"--source={ARCHIVE_SOURCE}"]
        return [*archive, f"--from={start}", f"--to={end}"]

    def _stream(
        self, name: str, module: str, *options: str, environ: dict[str, str] | None = None
    ) -> ServiceProcess:
        reads = f"--input_subscription={self.subscriptions[module]}"
        engine = ["--runner=BundleBasedDirectRunner"]
        if self.prism is not None:
            location = f"--prism_location={self.prism}"
            engine = ["--runner=PrismRunner", location, "--environment_type=LOOPBACK"]
        variables = {"PUBSUB_EMULATOR_HOST": self.pubsub, **(environ or {})}
        return self._start(name, module, *engine, reads, *options, environ=variables)

    def _start(
        self, name: str, module: str, *options: str, environ: dict[str, str] | None = None
    ) -> ServiceProcess:
        command = [sys.executable, "-m", f"pipelines.{module}", *options]
        variables = {**os.environ, _KEY_VARIABLE: self.key, **(environ or {})}
        job = ServiceProcess(command, self.logs / f"{name}.log", variables)
        self.stack.callback(job.stop)
        return job


def kill(job: ServiceProcess) -> None:
    """Kill a job and its engine at once; neither has a chance to write or to give back anything.

    Raises:
        ServiceError: it has ended before.
    """
    check(job)
    os.killpg(job.pid, signal.SIGKILL)
    job.stop()


def check(*jobs: ServiceProcess) -> None:
    """Raise a ServiceError, with the job's last words, where one has ended."""
    for job in jobs:
        if job.ended():
            msg = f"the job failed: {_last_words(job)} (log: {job.log})"
            raise ServiceError(msg)


def _last_words(job: ServiceProcess) -> str:
    # At its end a job of Beam also tells what became of its engine, which is not why it ended.
    lines = job.log.read_text(errors="replace").splitlines()
    said = [line.strip() for line in lines if line.strip() and _ENGINE_NOTE not in line]
    return said[-1] if said else "nothing"
