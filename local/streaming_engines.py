"""Runs the streaming job on engines that stream: a TestStream, Prism, Flink also with a kill."""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from local import streaming_job
from local.errors import ServiceError
from local.flink_cluster import FlinkCluster
from local.flink_stream import EXACT, AckCount
from local.processes import ServiceProcess
from local.publish import publish
from local.resources import PubsubEmulator
from local.streaming_story import Notes, Sent, Story, findings, read_notes, write_declarations
from schemas.packs import RawPack

__all__ = ["StreamRun", "StreamingRuns", "run_test_stream"]

_MINUTE = 60_000_000
_SECOND = 1_000_000
_PATIENCE = 900.0
_PAUSE = 0.5
# Timers of other shards may fire a little after the one that told.
_SETTLE_SECONDS = 15.0
_DEADLINE_SECONDS = 60


class StreamRun(NamedTuple):
    """What an engine made of the story: by semantics what is wrong, and how often it was restored.

    `killed` tells what was killed between the halves, empty where nothing was.
    """

    engine: str
    source: str
    killed: str
    restored: int
    messages: int
    seconds: float
    findings: dict[str, list[str]]


def run_test_stream(folder: Path, base: int) -> tuple[Story, Notes]:
    """Tell the story by a TestStream on the bundle-based runner, into a folder."""
    write_declarations(folder)
    story = Story(base)
    stream = TestStream().advance_watermark_to(Timestamp(micros=base - _SECOND))
    stream.add_elements([_pack(story.first)])
    for passed in (_MINUTE // 2, _MINUTE + 10 * _SECOND):
        stream.advance_watermark_to(Timestamp(micros=base + passed))
    stream.add_elements([_pack(story.second(base + _MINUTE + 15 * _SECOND))])
    stream.advance_watermark_to_infinity()
    options = PipelineOptions(["--runner=BundleBasedDirectRunner", "--streaming"])
    with beam.Pipeline(options=options) as pipeline:
        packs = pipeline | stream.with_output_types(RawPack)
        streaming_job.build(packs, str(folder / "notes"), str(folder), f"file:{folder / 'key'}")
    return story, read_notes(folder / "notes")


def _pack(sent: Sequence[Sent]) -> TimestampedValue:
    payloads = [each.message().payload for each in sent]
    least = min(each.time for each in sent)
    return TimestampedValue(RawPack(payloads), Timestamp(micros=least))


@dataclass
class StreamingRuns:
    """Tells the story on engines that read Pub/Sub by the suite's own source.

    Args:
        pubsub: the service behind `acks`.
        acks: through which jobs read.
        environ: where the services are.
        folder: for notes and logs.
        say: takes one line of progress.
    """

    pubsub: PubsubEmulator
    acks: AckCount
    environ: Mapping[str, str]
    folder: Path
    say: Callable[[str], None]
    _subscription: str = field(default="", init=False)

    def on_test_stream(self) -> StreamRun:
        """Tell it on the bundle-based runner."""
        begun = time.monotonic()
        base = time.time_ns() // 1_000 // _MINUTE * _MINUTE
        story, notes = run_test_stream(self._place("test-stream"), base)
        messages = len(story.first) + len(Story(base).second(base))
        wrong = findings(story, notes)
        return self._told("bundle-based runner", "TestStream", "", 0, messages, begun, wrong)

    def on_prism(self, binary: Path) -> StreamRun:
        """Tell it on Prism."""
        begun = time.monotonic()
        place = self._place("prism")
        options = ["--runner=PrismRunner", f"--prism_location={binary}"]
        topic, job = self._start(place, [*options, "--environment_type=LOOPBACK"])
        try:
            story, messages = self._tell(topic, job, place, self._no_kill)
            self._wait_until_right(story, job, place)
        finally:
            job.stop()
        wrong = findings(story, read_notes(place / "notes"))
        return self._told("Prism", "Pub/Sub", "", 0, messages, begun, wrong)

    def on_flink(self, cluster: FlinkCluster, *, kill: bool) -> StreamRun:
        """Tell it on a Flink cluster; `kill` ends a Python worker between the halves."""
        begun = time.monotonic()
        place = self._place("flink-killed" if kill else "flink")
        topic, job = self._start(place, [*cluster.engine, *EXACT])
        rest, restored = cluster.rest, 0
        try:
            runs = lambda: rest.all_running(rest.running_job() or "-")  # noqa: E731
            self._wait(runs, job, "the job did not run")

            def strike() -> None:
                self._wait(lambda: bool(cluster.workers()), job, "there was no Python worker")
                os.kill(cluster.workers()[0], signal.SIGKILL)
                name = rest.running_job() or ""
                self._wait(lambda: rest.checkpoints(name).restored > 0, job, "nothing restored")
                self._wait(lambda: rest.all_running(name), job, "the job did not run again")

            story, messages = self._tell(topic, job, place, strike if kill else self._no_kill)
            self._wait_until_right(story, job, place)
            restored = rest.checkpoints(rest.running_job() or "").restored
        finally:
            if running := rest.running_job():
                rest.cancel(running)
                cluster.wait(lambda: rest.running_job() is None, "the job was not cancelled")
            job.stop()
        wrong = findings(story, read_notes(place / "notes"))
        killed = "a Python worker" if kill else ""
        return self._told("Flink", "Pub/Sub", killed, restored, messages, begun, wrong)

    def _place(self, name: str) -> Path:
        place = self.folder / name
        place.mkdir(parents=True)
        write_declarations(place)
        return place

    def _start(self, place: Path, options: Sequence[str]) -> tuple[str, ServiceProcess]:
        topic = self.pubsub.topic()
        subscription = self.pubsub.subscription(topic, ack_deadline_seconds=_DEADLINE_SECONDS)
        self._subscription = subscription
        command = [
            *(sys.executable, "-m", "local.streaming_job"),
            f"--input_subscription={subscription}",
            f"--notes={place / 'notes'}",
            f"--declarations={place}",
            f"--pseudonym_key=file:{place / 'key'}",
            *options,
        ]
        return topic, ServiceProcess(command, place / "job.log", {**os.environ, **self.environ})

    def _tell(
        self, topic: str, job: ServiceProcess, place: Path, between: Callable[[], None]
    ) -> tuple[Story, int]:
        # Ahead of the clock, so that the watermark, which follows it, has not passed them yet.
        base = (time.time_ns() // 1_000 // _MINUTE + 1) * _MINUTE
        story = Story(base)
        publish(topic, [each.message() for each in story.first])
        told = lambda: story.is_told(read_notes(place / "notes"))  # noqa: E731
        self._wait(told, job, "the first minute was not told on time")
        first = len(story.first)
        done = lambda: self.acks.of(self._subscription) >= first  # noqa: E731
        self._wait(done, job, "the first half was not acknowledged")
        time.sleep(_SETTLE_SECONDS)
        between()
        second = story.second(time.time_ns() // 1_000 + 5 * _SECOND)
        publish(topic, [each.message() for each in second])
        return story, first + len(second)

    def _wait_until_right(self, story: Story, job: ServiceProcess, place: Path) -> None:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until and not job.ended():
            if not any(findings(story, read_notes(place / "notes")).values()):
                return
            time.sleep(_PAUSE)

    def _wait(self, holds: Callable[[], bool], job: ServiceProcess, what: str) -> None:
        until = time.monotonic() + _PATIENCE
        while not holds():
            if job.ended():
                msg = f"the streaming job has ended: {job.last_words()} (log: {job.log})"
                raise ServiceError(msg)
            if time.monotonic() > until:
                msg = f"{what} within {_PATIENCE:.0f} s (log: {job.log})"
                raise ServiceError(msg)
            time.sleep(_PAUSE)

    def _no_kill(self) -> None:
        """Let the job live."""

    def _told(
        self, engine: str, source: str, killed: str, restored: int, messages: int, begun: float,
        wrong: dict[str, list[str]],
    ) -> StreamRun:  # fmt: skip
        seconds = round(time.monotonic() - begun, 1)
        said = "; ".join(each for found in wrong.values() for each in found) or "as the truth says"
        beside = f", {killed} killed" if killed else ""
        self.say(f"streaming on {engine}{beside}: {said} ({seconds:.0f} s)")
        return StreamRun(engine, source, killed, restored, messages, seconds, wrong)
