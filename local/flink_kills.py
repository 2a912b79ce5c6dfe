"""Seeded kills of a streaming job on Flink, and whether its table is exact in the end."""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from local.chance import Chance
from local.check_rows import Found, differences
from local.demo_stream import DemoStream
from local.errors import ServiceError
from local.flink_cluster import FlinkCluster
from local.flink_rest import Checkpoints
from local.flink_stream import AckCount, HotPathOnFlink
from local.flink_verdict import miscounted, verdict
from local.resources import BigtableEmulator, PubsubEmulator
from local.tables import read_table
from schemas.bigtable_table import TableName

__all__ = ["KINDS", "Kill", "KillPlan", "KilledRun"]

KINDS = ("task_manager", "machine", "worker")
"""A TaskManager alone; one with its Python workers; a Python worker alone."""

_COMPLETED_BEFORE = 3
_JITTER_SECONDS = 2.0
_QUIET_SECONDS = 120.0
_PATIENCE = 300.0
_LOOK_SECONDS = 3.0
_PAUSE = 0.1
_DEADLINE_SECONDS = 60


class KillPlan(NamedTuple):
    """What a seed decides: what is killed, when, and which of several.

    `share` is that of the messages published before; `jitter` the seconds after that, so that any
    moment between two checkpoints is met.
    """

    seed: int
    kind: str
    share: float
    jitter: float
    which: float

    @classmethod
    def of(cls, seed: int, kinds: Sequence[str] = KINDS) -> "KillPlan":
        """Draw it: kinds come in turn, the rest by chance.

        >>> [KillPlan.of(seed).kind for seed in range(4)]
        ['task_manager', 'machine', 'worker', 'task_manager']
        """
        chance = Chance(seed)
        share = round(0.25 + 0.4 * chance.random(), 3)
        jitter = round(_JITTER_SECONDS * chance.random(), 3)
        return cls(seed, kinds[seed % len(kinds)], share, jitter, chance.random())

    def chosen(self, among: Sequence[int]) -> int:
        """Return one of several."""
        return among[int(self.which * len(among))]


class Kill(NamedTuple):
    """What a seeded kill came to.

    `lost` and `duplicate` are events that one feature at least counts too few or too many of.
    `at` is the number of messages published when it happened, `acknowledged_then` of those done.
    """

    seed: int
    kind: str
    at: int
    checkpoints_then: int
    acknowledged_then: int
    messages: int
    acknowledged: int
    restored: int
    lost: int
    duplicate: int
    wrong_rows: int
    seconds: float
    verdict: str


@dataclass
class KilledRun:
    """One stream, one job, one kill.

    Args:
        cluster: where the job runs; a TaskManager that is killed is replaced.
        job: starts the job.
        pubsub: the service behind `acks`.
        acks: through which the job reads.
        bigtable: the service that it writes.
        plan: what is killed, and when.
        events: messages in all.
        publish_seconds: time in which they are published.
        say: takes one line of progress.
    """

    cluster: FlinkCluster
    job: HotPathOnFlink
    pubsub: PubsubEmulator
    acks: AckCount
    bigtable: BigtableEmulator
    plan: KillPlan
    events: int
    publish_seconds: float
    say: Callable[[str], None]
    _then: tuple[int, int, int] | None = None
    _due: float | None = field(default=None)

    def run(self) -> Kill:
        """Run it and cancel the job in the end.

        Raises:
            ServiceError: the job does not start or completes no checkpoints, or there is nothing to
                kill.
        """
        begun = time.monotonic()
        topic = self.pubsub.topic()
        self._subscription = self.pubsub.subscription(topic, ack_deadline_seconds=_DEADLINE_SECONDS)
        self._table = self.bigtable.table()
        self._process = self.job.start(self._subscription, self._table)
        try:
            self._flink_job = self._running()
            stream = DemoStream(self.events, self.plan.seed, self.publish_seconds, lambda _: None)
            stream.publish(topic, lambda: self._tick(stream))
            while self._then is None:
                self._tick(stream)
                time.sleep(_PAUSE)
            wrong = self._settled(stream.truth())
            return self._told(stream, wrong, round(time.monotonic() - begun, 1))
        finally:
            self._end()

    def _running(self) -> str:
        rest = self.cluster.rest

        def runs() -> bool:
            if self._process.ended():
                said = f"{self._process.last_words()} (log: {self._process.log})"
                msg = f"the hot path has ended: {said}"
                raise ServiceError(msg)
            job = rest.running_job()
            return job is not None and rest.all_running(job)

        self.cluster.wait(runs, "the hot path did not run", _PATIENCE)
        return rest.running_job() or ""

    def _tick(self, stream: DemoStream) -> None:
        if self._then is not None:
            return
        if self._due is None and stream.published >= self.plan.share * self.events:
            # A slow machine publishes no further meanwhile, so that messages come after the kill.
            self.cluster.wait(self._has_checkpoints, "there were too few checkpoints", _PATIENCE)
            self._due = time.monotonic() + self.plan.jitter
        elif self._due is not None and time.monotonic() >= self._due:
            completed = self._checkpoints().completed
            self._then = (stream.published, completed, self.acks.of(self._subscription))
            self._strike()
            # Of two contents of one id each history keeps one: only now both may come.
            stream.released = True

    def _strike(self) -> None:
        plan, cluster = self.plan, self.cluster
        if plan.kind == "worker":
            workers = cluster.workers()
            if not workers:
                msg = f"there is no Python worker to kill (logs: {cluster.logs})"
                raise ServiceError(msg)
            os.kill(plan.chosen(workers), signal.SIGKILL)
        else:
            index = plan.chosen(cluster.alive())
            kill = cluster.kill_machine if plan.kind == "machine" else cluster.kill_task_manager
            kill(index)
            cluster.start_task_manager()

    def _settled(self, truth: Mapping[str, Any]) -> list[Found]:
        """Return the table when it is exact and all is acknowledged, or when nothing moves."""
        until = time.monotonic() + _PATIENCE
        moved, before = time.monotonic(), (-1, -1)
        while True:
            acknowledged = self.acks.of(self._subscription)
            cells = list(read_table(TableName.parse(self._table)))
            wrong = sum(1 for _ in differences(dict(truth), cells))
            now = time.monotonic()
            if (acknowledged, wrong) != before:
                moved, before = now, (acknowledged, wrong)
            done = acknowledged >= self.events and not wrong
            if done or now > until or now - moved > _QUIET_SECONDS:
                return cells
            self.cluster.check()
            time.sleep(_LOOK_SECONDS)

    def _told(self, stream: DemoStream, cells: list[Found], seconds: float) -> Kill:
        assert self._then is not None
        truth = stream.truth()
        wrong = list(differences(truth, cells))
        lost, duplicate = miscounted(truth, cells)
        acknowledged = self.acks.of(self._subscription)
        restored = self._checkpoints().restored
        at, completed, acknowledged_then = self._then
        return Kill(
            self.plan.seed, self.plan.kind, at, completed, acknowledged_then, self.events,
            acknowledged, restored, lost, duplicate, len(wrong), seconds,
            verdict(len(wrong), self.events - acknowledged, restored),
        )  # fmt: skip

    def _has_checkpoints(self) -> bool:
        return self._checkpoints().completed >= _COMPLETED_BEFORE

    def _checkpoints(self) -> Checkpoints:
        return self.cluster.rest.checkpoints(self._flink_job)

    def _end(self) -> None:
        if job := self.cluster.rest.running_job():
            self.cluster.rest.cancel(job)
            self.cluster.wait(
                lambda: self.cluster.rest.running_job() is None, "the job was not cancelled"
            )
        self._process.stop()
        self.cluster.wait_for_task_managers()
