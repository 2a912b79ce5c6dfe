"""Looking at what waits in a subscription of a real emulator takes nothing from it."""

import time

import pytest
from google.pubsub_v1.types import PubsubMessage

from transforms.peek_subscription import oldest_waiting

SECOND = 1_000_000
PATIENCE = 10


@pytest.mark.parametrize("pubsub_emulator", ["go", "java"], indirect=True)
def test_the_oldest_time_is_found_and_every_message_still_comes_at_once(pubsub_emulator):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=60)
    before = time.time_ns() // 1000
    sent = [PubsubMessage(data=b"%d" % n, attributes={"at": f"{n}000"}) for n in range(5, 25)]
    pubsub_emulator.publisher.publish(topic=topic, messages=sent)
    assert before - SECOND <= (oldest_waiting(subscription, seconds=1) or 0)
    assert oldest_waiting(subscription, "at", seconds=1) == 5 * SECOND
    came: set[bytes] = set()
    until = time.monotonic() + PATIENCE
    while len(came) < len(sent):
        # Long before the deadline of a minute, so they were given back.
        assert time.monotonic() < until, f"{len(came)} of {len(sent)} came"
        answer = pubsub_emulator.subscriber.pull(subscription=subscription, max_messages=100)
        came |= {each.message.data for each in answer.received_messages}


def test_nothing_waits_in_an_idle_subscription(pubsub_emulator):
    subscription = pubsub_emulator.subscription(pubsub_emulator.topic())
    assert oldest_waiting(subscription, seconds=2) is None
