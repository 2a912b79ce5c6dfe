"""The jobs of the demo: started as an operator would, and killed as a machine that fails."""

import os
import secrets
import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from local.demo_stream import HORIZON_SECONDS
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
        pubsub: HOST:PORT of the Pub/Sub that the hot path reads.
        subscription: of the hot path.
        archived: subscription of the archive job, on the same topic.
        table: what the hot path writes.
        bucket: for the archive, the quarantine and late events.
        idle_seconds: after so long a silence the hot path ends by itself.
    """

    stack: ExitStack
    prism: Path | None
    logs: Path
    pubsub: str
    subscription: str
    archived: str
    table: TableName
    bucket: str
    idle_seconds: int
    # All runs of the hot path share it: pseudonyms have to be the same after the kill.
    key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    @property
    def archive(self) -> str:
        """The root of the archive."""
        return f"gs://{self.bucket}/archive"

    def archive_raw(self) -> ServiceProcess:
        """Start the archive job: small objects, and a marker that moves every second."""
        command = [
            *("pipelines.archive_raw", *self._engine()),
            f"--input_subscription={self.archived}",
            f"--archive_output={self.archive}",
            f"--source={ARCHIVE_SOURCE}",
            "--batch_age=2s",
            "--marker_every=1s",
            # Nobody has read this subscription before, so nothing is hidden by a lease.
            "--restart_grace=0s",
        ]
        return self._start("archive", command, {})

    def hot_path(self, name: str, *more: str) -> ServiceProcess:
        """Start a hot path, with more options; its log and counters are called by the name."""
        command = [
            *("pipelines.hot_path", *self._engine()),
            *([f"--stop_after_idle={self.idle_seconds}"] if self.prism else []),
            f"--input_subscription={self.subscription}",
            f"--bigtable_table={self.table}",
            f"--quarantine_output=gs://{self.bucket}/quarantine",
            f"--late_output=gs://{self.bucket}/late",
            f"--counters_output={self.counters(name)}",
            f"--horizon={HORIZON_SECONDS}s",
            f"--pseudonym_key=env:{_KEY_VARIABLE}",
            "--shards=4",
            *more,
        ]
        variables = {"PUBSUB_EMULATOR_HOST": self.pubsub, _KEY_VARIABLE: self.key}
        return self._start(name, command, variables)

    def counters(self, name: str) -> Path:
        """Return where a hot path writes its counters when it ends."""
        return self.logs / f"{name}.json"

    def _engine(self) -> list[str]:
        if self.prism is None:
            return ["--runner=BundleBasedDirectRunner"]
        return [
            "--runner=PrismRunner",
            f"--prism_location={self.prism}",
            "--environment_type=LOOPBACK",
        ]

    def _start(self, name: str, command: list[str], variables: dict[str, str]) -> ServiceProcess:
        log = self.logs / f"{name}.log"
        job = ServiceProcess([sys.executable, "-m", *command], log, {**os.environ, **variables})
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
