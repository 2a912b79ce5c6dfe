"""From messages to packs."""

from datetime import datetime, timezone

import hypothesis.strategies as st
import pytest
from apache_beam.io.gcp.pubsub import PubsubMessage
from google.pubsub_v1.types import PullResponse
from hypothesis import given, settings

from schemas.events import RawEvent
from schemas.packs import RawPack
from transforms.pubsub_messages import event_time, pack_messages, raw_of, row_times


def received(*messages: dict) -> list:
    return list(
        PullResponse.pb()(
            received_messages=[{"message": each} for each in messages]
        ).received_messages
    )


def any_message(**changes) -> dict:
    return {
        "data": b"{}",
        "attributes": {"k": "v"},
        "message_id": "7",
        "publish_time": {"seconds": 5, "nanos": 6_007},
        "ordering_key": "o",
    } | changes


def test_every_part_of_a_message_is_kept():
    (pack,) = pack_messages(received(any_message()))
    assert pack.row(0) == RawEvent(b"{}", {"k": "v"}, "7", 5_000_006, "o")


def test_a_message_of_attributes_alone_is_legal():
    (pack,) = pack_messages(received(any_message(data=b"")))
    assert pack.row(0) == RawEvent(b"", {"k": "v"}, "7", 5_000_006, "o")


@settings(max_examples=30)
@given(st.lists(st.integers(0, 1_100_000), max_size=6), st.integers(0, 1_200))
def test_packs_keep_all_messages_in_order_within_their_bounds(large, small):
    sizes = list(large) + [1] * small
    blob = bytes(1_100_000)
    packs = list(pack_messages(received(*({"data": blob[:size]} for size in sizes))))
    assert [len(payload) for pack in packs for payload in pack.payloads] == sizes
    for pack in packs:
        assert len(pack) <= 500
        assert len(pack) == 1 or sum(map(len, pack.payloads)) <= 1 << 20


@pytest.mark.parametrize(
    ("value", "micros"),
    [
        ("1767225600123", 1_767_225_600_123_000),
        ("-5", -5_000),
        ("2026-01-01T00:00:00.5Z", 1_767_225_600_500_000),
        ("2026-01-01T01:00:00+01:00", 1_767_225_600_000_000),
        (None, 42),
        ("", 42),
        ("yesterday", 42),
        ("9" * 30, 42),
        ("253402300800000", 42),
        ("2026-01-01T00:00:00", 42),
        ("--5", 42),
        ("٣", 42),
    ],
)
def test_a_timestamp_attribute_is_read_as_beam_does_or_else_is_the_publish_time(value, micros):
    assert event_time(value, 42) == micros


@given(st.text(max_size=30))
def test_no_timestamp_attribute_raises(value):
    assert isinstance(event_time(value, 42), int)


def test_the_time_of_a_row_is_its_attribute_where_one_is_named():
    pack = RawPack.of([RawEvent(b"", {"at": "3"}, "", 5), RawEvent(b"", {}, "", 6)])
    assert row_times(pack, "at") == [3_000, 6]
    assert row_times(pack, None) == [5, 6]


def test_beams_message_becomes_the_same_record():
    published = datetime(1970, 1, 1, 0, 0, 5, 6, tzinfo=timezone.utc)
    message = PubsubMessage(b"{}", {"k": "v"}, "7", published, "o")
    assert raw_of(message) == RawEvent(b"{}", {"k": "v"}, "7", 5_000_006, "o")
    assert raw_of(PubsubMessage(None, {"k": "v"})) == RawEvent(b"", {"k": "v"})
