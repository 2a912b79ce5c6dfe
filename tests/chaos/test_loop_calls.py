import threading

import grpc
import pytest
from google.cloud.bigtable_v2.types import MutateRowsRequest
from google.pubsub_v1 import types

from chaos.loop_calls import HeldBigtable
from chaos.loop_pubsub import WatchedPubsub
from local.resources import BigtableEmulator, PubsubEmulator
from local.tables import read_table
from schemas.bigtable_table import TableName

_MUTATE = "/google.bigtable.v2.Bigtable/MutateRows"


@pytest.fixture
def write(bigtable_emulator: BigtableEmulator):
    """Yield a proxy before Bigtable, the name of a table, and what writes a row to it."""
    table = bigtable_emulator.table()
    with (
        HeldBigtable(bigtable_emulator.address) as proxy,
        grpc.insecure_channel(proxy.address) as channel,
    ):
        call = channel.unary_stream(_MUTATE, request_serializer=MutateRowsRequest.serialize)

        def written(key: bytes) -> int:
            cell = {"family_name": "s", "column_qualifier": b"q", "timestamp_micros": 1_000}
            entry = {"row_key": key, "mutations": [{"set_cell": {**cell, "value": b"v"}}]}
            return len(list(call(MutateRowsRequest(table_name=table, entries=[entry]), timeout=20)))

        yield proxy, TableName.parse(table), written


def test_a_held_answer_is_of_a_write_that_is_done(write):
    proxy, table, written = write
    proxy.hold_next()
    answers = []
    writing = threading.Thread(target=lambda: answers.append(written(b"a")))
    writing.start()
    assert proxy.held.wait(10)
    assert [cell[0] for cell in read_table(table)] == ["a"]
    assert not answers
    proxy.let_go()
    writing.join(10)
    assert answers == [1]


def test_a_burst_refuses_so_many_calls_and_not_one_more(write):
    proxy, table, written = write
    proxy.refuse(2)
    codes = []
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as refused:
            written(b"b")
        codes.append(refused.value.code().name)
    assert sorted(codes) == ["RESOURCE_EXHAUSTED", "UNAVAILABLE"]
    assert not list(read_table(table))
    assert written(b"b") == 1
    assert proxy.refused == 2


def test_every_message_comes_twice_and_what_a_dead_job_had_leased_comes_at_once(
    pubsub_emulator: PubsubEmulator,
):
    topic = pubsub_emulator.topic()
    subscription = pubsub_emulator.subscription(topic, ack_deadline_seconds=600)
    with WatchedPubsub(pubsub_emulator.address, twice=True) as proxy:
        through = PubsubEmulator(proxy.address)
        message = types.PubsubMessage(data=b"x", attributes={"k": "v"})
        [published] = pubsub_emulator.publisher.publish(topic=topic, messages=[message]).message_ids
        proxy.told[published] = 86_400_000_000

        def pull() -> types.ReceivedMessage:
            client = through.subscriber
            [received] = client.pull(subscription=subscription, max_messages=9).received_messages
            return received

        def acknowledge(received: types.ReceivedMessage) -> int:
            through.subscriber.acknowledge(subscription=subscription, ack_ids=[received.ack_id])
            return proxy.done(subscription)

        first = pull()
        assert first.message.publish_time.timestamp() == 86_400
        proxy.end_leases(subscription)
        assert acknowledge(pull()) == 0
        assert acknowledge(pull()) == 1
        assert (proxy.delivered, proxy.again) == (3, 1)
        assert proxy.asked == {subscription}
        assert proxy.messages[published].payload == b"x"
        assert proxy.messages[published].published == 86_400_000_000
