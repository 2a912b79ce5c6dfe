"""The archive job on Pub/Sub: nothing lost, and a marker that is never ahead of the truth.

What this cannot show: what a killed engine loses. Prism commits to memory, so a message that it had
acknowledged can be gone with it.
"""

import json
import os
import threading
import time

import pytest

from local.publish import Outgoing, publish
from pipelines.archive_raw import main
from schemas.archive_avro import from_avro
from schemas.manifest import parse_name
from transforms import mark_complete, write_archive
from transforms.mark_complete import read_marker
from transforms.object_store import create_object

SOURCE = "live"


@pytest.fixture
def job(pubsub_emulator, prism_binary, tmp_path):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=10)

    def run(*more):
        counters = tmp_path / "counters.json"
        given = [
            "--runner=PrismRunner",
            f"--prism_location={prism_binary}",
            "--environment_type=LOOPBACK",
            f"--input_subscription={subscription}",
            f"--archive_output={tmp_path / 'archive'}",
            f"--source={SOURCE}",
            f"--counters_output={counters}",
        ]
        assert main([*given, *more]) == 0
        return json.loads(counters.read_text())

    return topic, run


def archived(path):
    """(entry, messages) of every object that the manifest names."""
    for name in sorted(path.rglob("*.entry.json")):
        entry = parse_name(name.name).entry
        yield entry, from_avro((name.parent / entry.object_name).read_bytes())


@pytest.mark.emulator
@pytest.mark.prism
def test_every_message_is_archived_with_all_that_came_with_it(job, tmp_path):
    topic, run = job
    sent = [Outgoing(os.urandom(20), {"n": str(n)}) for n in range(500)]
    publish(topic, sent)
    counters = run("--stop_after_idle=2", "--batch_age=1s", "--batch_bytes=4000")
    objects = [*archived(tmp_path / "archive")]
    rows = {row.message_id: row for _, messages in objects for row in messages}
    assert sorted((row.payload, row.attributes["n"]) for row in rows.values()) == sorted(
        (each.payload, each.attributes["n"]) for each in sent
    )
    assert counters["archived"] == sum(len(messages) for _, messages in objects) >= 500
    for entry, messages in objects:
        assert entry.events == len(messages)
        assert messages == sorted(messages, key=lambda row: (row.publish_time, row.message_id))
        assert entry.first_publish == messages[0].publish_time
        assert entry.last_publish == messages[-1].publish_time


@pytest.mark.emulator
@pytest.mark.prism
def test_the_marker_follows_an_idle_topic_and_waits_for_a_stuck_batch(job, tmp_path, monkeypatch):
    """The write of one batch hangs until the test has looked at the marker for a while."""
    topic, run = job
    released, begun = threading.Event(), threading.Event()

    def slow(path, content):
        if path.endswith(".avro"):
            begun.set()
            assert released.wait(60)
        return create_object(path, content)

    def quick(*given, **named):
        return original(*given, **{**named, "every": 0.5, "margin": 0.0})

    original = mark_complete.MarkComplete
    monkeypatch.setattr(write_archive, "create_object", slow)
    monkeypatch.setattr("pipelines.archive_raw.MarkComplete", quick)
    publish(topic, [Outgoing(b"stuck")])
    published = time.time_ns() // 1_000
    job_thread = threading.Thread(
        target=run, args=("--stop_after_idle=6", "--batch_age=200ms"), daemon=True
    )
    job_thread.start()
    assert begun.wait(30)
    seen = []
    for _ in range(15):
        seen.append(read_marker(str(tmp_path / "archive"), SOURCE))
        time.sleep(0.2)
    released.set()
    job_thread.join(60)
    assert not job_thread.is_alive()
    assert all(marker is None or marker <= published for marker in seen)
    [(_, [row])] = archived(tmp_path / "archive")
    assert row.payload == b"stuck"
    # The topic was idle for seconds afterwards.
    assert read_marker(str(tmp_path / "archive"), SOURCE) > row.publish_time
