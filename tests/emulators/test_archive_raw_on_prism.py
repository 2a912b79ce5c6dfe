"""The archive job as a whole on Prism: it ends by itself, with every message kept and its marker.

What this cannot show: a Prism that is killed, for which see `test_archive_live.py`, and Dataflow.
"""

import json
from collections import Counter

import pytest
from google.pubsub_v1.types import PubsubMessage

from pipelines.archive_raw import main
from transforms.archive_manifest import list_hours, read_marker
from transforms.object_store import read_object

pytestmark = [pytest.mark.emulator, pytest.mark.prism]

MESSAGES = 3_000


def publish(emulator, topic):
    messages = [
        PubsubMessage(data=b"\xff%d" % n, attributes={"ts": str(n)}) for n in range(MESSAGES)
    ]
    for start in range(0, MESSAGES, 500):
        emulator.publisher.publish(topic=topic, messages=messages[start : start + 500])
    return Counter(message.data for message in messages)


@pytest.mark.parametrize(
    ("batches", "more"),
    [("state", ["--batch_bytes=50000"]), ("state", []), ("bundle", ["--batch_age=1s"])],
)
def test_a_job_that_ends_has_archived_every_message_and_does_not_wait_for_its_batches(
    pubsub_emulator, prism_binary, tmp_path, batches, more
):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic)
    published = publish(pubsub_emulator, topic)
    counters = tmp_path / "counters.json"
    status = main(
        [
            f"--input_subscription={subscription}",
            f"--archive_output={tmp_path}/raw/events",
            "--source=a topic",
            "--event_time_attribute=ts",
            f"--counters_output={counters}",
            f"--batches={batches}",
            *more,
            "--marker_every=1s",
            "--restart_grace=0s",
            "--stop_after_idle=2s",
            "--runner=PrismRunner",
            f"--prism_location={prism_binary}",
            "--environment_type=LOOPBACK",
        ]
    )
    assert status == 0
    hours = list(list_hours(str(tmp_path), "a topic"))
    objects = [(hour.path_of(entry), entry) for hour in hours for entry in hour.entries]
    packs = [entry.read(read_object(path)) for path, entry in objects]
    assert Counter(payload for pack in packs for payload in pack.payloads) == published
    told = json.loads(counters.read_text())
    assert (told["archived"], told["objects_written"]) == (MESSAGES, len(objects))
    assert min(entry.first_event for _, entry in objects) == 0
    assert max(entry.last_event for _, entry in objects) == 1_000 * (MESSAGES - 1)
    if (batches, more) == ("state", []):
        # The one batch was open to the end, and the marker stayed before its oldest message.
        marker = read_marker(str(tmp_path), "a topic")
        assert marker is None or marker <= min(entry.first_publish for _, entry in objects)
    if more == ["--batch_bytes=50000"]:
        assert 3 <= len(objects) <= 10
