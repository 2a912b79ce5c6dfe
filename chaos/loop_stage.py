"""What a seed runs on: services that stand for many seeds, and proxies and jobs of its own."""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from chaos.fork_server import ForkServer
from chaos.loop_calls import HeldBigtable
from chaos.loop_jobs import ForkedJob
from chaos.loop_plan import ARCHIVE, CURATE, HOT_PATH, WINDOWS, LoopPlan
from chaos.loop_pubsub import WatchedPubsub
from chaos.loop_stream import BACKLOG, HORIZON
from chaos.loop_wire import Wire
from local.binaries import prism_binary
from local.resources import BigtableEmulator, PubsubEmulator, StorageEmulator
from local.services import LocalServices, exported
from schemas.metric_set import SHIPPED

__all__ = [
    "IDLE_SECONDS",
    "KEY_VARIABLE",
    "LENGTHS",
    "METRICS",
    "SOURCE",
    "Services",
    "Stage",
    "services",
]

KEY_VARIABLE = "PENSTOCK_CHAOS_KEY"
IDLE_SECONDS = 5
"""Silence after which a job ends; no fault of the schedule lasts as long."""
METRICS = ("activity", "lesson_funnel")
"""The metrics that a seed measures; the others fill windows without events, or tell of rejects."""

LENGTHS = ("30m", "1h")
"""Their windows. Prism fires each window by itself, and days of minutes would take minutes."""
SOURCE = "chaos"
"""The archive's source."""

_SECOND = 1_000_000
_DEADLINE_SECONDS = 60
_MARGIN_SECONDS = 86_400


@dataclass(frozen=True)
class Services:
    """The services of all seeds, whose addresses are in the environment of this process."""

    environ: Mapping[str, str]
    forks: ForkServer
    prism: Path
    data: Path
    metrics: Path
    pubsub: PubsubEmulator
    bigtable: BigtableEmulator
    storage: StorageEmulator


@contextmanager
def services(folder: Path) -> Iterator[Services]:
    """Start Pub/Sub, Bigtable, Cloud Storage and the process that jobs are forked off.

    Args:
        folder: for their logs and data, and for what all seeds have in common.

    Raises:
        ServiceError: one of them cannot be had or does not start.
    """
    prism, folder = prism_binary(), folder.resolve()
    data, metrics = folder / "data", folder / "metrics"
    for each in (data, metrics):
        each.mkdir(parents=True, exist_ok=True)
    _write_metrics(metrics)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, data, ignore_errors=True)
        # Before there is a client in this process: a fork would have its channels and not threads.
        forks = stack.enter_context(ForkServer("chaos.loop_forge", folder / "forks.log"))
        names = ("bigtable", "pubsub", "storage")
        local = stack.enter_context(LocalServices(names, logs=folder, data=data))
        environ = {**local.variables, KEY_VARIABLE: secrets.token_hex(32)}
        stack.enter_context(exported(environ))
        at = local.addresses
        yield Services(
            *(environ, forks, prism, data, metrics),
            PubsubEmulator(at["pubsub"], local.pubsub),
            BigtableEmulator(at["bigtable"]),
            StorageEmulator(at["storage"]),
        )


def _write_metrics(folder: Path) -> None:
    lateness = HORIZON // _SECOND - 3_600
    for name in METRICS:
        spec = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())
        spec |= {"windows": [*LENGTHS], "allowed_lateness": f"{lateness}s"}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))


@dataclass
class Stage:
    """Tables, topic, archive and proxies of one seed, while the block lasts.

    `table` is that of the live hot path, `replayed` that of the replay.

    Args:
        plan: of the seed.
        services: of all seeds.
        folder: an empty one.
        twice: whether every message is delivered a second time.
    """

    plan: LoopPlan
    services: Services
    folder: Path
    twice: bool = False
    runs: dict[str, int] = field(default_factory=dict)

    def __enter__(self) -> "Stage":
        with ExitStack() as stack:
            given = self.services
            self.pubsub = stack.enter_context(WatchedPubsub(given.pubsub.address, twice=self.twice))
            self.bigtable = stack.enter_context(HeldBigtable(given.bigtable.address))
            targets = {
                "pubsub": self.pubsub.address,
                "bigtable": self.bigtable.address,
                "storage": given.storage.address,
            }
            self.wires = {
                job: {name: stack.enter_context(Wire(to)) for name, to in targets.items()}
                for job in self.jobs
            }
            self.topic = given.pubsub.topic()
            self.subscriptions = {
                job: given.pubsub.subscription(self.topic, ack_deadline_seconds=_DEADLINE_SECONDS)
                for job in self.jobs
            }
            self.table, self.replayed = (given.bigtable.table() for _ in range(2))
            local = self.folder / "archive"
            self.bucket = given.storage.bucket() if self.plan.remote else ""
            self.archive = f"gs://{self.bucket}" if self.plan.remote else str(local)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def jobs(self) -> tuple[str, str, str]:
        """The names of the jobs that read the stream."""
        return (ARCHIVE, HOT_PATH, self.plan.beside)

    def output(self, job: str) -> Path:
        """Return the local folder in which a job's writes can be seen."""
        if job == ARCHIVE and self.bucket:
            return self.services.data / ".cloudstorage" / self.bucket
        return self.folder / "archive" if job == ARCHIVE else self.folder / job / "rows"

    def start(self, job: str) -> ForkedJob:
        """Start a job that reads the stream; after its first run with a warm start.

        The environment leads it through its own wires.
        """
        run = self.runs[job] = self.runs.get(job, 0) + 1
        options = self._archiving(run) if job == ARCHIVE else self._streaming(job, run)
        engine = ["--runner=PrismRunner", f"--prism_location={self.services.prism}"]
        argv = [
            *(*engine, "--environment_type=LOOPBACK", "--readers=1"),
            f"--input_subscription={self.subscriptions[job]}",
            *options,
        ]
        return self._fork(job, f"{job}-{run}", argv)

    def batch(self, job: str, name: str, *options: str, table: str = "") -> ForkedJob:
        """Start a job that reads the archive, with the options of its sinks.

        Args:
            job: its name.
            name: of its folder and log.
            options: more of them.
            table: of the hot path; the others write rows.
        """
        sinks = [f"--bigtable_table={table}"] if table else self._rows(name)
        archive = [f"--input_archive={self.archive}", f"--source={SOURCE}"]
        argv = [*archive, *options, *sinks, *self._common(name)]
        if job != CURATE:
            argv.append(f"--horizon={HORIZON // _SECOND}s")
        if job not in (HOT_PATH, CURATE):
            argv.append(f"--metrics={self.services.metrics}")
        return self._fork("", name, argv, job)

    def _fork(self, job: str, name: str, argv: list[str], module: str = "") -> ForkedJob:
        at = {key: wire.address for key, wire in self.wires.get(job, {}).items()}
        environ = {f"{key.upper()}_EMULATOR_HOST": address for key, address in at.items()}
        if "storage" in at:
            environ["STORAGE_EMULATOR_HOST"] = f"http://{at['storage']}"
        log = self.folder / f"{name}.log"
        given = {**os.environ, **self.services.environ, **environ}
        forks = self.services.forks
        pid = forks.start([f"pipelines.{module or job}", *argv], given, log)
        started = ForkedJob(forks, pid, log)
        self._stack.callback(started.kill)
        return started

    def _archiving(self, run: int) -> list[str]:
        return [
            f"--archive_output={self.archive}",
            f"--source={SOURCE}",
            *("--batches=bundle", "--batch_age=1s", "--marker_every=1s"),
            # The leases of a dead job are ended here, so nothing is hidden for longer.
            f"--restart_grace={0 if run == 1 else 2}s",
        ]

    def _streaming(self, job: str, run: int) -> list[str]:
        options = [*self._common(job), f"--stop_after_idle={IDLE_SECONDS}s"]
        options += [f"--bigtable_table={self.table}"] if job == HOT_PATH else self._rows(job)
        if job == WINDOWS:
            options.append(f"--metrics={self.services.metrics}")
        if job in (HOT_PATH, WINDOWS):
            options.append(f"--late_output={self.folder / job / 'late'}")
            options.append(f"--horizon={HORIZON // _SECOND}s")
        if run > 1:
            oldest = BACKLOG // _SECOND + _MARGIN_SECONDS
            return [*options, f"--warm_from_archive={self.archive}", f"--warm_span={oldest}s"]
        # Curated events are never withheld, so that job is not told what it covers.
        return options if job == CURATE else [*options, "--covers_from=beginning"]

    def _rows(self, name: str) -> list[str]:
        return [f"--rows_output={self.folder / name / 'rows'}"]

    def _common(self, name: str) -> list[str]:
        return [
            f"--quarantine_output={self.folder / name / 'quarantine'}",
            f"--counters_output={self.folder / f'{name}.json'}",
            f"--pseudonym_key=env:{KEY_VARIABLE}",
            "--shards=2",
        ]
