"""The live part of the proof: one published stream, nine jobs that write it, one that keeps it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.processes import ServiceProcess
from local.prove_checks import ArchiveWatch
from local.prove_jobs import CURATE, MEASURE, ProofJobs, check, kill, wait_until
from local.prove_stream import GHOST, LOST, ProofStream
from local.resources import PubsubEmulator
from local.tables import read_rows
from schemas.bigtable_table import TableName

__all__ = ["LivePart"]

_PATIENCE = 180.0
_KILL_AFTER = 0.4
_LOOK_SECONDS = 1.0
# The redelivered backlog of the killed jobs is to come soon; the others are not to be disturbed.
_DEADLINES = {"live": 60, "killed": 10, "lossy": 60, "archive": 60}
_KINDS = (CURATE, MEASURE)
_WHOLE = "--covers_from=beginning"


@dataclass
class LivePart:
    """Publishes the stream while the jobs run, and kills one of them in the middle.

    Args:
        stream: what is published.
        jobs: starts them.
        pubsub: where it is published.
        tables: by the name of the way.
        tap: HOST:PORT by which the undisturbed job reaches Bigtable.
        watch: looks at the archive meanwhile.
    """

    stream: ProofStream
    jobs: ProofJobs
    pubsub: PubsubEmulator
    tables: Mapping[str, str]
    tap: str
    watch: ArchiveWatch
    running: dict[str, ServiceProcess] = field(default_factory=dict)
    killed_after: int = 0
    _looked: float = 0.0

    def run(self) -> int:
        """Start, publish and kill; return the time after the last message was published.

        Raises:
            ServiceError: a job failed, or nothing came of it.
        """
        topic = self.pubsub.topic()
        ways = [*_DEADLINES, *(f"{way}-{kind}" for way in self._ways for kind in _KINDS)]
        self._subscriptions = {
            name: self.pubsub.subscription(
                topic,
                ack_deadline_seconds=_DEADLINES[name.partition("-")[0]],
                filter=_only(name),
            )
            for name in ways
        }
        self.running["archive"] = self.jobs.keep(self._subscriptions["archive"])
        for name in self._ways:
            tap = self.tap if name == "live" else ""
            self._start(name, name, _WHOLE, tap=tap)
        self.stream.publish(topic, self._tick)
        published = time.time_ns() // 1_000
        wait_until(self._restarted, _PATIENCE, "the job that is to be killed wrote nothing")
        return published

    def wait(self) -> None:
        """Wait until all jobs but the one that archives have ended by themselves.

        Raises:
            ServiceError: one failed, or does not end.
        """
        wait_until(self._over, _PATIENCE, "the live jobs did not end")

    def stop_archiving(self) -> None:
        """End the job that archives."""
        self.running.pop("archive").stop()

    def _over(self) -> bool:
        self._look()
        check(*self.running.values())
        live = [job for name, job in self.running.items() if name != "archive"]
        return all(job.ended() for job in live)

    @property
    def _ways(self) -> tuple[str, ...]:
        return ("live", "killed", "lossy")

    def _start(self, name: str, way: str, coverage: str, *, tap: str = "") -> None:
        """Start the jobs of a way, under another name where they are started anew."""
        asked, table = self._subscriptions, self.tables[way]
        self.running[name] = self.jobs.live(name, asked[way], table, coverage, bigtable=tap)
        for kind in _KINDS:
            # Curated events are never withheld, so that job is not told what it covers.
            more = [] if (kind, coverage) == (CURATE, _WHOLE) else [coverage]
            job = self.jobs.live_rows(kind, name, asked[f"{way}-{kind}"], *more)
            self.running[f"{name}-{kind}"] = job

    def _restarted(self) -> bool:
        self._tick(len(self.stream.messages))
        return "restarted" in self.running

    def _tick(self, published: int) -> None:
        self._look()
        check(*self.running.values())
        middle = published >= _KILL_AFTER * len(self.stream.messages)
        if "killed" in self.running and middle and self._has_begun():
            for name in ("killed", *(f"killed-{kind}" for kind in _KINDS)):
                kill(self.running.pop(name))
            self.killed_after = published
            self._start("restarted", "killed", f"--warm_from_archive={self.jobs.archive}")

    def _has_begun(self) -> bool:
        """Some of it is written, and there is an archive to start from."""
        rows = read_rows(TableName.parse(self.tables["killed"]))
        written = [Path(self.jobs.rows(f"killed-{kind}")).exists() for kind in _KINDS]
        archived = any(objects for _, objects in self.watch.samples)
        return archived and all(written) and any(True for _ in rows)

    def _look(self) -> None:
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self.watch.look()
            self._looked = time.monotonic()


def _only(name: str) -> str:
    if name == f"lossy-{CURATE}":
        # Nothing takes a row away from a curated table, as a repair takes a tile.
        return f"NOT attributes:{LOST} AND NOT attributes:{GHOST}"
    return f"NOT attributes:{LOST if name.startswith('lossy') else GHOST}"
