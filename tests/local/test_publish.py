"""Publishing: everything arrives as it was given, at the asked rate; errors are one line."""

import time

import pytest

from local.errors import ServiceError
from local.generate import generate
from local.plan import Faults, Plan
from local.publish import (
    Outgoing,
    ensure_subscription,
    ensure_topic,
    hand_back,
    publish,
    read_lines,
)
from schemas.contract import load_contracts

pytestmark = pytest.mark.emulator


def all_messages(pubsub, subscription):
    """Pull and acknowledge until nothing comes."""
    found = []
    while True:
        pulled = pubsub.subscriber.pull(subscription=subscription, max_messages=1_000)
        if not pulled.received_messages:
            return [received.message for received in found]
        found += pulled.received_messages
        ids = [received.ack_id for received in pulled.received_messages]
        pubsub.subscriber.acknowledge(subscription=subscription, ack_ids=ids)


@pytest.fixture
def stream(pubsub_emulator):
    topic = pubsub_emulator.topic()
    return topic, pubsub_emulator.subscription(topic)


def test_generated_messages_arrive_with_payload_and_attributes(pubsub_emulator, stream):
    topic, subscription = stream
    plan = Plan(1_500, lines=False, faults=Faults(gzip=0.1, broken=0.05))
    sent = list(generate(plan, load_contracts()))
    told = []
    done = publish(topic, sent, progress=lambda published: told.append(published.messages))
    arrived = all_messages(pubsub_emulator, subscription)
    wanted = sorted((m.payload, sorted(m.attributes.items())) for m in sent)
    assert sorted((m.data, sorted(m.attributes.items())) for m in arrived) == wanted
    assert (done.messages, done.payload_bytes) == (1_500, sum(len(m.payload) for m in sent))
    assert told[-1] == 1_500
    assert len(told) == done.requests >= 3


def test_the_rate_is_kept(stream):
    begun = time.monotonic()
    done = publish(stream[0], [Outgoing(b"{}")] * 100, rate=200)
    assert done.messages == 100
    assert 0.45 < time.monotonic() - begun < 3


def test_ordering_keys_are_sent_where_asked_for(pubsub_emulator, stream):
    topic, subscription = stream
    message = Outgoing(b"{}", {"a": "b"}, "key")
    publish(topic, [message])
    publish(topic, [message], ordered=True)
    assert sorted(m.ordering_key for m in all_messages(pubsub_emulator, subscription)) == [
        "",
        "key",
    ]


def test_what_is_handed_back_is_delivered_again(pubsub_emulator, stream):
    topic, subscription = stream
    publish(topic, [Outgoing(b"%d" % n) for n in range(20)])
    assert hand_back(subscription, 5) == 5
    arrived = all_messages(pubsub_emulator, subscription)
    assert sorted(int(message.data) for message in arrived) == list(range(20))


def test_topics_and_subscriptions_are_created_once(pubsub_emulator):
    topic = f"projects/{pubsub_emulator.project}/topics/made-by-publish"
    subscription = f"projects/{pubsub_emulator.project}/subscriptions/made-by-publish"
    assert [ensure_topic(topic), ensure_topic(topic)] == [True, False]
    made = [ensure_subscription(subscription, topic) for _ in range(2)]
    assert made == [True, False]


def test_a_missing_topic_is_told_in_one_line(pubsub_emulator):
    topic = f"projects/{pubsub_emulator.project}/topics/never-made"
    with pytest.raises(ServiceError, match="never-made does not exist; create it") as refused:
        publish(topic, [Outgoing(b"{}")])
    assert "\n" not in str(refused.value)


def test_a_rate_of_nothing_is_refused():
    with pytest.raises(ValueError, match="rate=0"):
        publish("projects/p/topics/t", [], rate=0)


def test_lines_of_a_file_become_messages_and_blank_ones_do_not(tmp_path):
    path = tmp_path / "events.ndjson"
    path.write_bytes(b'{"a":1}\r\n\n  \n{"b":2}')
    assert [message.payload for message in read_lines(path)] == [b'{"a":1}', b'{"b":2}']
