"""Rows are left out of packs as they are picked: every column of them."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import RawEvent
from schemas.packs import EventPack, RawPack

EVENTS = st.builds(
    RawEvent,
    payload=st.binary(max_size=2),
    attributes=st.just({}) | st.just({"k": "v"}),
    message_id=st.sampled_from(["", "m"]),
    publish_time=st.none() | st.integers(0, 9),
    ordering_key=st.sampled_from(["", "k"]),
)


def pack_of(some):
    numbers = range(len(some))
    ids = [number.to_bytes(16, "big") for number in numbers]
    contents = [bytes([number]) * 4 for number in numbers]
    return EventPack(ids, contents, [*numbers], RawPack.of(some), watermark=7)


@given(st.lists(EVENTS, max_size=9), st.sets(st.integers(0, 8)))
def test_to_leave_rows_out_is_to_pick_the_others(some, gone):
    pack = pack_of(some)
    gone = sorted(row for row in gone if row < len(some))
    stays = [row for row in range(len(some)) if row not in gone]
    assert pack.without(gone) == pack.take(stays)
    assert pack.raw.without(gone) == pack.raw.take(stays)


@given(st.lists(EVENTS, max_size=5))
def test_the_estimate_counts_the_bytes_of_every_column(some):
    def texts(event):
        pairs = [text for pair in event.attributes.items() for text in pair]
        return len(event.payload) + sum(map(len, [event.message_id, event.ordering_key, *pairs]))

    assert RawPack.of(some).estimated_bytes() == sum(map(texts, some)) + 8 * len(some)
