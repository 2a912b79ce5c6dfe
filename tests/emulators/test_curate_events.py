"""Curated events from Pub/Sub on Prism, warm: the rows that the same messages give in batch."""

import json
import time

import pytest

from local.lossy_proxy import LossyProxy
from local.publish import Outgoing, publish
from local.services import exported
from pipelines.curate_events import main
from schemas.current_rows import current_rows
from schemas.times import format_rfc3339
from tests.emulators.test_warm_start import pull_all
from tests.pipelines.curate_runs import (
    EVENTS,
    GOLDEN,
    arguments,
    conserved,
    lines_of,
    rows_of,
    told_once,
)
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from tests.warm_archive import WarmArchive
from transforms.quarantine import read_quarantine

pytestmark = [pytest.mark.emulator, pytest.mark.prism]

_OF_A_MESSAGE = ("publish_time", "message_id")
_CONFLICT = "e9"


def told(lines):
    """Return rows without their messages, and without the event of which two differ."""
    return [
        (table, {name: value for name, value in row.items() if name not in _OF_A_MESSAGE})
        for table, row in told_once(lines)
        if row["event_id"] != _CONFLICT
    ]


def test_a_warm_stream_gives_the_rows_of_batch_after_redelivery_and_keeps_what_it_refuses(
    pubsub_emulator, prism_binary, tmp_path, monkeypatch
):
    """A job before had acknowledged a third of the messages, and had written none of them."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=10)
    archived = pubsub_emulator.subscription(topic, ack_deadline_seconds=60)
    # One of the golden events is too far ahead of a launch that has long passed.
    lines = [line for line in EVENTS.read_bytes().splitlines() if line and b'"f7"' not in line]
    third = len(lines) // 3
    publish(topic, [Outgoing(line) for line in lines[:third]])
    pull_all(pubsub_emulator, subscription, third)
    publish(topic, [Outgoing(line) for line in lines[third : 2 * third]])
    archive = WarmArchive(str(tmp_path / "archive"))
    archive.put(pull_all(pubsub_emulator, archived, 2 * third))
    launch = time.time_ns() // 1000
    archive.mark(launch)
    publish(topic, [Outgoing(line) for line in lines[2 * third :]])
    before = format_rfc3339(time.time_ns() // 1000)
    counters = tmp_path / "counters.json"
    argv = [
        f"--input_subscription={subscription}",
        *(each for each in arguments(tmp_path)[1:] if not each.startswith("--now")),
        f"--warm_from_archive={archive.root}/raw/events",
        f"--now={format_rfc3339(launch)}",
        "--runner=PrismRunner",
        f"--prism_location={prism_binary}",
        "--environment_type=LOOPBACK",
        "--stop_after_idle=6",
        f"--counters_output={counters}",
        "--shards=3",
    ]
    with (
        LossyProxy(pubsub_emulator.address, lose_every=3, at_most=5) as proxy,
        exported({"PUBSUB_EMULATOR_HOST": proxy.address}),
    ):
        assert main(argv) == 0
    found = lines_of(tmp_path / "rows")
    assert told(found) == told((GOLDEN / "rows.txt").read_text().splitlines())
    visits = rows_of(found, "silver_shop.visit")
    assert current_rows(visits)[_CONFLICT]["user_id"] in ("u3", "u4")
    assert all(row["message_id"] and row["publish_time"] for row in visits)
    counted = json.loads(counters.read_text())
    assert conserved(counted)
    assert counted["warm_read"] == 2 * third
    assert counted["read"] - counted["warm_read"] >= len(lines) - third
    assert min(row["ingest_time"] for row in visits) > before
    refused = {one.payload for one in read_quarantine(str(tmp_path / "quarantine"))}
    golden = (GOLDEN.parent / "hot_path" / "rejected.ndjson").read_text()
    assert len(refused) == len(golden.splitlines()) - 1
