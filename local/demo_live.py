"""The live part of the demo: jobs read one topic at once, one is killed and replaced."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from local.demo_jobs import ARCHIVE_SOURCE, DemoJobs, check, kill
from local.demo_proxies import WatchedPubsub
from local.demo_report import Killed
from local.demo_stream import DemoStream
from local.errors import ServiceError
from local.processes import ServiceProcess
from local.tables import read_rows
from transforms.archive_manifest import read_marker

__all__ = ["LiveDemo", "wait"]

_PATIENCE_SECONDS = 300
_SIGN_OF_LIFE_SECONDS = 10
_LONGEST_PAUSE = 2.0
_MOMENT_SECONDS = 1.0


def wait(
    what: str,
    come: Callable[[], bool],
    check_jobs: Callable[[], None],
    say: Callable[[str], None],
    alive: Callable[[], str] = str,
) -> None:
    """Wait until something is true, and say so; now and then also that it still lives.

    Raises:
        ServiceError: it did not become true in time, or `check_jobs` raised it.
    """
    if come():
        return
    say(f"waiting {what}")
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
            say(f"  still at work{alive()}")
        time.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 1.5)


@dataclass
class LiveDemo:
    """Archive job and hot path, and with `beside` the curated events and the metrics of windows.

    `killed` tells how far the first hot path had come.

    Args:
        jobs: starts them.
        stream: what they read.
        topic: where it is published.
        proxy: through which they read it.
        say: takes one line of progress.
        cold: start the second hot path without the archive.
        beside: whether the other jobs run too.
    """

    jobs: DemoJobs
    stream: DemoStream
    topic: str
    proxy: WatchedPubsub
    say: Callable[[str], None]
    cold: bool
    beside: bool
    killed: Killed | None = None
    _running: dict[str, ServiceProcess] = field(default_factory=dict)
    _rise: float | None = None
    _until: float = 0.0
    _published_to: int = 0

    def publish(self) -> None:
        """Start the jobs, publish everything, and kill the hot path in the middle.

        Raises:
            ServiceError: a job failed, or came nowhere.
        """
        self._start()
        self.say(f"publishing {self.stream.events:,} messages with faults while they run")
        self._until = time.monotonic() + _PATIENCE_SECONDS
        self.stream.publish(self.topic, self._tick)
        self._published_to = time.time_ns() // 1_000
        wait("for the hot path", self._replaced, self._tick, self.say)

    def wait_for_archive(self) -> None:
        """Wait until the archive says that it has everything."""
        wait("for the archive's completeness marker", self._archived, self.check, self.say)

    def wait_until_closed(self, moment: int) -> None:
        """Wait until the archive is complete up to a time in microseconds."""
        wait(
            "until the windows are closed for the archive too",
            lambda: min(self.marker, time.time_ns() // 1_000) >= moment,
            self.check,
            self.say,
        )

    def wait_for_end(self, idle_seconds: int) -> None:
        """Wait until all jobs but the archive's have ended by themselves."""
        wait(
            f"for messages that come again, and {idle_seconds} s of silence",
            self._ended,
            self.check,
            self.say,
            lambda: f": {self.proxy.acknowledged:,} messages acknowledged",
        )

    @property
    def marker(self) -> int:
        """Up to when the archive is complete, in microseconds."""
        return read_marker(self.jobs.archive, ARCHIVE_SOURCE) or 0

    def check(self) -> None:
        """Raise a ServiceError where a job has failed."""
        for name, job in self._running.items():
            endless = name == "archive" or (name == "hot path" and self.killed is None)
            if job.status or (job.ended() and endless):
                check(job)

    def _start(self) -> None:
        jobs = self.jobs
        beside = ", curated events and metrics of windows" if self.beside else ""
        self.say(f"starting the archive job, the hot path{beside}; their logs are in {jobs.logs}")
        if self.beside:
            jobs.rows.prepare()
            self._running["curated"] = jobs.curate_events()
            self._running["windows"] = jobs.window_metrics()
        self._running["archive"] = jobs.archive_raw()
        self._running["hot path"] = jobs.hot_path("hot-path-1", "--covers_from=beginning")
        wait("until each of them asks for messages", self._are_ready, self.check, self.say)

    def _are_ready(self) -> bool:
        """Say whether to begin: all ask, or the first one would soon end for want of messages."""
        asked = self.proxy.asked
        if not asked:
            return False
        waited = time.monotonic() - min(asked.values())
        return set(self.jobs.subscriptions.values()) <= asked.keys() or waited > self._most_wait

    @property
    def _most_wait(self) -> float:
        return self.jobs.idle_seconds / 2

    def _tick(self) -> None:
        self.check()
        if self.killed is None:
            if self.stream.middle and self._has_begun():
                self._kill()
            elif time.monotonic() > self._until:
                msg = f"the hot path has written nothing for {_PATIENCE_SECONDS} s; look at its log"
                raise ServiceError(msg)
        elif self._rise is not None and time.monotonic() > self._rise:
            self._rise = None
            self._replace()

    def _has_begun(self) -> bool:
        return bool(self.proxy.acknowledged and any(read_rows(self.jobs.tables[0])))

    def _kill(self) -> None:
        kill(self._running.pop("hot path"))
        rows = sum(1 for _ in read_rows(self.jobs.tables[0]))
        self.killed = Killed(self.stream.published, self.proxy.acknowledged, rows)
        self.stream.released = True
        self.say(f"KILLED the hot path and its engine (SIGKILL); {rows:,} rows are in the table")
        self._rise = time.monotonic() + _MOMENT_SECONDS

    def _replace(self) -> None:
        option = f"--warm_from_archive={self.jobs.archive}/raw/events"
        if self.cold:
            self.say("starting another hot path, without the archive")
            self._running["hot path"] = self.jobs.hot_path("hot-path-2", *self.jobs.ending)
        else:
            self.say(f"starting another hot path: {option}")
            self._running["hot path"] = self.jobs.hot_path("hot-path-2", option, *self.jobs.ending)

    def _replaced(self) -> bool:
        return "hot path" in self._running and self.killed is not None

    def _archived(self) -> bool:
        return self.marker > self._published_to

    def _ended(self) -> bool:
        return all(job.status == 0 for name, job in self._running.items() if name != "archive")
