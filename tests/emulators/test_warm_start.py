"""A live job is killed, and another one takes its place with a warm start: every row is right.

What this cannot show: an archive that the archive job writes at the same time (the proof does),
and an engine that keeps its state over a kill, which needs no warm start.
"""

import json
import os
import signal
import sys
import threading
import time

from local.check_rows import differences
from local.feature_rules import read_rules
from local.generate import generate
from local.plan import HOUR, Plan
from local.processes import ServiceProcess
from local.publish import publish
from local.tables import read_table
from local.truth import Truth
from pipelines.hot_path import main
from schemas.bigtable_table import TableName
from schemas.contract import load_contracts
from schemas.events import RawEvent
from schemas.times import format_rfc3339, micros
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE, conserved
from tests.warm_archive import WarmArchive

SECOND = 1_000_000
SPAN = 2 * HOUR
HORIZON = 3 * HOUR
EVENTS = 1_500
PATIENCE = 60


def pull_all(pubsub, subscription: str, count: int) -> list[RawEvent]:
    """Return what an archive job would have received, and acknowledge it."""
    rows: dict[str, RawEvent] = {}
    until = time.monotonic() + PATIENCE
    while len(rows) < count:
        assert time.monotonic() < until, f"{len(rows)} of {count} came"
        answer = pubsub.subscriber.pull(subscription=subscription, max_messages=1_000)
        for each in answer.received_messages:
            sent = each.message
            rows[sent.message_id] = RawEvent(
                sent.data, dict(sent.attributes), sent.message_id, micros(sent.publish_time)
            )
        ids = [each.ack_id for each in answer.received_messages]
        if ids:
            pubsub.subscriber.acknowledge(subscription=subscription, ack_ids=ids)
    return list(rows.values())


def cells(table: str) -> int:
    return sum(1 for _ in read_table(TableName.parse(table)))


def eventually(holds) -> None:
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until, "did not come true in time"
        time.sleep(0.2)


def test_after_a_kill_the_rows_are_those_of_a_job_that_was_never_interrupted(
    bigtable_emulator, pubsub_emulator, gcs_emulator, prism_binary, tmp_path, monkeypatch
):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    contracts = load_contracts(None)
    table = bigtable_emulator.table()
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=10)
    archived = pubsub_emulator.subscription(topic, ack_deadline_seconds=60)
    archive = WarmArchive(f"gs://{gcs_emulator.bucket()}")
    start = time.time_ns() // 1000 - SPAN
    plan = Plan(
        EVENTS,
        seed=21,
        start=start,
        span=SPAN,
        publish_span=5 * SECOND,
        horizon=HORIZON,
        lines=False,
        clocked=True,
    )
    truth = Truth(read_rules(None, contracts), batch=False)
    messages = list(truth.watch(generate(plan, contracts)))
    parts = [messages[:500], messages[500:1_200], messages[1_200:]]
    counters = tmp_path / "counters.json"

    def arguments(*more: str) -> list[str]:
        return [
            "--runner=PrismRunner",
            f"--prism_location={prism_binary}",
            "--environment_type=LOOPBACK",
            f"--input_subscription={subscription}",
            f"--bigtable_table={table}",
            f"--quarantine_output={tmp_path / 'quarantine'}",
            f"--late_output={tmp_path / 'late'}",
            f"--pseudonym_key=env:{KEY_VARIABLE}",
            f"--horizon={HORIZON // SECOND}s",
            "--shards=3",
            *more,
        ]

    publish(topic, parts[0])
    command = [sys.executable, "-m", "pipelines.hot_path", *arguments("--covers_from=beginning")]
    first = ServiceProcess(command, tmp_path / "first.log", dict(os.environ))
    try:
        eventually(lambda: first.ended() or cells(table) > 1_000)
        assert not first.ended(), first.last_words()
        publish(topic, parts[1])
        before = cells(table)
        eventually(lambda: cells(table) > before)
    finally:
        # In the middle: some of it is written and acknowledged, some is neither.
        os.killpg(first.pid, signal.SIGKILL)
        first.stop()
    archive.put(pull_all(pubsub_emulator, archived, 1_200))
    launch = time.time_ns() // 1000

    def go_on() -> None:
        publish(topic, parts[2])
        archive.mark(launch)

    later = threading.Timer(6, go_on)
    later.start()
    warm = (
        f"--warm_from_archive={archive.root}/raw/events",
        f"--now={format_rfc3339(launch)}",
        f"--counters_output={counters}",
        "--stop_after_idle=12",
    )
    assert main(arguments(*warm)) == 0
    later.join()

    assert list(differences(truth.document(), read_table(TableName.parse(table)))) == []
    counted = json.loads(counters.read_text())
    assert conserved(counted)
    assert counted["warm_read"] == 1_200
    # What the first job had acknowledged came from the archive alone.
    assert len(parts[2]) <= counted["read"] - counted["warm_read"] < EVENTS
    assert counted["accepted"] == truth.document()["counts"]["accepted"]
    assert counted["tiles_withheld"] == 0
