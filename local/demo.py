"""The demo: events with faults, a hot path that is killed and started warm, every row checked."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from local.binaries import prism_binary
from local.check_rows import differences
from local.demo_jobs import ARCHIVE_SOURCE, DemoJobs, check, kill
from local.demo_report import Archived, Findings, Killed, report_lines, unbalanced
from local.demo_stream import DemoStream
from local.errors import ServiceError
from local.lossy_proxy import LossyProxy
from local.processes import ServiceProcess
from local.resources import PubsubEmulator, StorageEmulator, unique_name
from local.services import PROJECT, LocalServices, exported
from local.tables import create_table, read_rows, read_table
from schemas.bigtable_table import TableName
from transforms.archive_manifest import list_hours
from transforms.read_archived import read_archived

__all__ = ["Demo", "Outcome", "run_demo"]

_MOMENT_SECONDS = 1
_PATIENCE_SECONDS = 300
_SIGN_OF_LIFE_SECONDS = 10
_EVENTS_WITHOUT_PRISM = 2_000
_LONGEST_PAUSE = 2.0
_LOST_ACKS = 100
_SHOWN_DIFFERENCES = 5


@dataclass(frozen=True)
class Outcome:
    """What a demo has shown: what was found, what is not as it should be, and the report."""

    found: Findings
    differences: list[str]
    report: list[str]

    @property
    def right(self) -> bool:
        """Every row is as the truth says, and the counters add up."""
        return not self.differences


@dataclass
class Demo:
    """One run of the archive job and of the hot path on local services.

    When half of the messages are published, the hot path is killed together with its engine, and
    another one takes its place with a warm start. Without Prism nothing is killed: the engine that
    takes its place cannot start warm.

    Args:
        events: messages to publish, faults included.
        seed: of the generated story.
        say: takes one line of progress.
        cold: start the second job without the archive, to see what is wrong then.
        lead_seconds: before the first message; in this time the jobs get ready.
        publish_seconds: time in which all are published.
        idle_seconds: silence after which the job ends by itself; the deadline of the subscription,
            10 s, has to fit in, for lost acknowledgements come again after it.
    """

    events: int
    seed: int
    say: Callable[[str], None]
    cold: bool = False
    lead_seconds: float = 8.0
    publish_seconds: float = 25.0
    idle_seconds: int = 13
    _stack: ExitStack = field(default_factory=ExitStack)

    def run(self) -> Outcome:
        """Run it all and leave nothing running.

        Raises:
            ServiceError: a service or a job failed; one line.
        """
        with self._stack:
            return self._run()

    def _run(self) -> Outcome:
        prism = self._prism()
        self.say("starting Bigtable, Pub/Sub and Cloud Storage on this machine")
        services = self._stack.enter_context(LocalServices())
        self._stack.enter_context(exported(services.variables))
        pubsub = PubsubEmulator(services.addresses["pubsub"], services.pubsub)
        topic = pubsub.topic()
        proxy = self._stack.enter_context(
            LossyProxy(pubsub.address, max(1, self.events // _LOST_ACKS), _LOST_ACKS)
        )
        jobs = DemoJobs(
            self._stack,
            prism,
            services.logs,
            proxy.address,
            pubsub.subscription(topic, ack_deadline_seconds=10),
            pubsub.subscription(topic, ack_deadline_seconds=60),
            TableName(PROJECT, "local", unique_name("demo")),
            StorageEmulator(services.addresses["storage"]).bucket(unique_name("demo")),
            self.idle_seconds,
        )
        create_table(jobs.table)
        run = self._killed_run if prism else self._plain_run
        return self._judged(run(jobs, topic, proxy), jobs.table)

    def _prism(self) -> Path | None:
        try:
            return prism_binary()
        except ServiceError as error:
            self.events = min(self.events, _EVENTS_WITHOUT_PRISM)
            self.say(f"without Prism: {error}")
            self.say(
                "the bundle-based runner takes its place: it cannot start warm, so no job is"
                f" killed, and there are {self.events:,} events"
            )
            return None

    def _killed_run(self, jobs: DemoJobs, topic: str, proxy: LossyProxy) -> Findings:
        self.say(f"starting the archive job and the hot path; their logs are in {jobs.logs}")
        archive = jobs.archive_raw()
        first = jobs.hot_path("hot-path-1", "--covers_from=beginning")
        stream = self._stream()
        stream.publish(0, topic, lambda: check(archive, first))
        self._wait(
            "until the hot path is in the middle of it",
            lambda: bool(proxy.acknowledged and any(read_table(jobs.table))),
            lambda: check(archive, first),
            proxy,
        )
        kill(first)
        killed = Killed(stream.published, proxy.acknowledged, _rows(jobs.table))
        self.say(
            f"KILLED the hot path and its engine (SIGKILL); {killed.rows:,} rows are in the table"
        )
        time.sleep(_MOMENT_SECONDS)
        second = self._second(jobs)
        stream.publish(1, topic, lambda: check(archive, second))
        self._wait(
            f"for messages that come again, and {self.idle_seconds} s of silence",
            second.ended,
            lambda: check(archive),
            proxy,
        )
        if second.status != 0:
            check(second)
        self.say("the hot path has ended by itself; comparing every cell with the truth")
        counters = json.loads(jobs.counters("hot-path-2").read_text())
        archived = _archived(jobs.archive)
        return Findings(stream.truth(), counters, proxy.lost, killed, archived)

    def _second(self, jobs: DemoJobs) -> ServiceProcess:
        if self.cold:
            self.say("starting another hot path, without the archive")
            return jobs.hot_path("hot-path-2")
        option = f"--warm_from_archive={jobs.archive}/raw/events"
        self.say(f"starting another hot path: {option}")
        return jobs.hot_path("hot-path-2", option)

    def _plain_run(self, jobs: DemoJobs, topic: str, proxy: LossyProxy) -> Findings:
        """Without Prism the job has no end of its own: wait for the rows."""
        self.say(f"starting the hot path; its log is in {jobs.logs}")
        job = jobs.hot_path("hot-path", "--covers_from=beginning")
        stream = self._stream()
        for part in (0, 1):
            stream.publish(part, topic, lambda: check(job))
        truth = stream.truth()
        self._wait(
            "for every row",
            lambda: not any(differences(truth, read_table(jobs.table))),
            lambda: check(job),
            proxy,
        )
        return Findings(truth, {}, proxy.lost)

    def _stream(self) -> DemoStream:
        self.say(f"publishing {self.events:,} messages with faults while they run")
        return DemoStream(self.events, self.seed, self.publish_seconds, self.lead_seconds, self.say)

    def _wait(
        self,
        what: str,
        come: Callable[[], bool],
        check_jobs: Callable[[], None],
        proxy: LossyProxy,
    ) -> None:
        if come():
            return
        self.say(f"waiting {what}")
        begun = told = time.monotonic()
        pause = 0.2
        while not come():
            check_jobs()
            now = time.monotonic()
            if now - begun > _PATIENCE_SECONDS:
                msg = f"waited {_PATIENCE_SECONDS} s {what}; look at the logs"
                raise ServiceError(msg)
            if now - told > _SIGN_OF_LIFE_SECONDS:
                told = now
                self.say(f"  still at work: {proxy.acknowledged:,} messages acknowledged")
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 1.5)

    def _judged(self, found: Findings, table: TableName) -> Outcome:
        wrong = [*differences(found.truth, read_table(table)), *unbalanced(found)]
        return Outcome(found, wrong, list(report_lines(found, table)))


def _rows(table: TableName) -> int:
    return sum(1 for _ in read_rows(table))


def _archived(root: str) -> Archived:
    messages: set[str] = set()
    objects = 0
    for hour in list_hours(root, ARCHIVE_SOURCE):
        objects += len(hour.entries)
        for entry in hour.entries:
            for _, pack in read_archived(hour.folder, entry.name, hour.start):
                messages.update(pack.row(index).message_id for index in range(len(pack)))
    return Archived(len(messages), objects)


def run_demo(events: int, seed: int, say: Callable[[str], None], *, cold: bool = False) -> bool:
    """Run the demo, say what happens and when, and return whether every row is right."""
    begun = time.monotonic()

    def told(line: str) -> None:
        say(f"{time.monotonic() - begun:>4.0f} s  {line}")

    outcome = Demo(events, seed, told, cold).run()
    for line in outcome.report:
        say(line)
    for line in outcome.differences[:_SHOWN_DIFFERENCES]:
        say(f"WRONG {line}")
    rows = len(outcome.found.truth["rows"])
    if outcome.right:
        say(f"all {rows:,} rows right, in {time.monotonic() - begun:.0f} s")
    else:
        say(f"{len(outcome.differences):,} differences in {rows:,} rows")
    return outcome.right
