"""Messages that are taken apart field by field are what they are one by one, or are not taken."""

from google.protobuf.message import DecodeError
from google.pubsub_v1.types import PubsubMessage as Wrapper
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transforms import pubsub_raw
from transforms.pubsub_columns import columns_of
from transforms.pubsub_raw import raw_pack

Message = Wrapper.pb()
TEXT = st.sampled_from(["", "\0", "é", "k"])
MICROS = st.sampled_from([0, 1, 999, 1_000, 1_000_000, 1_767_268_800_123_456, -1_500_000])


def a_message(**changed):
    fields = {"data": b"{}", "attributes": {"k": "v"}, "message_id": "7", **changed}
    micros = fields.pop("micros", 1_767_268_800_123_000)
    message = Message(**fields)
    if micros is not None:
        message.publish_time.FromMicroseconds(micros)
    return message.SerializeToString()


WHOLE = st.builds(
    a_message,
    data=st.sampled_from([b"", b"\0", b"{}", b"x" * 200]),
    attributes=st.dictionaries(TEXT, TEXT, max_size=2),
    message_id=TEXT,
    ordering_key=TEXT,
    micros=st.none() | MICROS,
)
USUAL = st.builds(
    a_message,
    attributes=st.dictionaries(TEXT, TEXT, max_size=2),
    ordering_key=st.sampled_from(["", "k"]),
)
# Groups that begin or end, lengths beyond the end, half a tag, times of other kinds and twice.
ODD = st.sampled_from(
    [
        b"\x0b", b"\x0c", b"\x7b", b"\x0a", b"\x0a\x18", b"\x0a\x05ab", b"\x8a", b"\x08\x05",
        b"\x12\x01\x00", b"\x1a\x01\xff", b"\x22\x00", b"\x22\x02\x08\x05", b"\x22\x02\x10\x05",
        b"\x22\x02\x08\x05\x22\x02\x10\x05", b"\x22\x06\x10\xff\xff\xff\xff\x0f", b"\x22\x01\x08",
        b"\x22\x07\x10\xff\xff\xff\xff\xff\x0f", b"\xfa\x01\x02hi",
    ]
)  # fmt: skip
MESSAGES = st.lists(
    WHOLE
    | USUAL
    | ODD
    | st.tuples(WHOLE | ODD, WHOLE | ODD).map(b"".join)
    | st.builds(lambda whole, end: whole[:end], WHOLE, st.integers(0, 60)),
    min_size=1,
    max_size=6,
)


def one_by_one(messages):
    try:
        return pubsub_raw._read_one_by_one(messages)
    except DecodeError:
        return None


@settings(max_examples=100)
@example([b"\x0a\x18", a_message(data=b"\0")])
@example([a_message(data=b"\0"), a_message() + a_message(data=b"\0"), a_message(data=b"")])
@given(MESSAGES)
def test_any_bytes_give_what_they_give_one_by_one_or_are_left_to_that(messages):
    plain = one_by_one(messages)
    found = columns_of(messages)
    if plain is None:
        assert found is None
        return
    assert raw_pack(messages * 8) == plain.join([plain] * 8)
    if found is None:
        return
    count = len(messages)
    assert (found.payloads, found.publish_times) == (plain.payloads, plain.publish_times)
    assert found.message_ids == (plain.message_ids or [""] * count)
    assert found.ordering_keys == (plain.ordering_keys or [""] * count)
    assert (pubsub_raw._attributes(found.entries)) == plain.attributes


@given(st.lists(USUAL, min_size=1, max_size=6))
def test_messages_as_pubsub_hands_them_over_are_taken_apart(messages):
    """Among them those without attributes, ordering key, payload, or parts of a second."""
    beside = [a_message(data=b""), a_message(micros=1_767_268_800_000_000), a_message()]
    assert columns_of(messages + beside) is not None
