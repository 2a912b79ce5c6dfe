"""Tests get tables, topics and buckets of their own, on services that behave like production's."""

import time

import pytest
from google.api_core.exceptions import MethodNotImplemented, NotFound, Unknown
from google.cloud.bigtable.data import BigtableDataClient, RowMutationEntry, SetCell
from google.pubsub_v1.types import PubsubMessage
from hypothesis import given
from hypothesis import strategies as st

from local.pubsub_kind import Capability
from local.resources import unique_name

BOTH = pytest.mark.parametrize("pubsub_emulator", ["go", "java"], indirect=True)


def pulled(pubsub, subscription: str, seconds: float = 10) -> list:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        request = {"subscription": subscription, "max_messages": 100}
        if messages := pubsub.subscriber.pull(request=request, timeout=seconds).received_messages:
            return list(messages)
    return []


@given(st.integers(2, 50))
def test_names_are_unique(number):
    assert len({unique_name("topic") for _ in range(number)}) == number


def test_a_row_that_was_written_is_read_back(bigtable_emulator):
    name = bigtable_emulator.table({"s": {}})
    project, instance, table = name.split("/")[1::2]
    cell = SetCell("s", b"q", b"value", timestamp_micros=7_000)
    with BigtableDataClient(project=project) as client, client.get_table(instance, table) as rows:
        rows.bulk_mutate_rows([RowMutationEntry(b"key", [cell])])
        [read] = rows.read_row(b"key")
    assert (read.value, read.timestamp_micros) == (b"value", 7_000)


def test_tables_of_two_tests_are_two_tables(bigtable_emulator):
    assert bigtable_emulator.table() != bigtable_emulator.table()


@BOTH
def test_a_message_that_is_given_back_comes_again(pubsub_emulator):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=10)
    sent = PubsubMessage(data=b"payload", attributes={"a": "1"})
    pubsub_emulator.publisher.publish(topic=topic, messages=[sent])
    [first] = pulled(pubsub_emulator, subscription)
    pubsub_emulator.subscriber.modify_ack_deadline(
        subscription=subscription, ack_ids=[first.ack_id], ack_deadline_seconds=0
    )
    [again] = pulled(pubsub_emulator, subscription)
    assert again.message.message_id == first.message.message_id
    assert (again.message.data, dict(again.message.attributes)) == (b"payload", {"a": "1"})


@BOTH
def test_a_message_whose_deadline_has_passed_comes_again_until_it_is_acknowledged(pubsub_emulator):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=10)
    pubsub_emulator.publisher.publish(topic=topic, messages=[PubsubMessage(data=b"x")])
    [first] = pulled(pubsub_emulator, subscription)
    pubsub_emulator.subscriber.modify_ack_deadline(
        subscription=subscription, ack_ids=[first.ack_id], ack_deadline_seconds=1
    )
    [again] = pulled(pubsub_emulator, subscription, 20)
    assert again.message.message_id == first.message.message_id
    pubsub_emulator.subscriber.acknowledge(subscription=subscription, ack_ids=[again.ack_id])
    pubsub_emulator.subscriber.modify_ack_deadline(
        subscription=subscription, ack_ids=[again.ack_id], ack_deadline_seconds=0
    )
    pubsub_emulator.publisher.publish(topic=topic, messages=[PubsubMessage(data=b"y")])
    assert [item.message.data for item in pulled(pubsub_emulator, subscription)] == [b"y"]


@pytest.mark.parametrize("pubsub_emulator", [Capability.FILTER], indirect=True)
def test_a_filter_is_honoured_where_it_is_a_capability(pubsub_emulator):
    assert pubsub_emulator.can(Capability.FILTER)
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, filter='attributes.kind = "wanted"')
    messages = [PubsubMessage(data=k.encode(), attributes={"kind": k}) for k in ("other", "wanted")]
    pubsub_emulator.publisher.publish(topic=topic, messages=messages)
    assert [item.message.data for item in pulled(pubsub_emulator, subscription)] == [b"wanted"]


@pytest.mark.parametrize("pubsub_emulator", [Capability.SNAPSHOT], indirect=True)
def test_a_subscription_goes_back_to_its_snapshot_where_that_is_a_capability(pubsub_emulator):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic)
    snapshot = f"projects/{pubsub_emulator.project}/snapshots/{unique_name('snapshot')}"
    pubsub_emulator.subscriber.create_snapshot(name=snapshot, subscription=subscription)
    pubsub_emulator.publisher.publish(topic=topic, messages=[PubsubMessage(data=b"x")])
    [first] = pulled(pubsub_emulator, subscription)
    pubsub_emulator.subscriber.acknowledge(subscription=subscription, ack_ids=[first.ack_id])
    pubsub_emulator.subscriber.seek(request={"subscription": subscription, "snapshot": snapshot})
    [again] = pulled(pubsub_emulator, subscription)
    assert again.message.message_id == first.message.message_id


@pytest.mark.parametrize("pubsub_emulator", ["go"], indirect=True)
def test_what_is_no_capability_is_refused(pubsub_emulator):
    assert not pubsub_emulator.can(Capability.SNAPSHOT)
    subscription = pubsub_emulator.subscription(pubsub_emulator.topic())
    with pytest.raises((MethodNotImplemented, Unknown)):
        pubsub_emulator.subscriber.create_snapshot(
            name=f"projects/{pubsub_emulator.project}/snapshots/s", subscription=subscription
        )


@BOTH
def test_a_subscription_that_is_not_there_is_not_found(pubsub_emulator):
    with pytest.raises(NotFound):
        pubsub_emulator.subscriber.pull(
            subscription=f"projects/{pubsub_emulator.project}/subscriptions/none", max_messages=1
        )
