"""Sixty megabytes in sixty messages through the archive job on Prism: none is lost in its state."""

import random

import pytest
from google.pubsub_v1.types import PubsubMessage

from tests.emulators.live_archive import Archive, Job

pytestmark = [pytest.mark.emulator, pytest.mark.prism]


def test_batches_of_large_messages_are_archived_whole(pubsub_emulator, prism_binary, tmp_path):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic)
    chance = random.Random(1)
    sent = {chance.randbytes(1_000_000) for _ in range(60)}
    for payload in sent:
        pubsub_emulator.publisher.publish(topic=topic, messages=[PubsubMessage(data=payload)])
    place = tmp_path / "archive"
    more = ("--batches=state", "--stop_after_idle=3s", "--restart_grace=0s")
    with Job(prism_binary, subscription, place, *more) as job:
        assert job.wait(80) == 0
    assert {row.payload for row in Archive(place).messages()} == sent
