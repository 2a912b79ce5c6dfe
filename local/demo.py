"""The demo: events with faults through the streaming hot path, and every row checked."""

import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.binaries import prism_binary
from local.check_rows import differences
from local.demo_report import report_lines, unbalanced
from local.errors import ServiceError
from local.feature_rules import read_rules
from local.generate import Message, generate
from local.lossy_proxy import LossyProxy
from local.plan import HOUR, Plan
from local.processes import ServiceProcess
from local.publish import Published, publish
from local.resources import PubsubEmulator, StorageEmulator
from local.services import PROJECT, LocalServices, exported
from local.tables import create_table, read_table
from local.truth import Truth
from schemas.bigtable_table import TableName
from schemas.contract import load_contracts

__all__ = ["Demo", "Outcome", "run_demo"]

_SECOND = 1_000_000
_HORIZON = 6 * HOUR
_SPAN = 4 * HOUR
_PUBLISH_SECONDS = 25
_LEAD_SECONDS = 8
_IDLE_SECONDS = 13
_PATIENCE_SECONDS = 300
_EVENTS_WITHOUT_PRISM = 2_000
_LOST_ACKS = 100
_KEY_VARIABLE = "PENSTOCK_DEMO_KEY"
_SHOWN_DIFFERENCES = 5


@dataclass(frozen=True)
class Outcome:
    """What a demo has shown: counters (none where the job had to be stopped) and differences."""

    truth: dict[str, Any]
    counters: dict[str, Any]
    redelivered: int
    differences: list[str]

    @property
    def right(self) -> bool:
        """Every row is as the truth says, and the counters add up."""
        return not self.differences


@dataclass
class Demo:
    """One run of the streaming job on local services.

    Args:
        events: messages to publish, faults included.
        seed: of the generated story.
        say: takes one line of progress.
    """

    events: int
    seed: int
    say: Callable[[str], None]
    _stack: ExitStack = field(default_factory=ExitStack)

    def run(self) -> Outcome:
        """Run it all and leave nothing running.

        Raises:
            ServiceError: a service or the job failed; one line.
        """
        with self._stack:
            return self._run()

    def _run(self) -> Outcome:
        prism = self._prism()
        self.say("starting Bigtable, Pub/Sub and Cloud Storage on this machine")
        services = self._stack.enter_context(LocalServices())
        self._stack.enter_context(exported(services.variables))
        pubsub = PubsubEmulator(services.addresses["pubsub"], services.pubsub)
        topic = pubsub.topic("events")
        subscription = pubsub.subscription(topic, "hot-path", ack_deadline_seconds=10)
        table = TableName(PROJECT, "local", "features")
        create_table(table)
        bucket = StorageEmulator(services.addresses["storage"]).bucket("penstock-demo")
        proxy = self._stack.enter_context(
            LossyProxy(pubsub.address, lose_every=50, at_most=_LOST_ACKS)
        )
        counters = services.logs / "counters.json"
        job = self._job(prism, services.logs, proxy, subscription, table, bucket, counters)
        truth = self._publish(topic, job)
        self._wait(job, prism, truth, table)
        wrong = list(differences(truth, read_table(table)))
        known = json.loads(counters.read_text()) if counters.exists() else {}
        self._show(report_lines(truth, known, proxy.lost, table))
        return Outcome(truth, known, proxy.lost, wrong + unbalanced(truth, known))

    def _show(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.say(line)

    def _prism(self) -> Path | None:
        try:
            return prism_binary()
        except ServiceError as error:
            self.events = min(self.events, _EVENTS_WITHOUT_PRISM)
            self.say(f"without Prism: {error}")
            self.say(f"the bundle-based runner takes its place, with {self.events} events")
            return None

    def _job(
        self,
        prism: Path | None,
        logs: Path,
        proxy: LossyProxy,
        subscription: str,
        table: TableName,
        bucket: str,
        counters: Path,
    ) -> ServiceProcess:
        engine = [
            "--runner=PrismRunner",
            f"--prism_location={prism}",
            "--environment_type=LOOPBACK",
            f"--stop_after_idle={_IDLE_SECONDS}",
        ]
        command = [
            *(sys.executable, "-m", "pipelines.hot_path"),
            *(engine if prism else ["--runner=BundleBasedDirectRunner"]),
            f"--input_subscription={subscription}",
            f"--bigtable_table={table}",
            f"--quarantine_output=gs://{bucket}/quarantine",
            f"--late_output=gs://{bucket}/late",
            f"--counters_output={counters}",
            f"--horizon={_HORIZON // _SECOND}s",
            "--covers_from=beginning",
            f"--pseudonym_key=env:{_KEY_VARIABLE}",
            "--shards=4",
        ]
        environ = {
            **os.environ,
            "PUBSUB_EMULATOR_HOST": proxy.address,
            _KEY_VARIABLE: secrets.token_hex(32),
        }
        self.say(f"starting the streaming job (log: {logs / 'job.log'})")
        job = ServiceProcess(command, logs / "job.log", environ)
        self._stack.callback(job.stop)
        return job

    def _publish(self, topic: str, job: ServiceProcess) -> dict[str, Any]:
        start = time.time_ns() // 1000 + _LEAD_SECONDS * _SECOND - _SPAN
        plan = Plan(
            events=self.events,
            seed=self.seed,
            start=start,
            span=_SPAN,
            publish_span=_PUBLISH_SECONDS * _SECOND,
            horizon=_HORIZON,
            lines=False,
            clocked=True,
        )
        contracts = load_contracts(None)
        messages: list[Message] = list(generate(plan, contracts))
        truth = Truth(read_rules(None, contracts), batch=False)
        self.say(f"publishing {self.events} messages while the job runs")
        _wait_until(start + _SPAN)
        rate = self.events / _PUBLISH_SECONDS
        publish(topic, truth.watch(messages), rate, progress=self._progress(job))
        return truth.document()

    def _progress(self, job: ServiceProcess) -> Callable[[Published], None]:
        told = 0

        def progress(published: Published) -> None:
            nonlocal told
            if job.ended():
                _fail(job)
            if published.messages * 5 // self.events > told:
                told = published.messages * 5 // self.events
                self.say(f"published {published.messages} of {self.events}")

        return progress

    def _wait(
        self, job: ServiceProcess, prism: Path | None, truth: dict[str, Any], table: TableName
    ) -> None:
        """Wait for the end of the job; without Prism it has none, so wait for the rows."""
        self.say(
            f"waiting for lost acknowledgements to come again and {_IDLE_SECONDS} s of silence"
        )
        until = time.monotonic() + _PATIENCE_SECONDS
        told = time.monotonic()
        while not job.ended():
            if not prism and not any(differences(truth, read_table(table))):
                return
            if time.monotonic() > until:
                msg = f"the job did not end within {_PATIENCE_SECONDS} s (log: {job.log})"
                raise ServiceError(msg)
            if time.monotonic() - told > 10:
                told = time.monotonic()
                self.say("the job is still at work")
            time.sleep(0.5 if prism else 3)
        if job.status != 0:
            _fail(job)


def _fail(job: ServiceProcess) -> None:
    msg = f"the job failed: {job.last_words()} (log: {job.log})"
    raise ServiceError(msg)


def _wait_until(micros: int) -> None:
    time.sleep(max(0.0, micros / _SECOND - time.time()))


def run_demo(events: int, seed: int, say: Callable[[str], None]) -> bool:
    """Run the demo, say what happens, and return whether every row is right."""
    begun = time.monotonic()
    outcome = Demo(events, seed, say).run()
    for line in outcome.differences[:_SHOWN_DIFFERENCES]:
        say(f"WRONG {line}")
    rows = len(outcome.truth["rows"])
    if outcome.right:
        say(f"all {rows} rows right, in {time.monotonic() - begun:.0f} s")
    else:
        say(f"{len(outcome.differences)} differences in {rows} rows")
    return outcome.right
