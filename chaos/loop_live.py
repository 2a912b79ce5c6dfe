"""The live part of a seed: the stream is published, faults come and go, dead jobs are replaced."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from google.pubsub_v1.types import PubsubMessage

from chaos.kinds import Kind
from chaos.loop_jobs import ForkedJob
from chaos.loop_plan import ARCHIVE, HOT_PATH, STREAM, Fault
from chaos.loop_pubsub import Delivered
from chaos.loop_stage import SOURCE, Stage
from chaos.loop_stream import Step
from local.errors import ServiceError
from local.generate import Message
from transforms.archive_manifest import read_marker

__all__ = ["LoopLive"]

_PATIENCE = 240.0
_STEP_SECONDS = 0.4
_FAULT_SECONDS = 2.0
_FULL_SECONDS = 8.0
_PAUSE = 0.01
_LOOK_SECONDS = 0.1
_DELAY = 0.1
_MOST_RUNS = 6
_MOST_MESSAGES, _MOST_BYTES = 400, 3_000_000
_ENDS = frozenset({Kind.SLOW_CONNECTION, Kind.HALF_OPEN_CONNECTION, Kind.CONNECTIONS_CUT})


@dataclass
class LoopLive:
    """Publishes a stream while jobs read it, and lets the faults of the plan befall them.

    `injected` counts the faults that took place, by kind. `published` is every message, by id.
    `failed` tells which jobs failed although they were not killed and had no full disk. `idle`
    counts those that ended for want of messages before all had come.

    Args:
        stage: where it runs.
        steps: of the stream.
    """

    stage: Stage
    steps: list[Step]
    injected: Counter[Kind] = field(default_factory=Counter)
    published: dict[str, Message] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    idle: int = 0
    _jobs: dict[str, ForkedJob] = field(default_factory=dict)
    _noted: set[int] = field(default_factory=set)
    _ending: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _armed: dict[str, int] = field(default_factory=dict)
    _next_look: float = 0.0

    def run(self) -> None:
        """Run until every job has ended by itself, but for the archive's, which is killed.

        It takes four minutes at most.

        Raises:
            ServiceError: something did not come in time; one line.
        """
        self._until = time.monotonic() + _PATIENCE
        waiting = list(self.steps)
        if waiting[0].backlog:
            self._publish(waiting.pop(0))
            self._begin(0)
        for job in self.stage.jobs:
            self._jobs[job] = self.stage.start(job)
        asked = set(self.stage.subscriptions.values())
        self._wait(lambda: asked <= self.stage.pubsub.asked, "the jobs did not ask for messages")
        first = len(self.steps) - len(waiting)
        for number, step in enumerate(waiting, first):
            self._publish(step)
            self._begin(number)
            self._pause(_STEP_SECONDS)
        self._wait(self._over, "the jobs did not end")
        self._note_streams()
        after = time.time_ns() // 1_000
        self._wait(
            lambda: (read_marker(self.stage.archive, SOURCE) or 0) > after,
            "the archive's marker did not move",
        )
        self._jobs.pop(ARCHIVE).kill()

    @property
    def messages(self) -> dict[str, Delivered]:
        """The messages as readers got them."""
        return self.stage.pubsub.messages

    @property
    def restarts(self) -> dict[str, int]:
        """How often each job was started again."""
        return {job: runs - 1 for job, runs in self.stage.runs.items()}

    def _publish(self, step: Step) -> None:
        publisher = self.stage.services.pubsub.publisher
        for batch in _batches(step.messages):
            wire = [PubsubMessage(data=m.payload, attributes=m.attributes) for m in batch]
            ids = publisher.publish(topic=self.stage.topic, messages=wire).message_ids
            self.published.update(zip(ids, batch, strict=True))
            if step.backlog:
                told = {key: m.publish_time for key, m in zip(ids, batch, strict=True)}
                self.stage.pubsub.told.update(told)

    def _begin(self, step: int) -> None:
        for fault in self.stage.plan.faults:
            if fault.step == step:
                self._inject(fault)

    def _inject(self, fault: Fault) -> None:
        stage, kind = self.stage, fault.kind
        if kind in _ENDS:
            wires = list(stage.wires[fault.job].values())
            for wire in wires:
                _BEGIN[kind](wire)
            self._later(_FAULT_SECONDS, lambda: self._mend(fault))
        elif kind is Kind.BURST_429:
            stage.pubsub.refuse(fault.size)
            stage.bigtable.refuse(fault.size)
        elif kind is Kind.FULL_DISK:
            job = self._jobs[fault.job]
            job.fill_disk()
            self._later(_FULL_SECONDS, job.empty_disk)
        elif kind is Kind.KILL_BETWEEN_WRITE_AND_COMMIT:
            self._arm(fault.job)

    def _mend(self, fault: Fault) -> None:
        wires = self.stage.wires[fault.job].values()
        for wire in wires:
            wire.mend()
        # What answers that were lost had leased would come after the deadline, a minute later.
        self.stage.pubsub.end_leases(self.stage.subscriptions[fault.job])
        self.injected[fault.kind] += any(wire.met for wire in wires)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        self._ending.append((time.monotonic() + seconds, what))

    def _arm(self, job: str) -> None:
        if job == HOT_PATH:
            self.stage.bigtable.hold_next()
        self._armed[job] = self._written(job)

    def _written(self, job: str) -> int:
        """Count the objects that a job has written; of a held one there is one more to count."""
        if job == HOT_PATH:
            return int(self.stage.bigtable.held.is_set())
        found = self.stage.output(job).rglob("*")
        return sum(each.suffix in (".avro", ".ndjson") for each in found)

    def _tick(self) -> None:
        now = time.monotonic()
        due = [what for moment, what in self._ending if moment <= now]
        self._ending = [each for each in self._ending if each[0] > now]
        for what in due:
            what()
        for job, before in list(self._armed.items()):
            if job in self._jobs and self._written(job) > before:
                self._kill(job)
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        for job, running in list(self._jobs.items()):
            status = running.status
            if status is not None and not (status == 0 and self._all_done(job)):
                self._note_end(job, running, status)
                self._replace(job, running)

    def _kill(self, job: str) -> None:
        del self._armed[job]
        self._jobs[job].kill()
        self._noted.add(self._jobs[job].pid)
        self.stage.bigtable.let_go()
        self.injected[Kind.KILL_BETWEEN_WRITE_AND_COMMIT] += 1

    def _note_end(self, job: str, running: ForkedJob, status: int) -> None:
        if running.pid in self._noted:
            return
        self._noted.add(running.pid)
        if status == 0:
            self.idle += 1
        elif running.is_full:
            running.is_full = False
            self.injected[Kind.FULL_DISK] += 1
        else:
            self.failed.append(f"{job}: {running.last_words()} (log: {running.log})")

    def _replace(self, job: str, running: ForkedJob) -> None:
        """Start a job again, as an operator does; a warm start needs something to start from."""
        self.stage.pubsub.end_leases(self.stage.subscriptions[job])
        if self.stage.runs[job] >= _MOST_RUNS:
            msg = f"{job} ended {_MOST_RUNS} times: {running.last_words()} (log: {running.log})"
            raise ServiceError(msg)
        if job == ARCHIVE or read_marker(self.stage.archive, SOURCE):
            self._jobs[job] = self.stage.start(job)

    def _all_done(self, job: str) -> bool:
        return self.stage.pubsub.done(self.stage.subscriptions[job]) >= len(self.published)

    def _over(self) -> bool:
        live = [running for job, running in self._jobs.items() if job != ARCHIVE]
        ended = not self._ending and all(running.status == 0 for running in live)
        return ended and self._all_done(ARCHIVE)

    def _note_streams(self) -> None:
        for fault in self.stage.plan.faults:
            if fault.kind in STREAM:
                self.injected[fault.kind] += 1
        self.injected[Kind.REDELIVERY] += bool(self.stage.pubsub.again)
        refused = self.stage.pubsub.refused or self.stage.bigtable.refused
        self.injected[Kind.BURST_429] += bool(refused)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self._wait(lambda: time.monotonic() > until, "a pause")

    def _wait(self, come: Callable[[], bool], what: str) -> None:
        while not come():
            self._tick()
            if time.monotonic() > self._until:
                msg = f"{what}: not within {_PATIENCE:.0f} s of the beginning"
                raise ServiceError(msg)
            time.sleep(_PAUSE)


_BEGIN = {
    Kind.SLOW_CONNECTION: lambda wire: wire.slow(_DELAY),
    Kind.HALF_OPEN_CONNECTION: lambda wire: wire.freeze(),
    Kind.CONNECTIONS_CUT: lambda wire: wire.cut(),
}


def _batches(messages: list[Message]) -> list[list[Message]]:
    batches: list[list[Message]] = [[]]
    size = 0
    for message in messages:
        if len(batches[-1]) == _MOST_MESSAGES or size > _MOST_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(message)
        size += len(message.payload)
    return [batch for batch in batches if batch]
