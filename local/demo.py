"""The demo: all jobs on one stream with faults, one of them killed, and everything checked."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from local.binaries import prism_binary
from local.check_rows import differences
from local.demo_beside import Beside, after_live
from local.demo_checks import checks
from local.demo_jobs import ARCHIVE_SOURCE, check
from local.demo_live import LiveDemo, wait
from local.demo_outcome import Outcome
from local.demo_report import Archived, Findings
from local.demo_stage import Stage, set_stage
from local.demo_stream import DemoStream
from local.demo_user import busiest_user
from local.errors import ServiceError
from local.report_facts import facts_of
from local.report_page import check_writable, write_report
from local.tables import read_table
from transforms.archive_manifest import list_hours
from transforms.read_archived import read_archived

__all__ = ["Demo", "Outcome", "run_demo"]

_EVENTS_WITHOUT_PRISM = 2_000


@dataclass
class Demo:
    """One run of all jobs on local services.

    In the middle the hot path is killed together with its engine, and another one takes its place
    with a warm start. Without Prism there is only a hot path, which nobody kills.

    Args:
        events: messages to publish, faults included.
        seed: of the generated story.
        say: takes one line of progress.
        cold: start the second job without the archive, to see what is wrong then.
        beside: whether curated events, metrics, replay, recomputation and audit run too.
        publish_seconds: time in which all are published.
        idle_seconds: silence after which a job ends by itself; the deadline of the hot path's
            subscription, 10 s, has to fit in: what a killed job had leased comes again after it.
    """

    events: int
    seed: int
    say: Callable[[str], None]
    cold: bool = False
    beside: bool = True
    publish_seconds: float = 30.0
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
        stage = set_stage(
            self._stack, prism, self.events, self.idle_seconds, self.say, beside=self.beside
        )
        stream = DemoStream(self.events, self.seed, self.publish_seconds, self.say)
        found, beside = (self._live if prism else self._plain)(stage, stream)
        self.say("comparing everything with the truth")
        tables = stage.jobs.tables
        checked = list(checks(found, beside, tables, stream.messages))
        user = busiest_user(found.truth, tables[0])
        return Outcome(found, beside, checked, user, stream, dict(stage.clock.first))

    def _prism(self) -> Path | None:
        try:
            return prism_binary()
        except ServiceError as error:
            self.events = min(self.events, _EVENTS_WITHOUT_PRISM)
            self.say(f"without Prism: {error}")
            self.say(
                "the bundle-based runner takes its place: it cannot start warm, so no job is"
                f" killed, nothing runs beside it, and there are {self.events:,} events"
            )
            return None

    def _live(self, stage: Stage, stream: DemoStream) -> tuple[Findings, Beside | None]:
        jobs, proxy = stage.jobs, stage.proxy
        live = LiveDemo(jobs, stream, stage.topic, proxy, self.say, self.cold, self.beside)
        live.publish()
        if self.beside:
            beside = after_live(jobs, live, stream, self.idle_seconds, self.say)
        else:
            beside = None
            live.wait_for_end(self.idle_seconds)
        archived = _archived(jobs.archive)
        counters = jobs.counters("hot-path-2")
        found = Findings(stream.truth(), counters, proxy.lost, live.killed, archived)
        return found, beside

    def _plain(self, stage: Stage, stream: DemoStream) -> tuple[Findings, None]:
        """Without Prism the job has no end of its own: wait for the rows."""
        self.say(f"starting the hot path; its log is in {stage.jobs.logs}")
        job = stage.jobs.hot_path("hot-path", "--covers_from=beginning")
        stream.released = True
        stream.publish(stage.topic, lambda: check(job))
        truth = stream.truth()
        table = stage.jobs.tables[0]
        wait(
            "for every row",
            lambda: not any(differences(truth, read_table(table))),
            lambda: check(job),
            self.say,
        )
        return Findings(truth, {}, stage.proxy.lost), None


def _archived(root: str) -> Archived:
    messages: set[str] = set()
    objects = 0
    for hour in list_hours(root, ARCHIVE_SOURCE):
        objects += len(hour.entries)
        for entry in hour.entries:
            for _, pack in read_archived(hour.folder, entry.name, hour.start):
                messages.update(pack.row(index).message_id for index in range(len(pack)))
    return Archived(len(messages), objects)


def run_demo(
    events: int, seed: int, report: Path, say: Callable[[str], None], *, cold: bool = False
) -> bool:
    """Run the demo, say what happens and when, write its report, and return whether all is right.

    Raises:
        ServiceError: a service or a job failed, or the report cannot be written; one line.
    """
    begun = time.monotonic()

    def told(line: str) -> None:
        say(f"{time.monotonic() - begun:>4.0f} s  {line}")

    check_writable(report)
    outcome = Demo(events, seed, told, cold).run()
    for line in (*outcome.report, *outcome.verdicts):
        say(line)
    seconds = time.monotonic() - begun
    write_report(facts_of(outcome, seed, seconds), report)
    say(f"the report, for any browser: {report.resolve()}")
    failed = sum(bool(each.problems) for each in outcome.checks)
    say(f"{failed} checks failed" if failed else f"all checks hold, in {seconds:.0f} s")
    return not failed
