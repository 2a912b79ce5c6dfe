"""Rows that are all alike are read all at once and as one by one; others are left alone."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.events import RawEvent
from schemas.packs import RawPack
from schemas.raw_avro_columns import Columns
from schemas.raw_avro_rows import encoded_rows
from schemas.usual_avro_rows import usual_rows, usual_times

NOW = 1_767_225_600_000_000
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=9)
LONG = st.sampled_from(["p" * size for size in (63, 64, 500, 8_191)])
PAYLOADS = (TEXT | LONG).map(str.encode)
TIMES = st.integers(NOW, NOW + 10**12)


@st.composite
def alike(draw):
    """Messages as most are: text, a time of our days, an id as long as the others'."""
    size = draw(st.integers(1, 63))
    ids = st.text("0123456789abcdef-", min_size=size, max_size=size)
    event = st.builds(RawEvent, payload=PAYLOADS, message_id=ids, publish_time=TIMES)
    return draw(st.lists(event, min_size=1, max_size=20))


def block_of(some):
    return b"".join(encoded_rows(RawPack.of(some)))


def read_one_by_one(block, count, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("schemas.raw_avro_columns.usual_rows", lambda *_: None)
        columns = Columns()
        columns.read(block, count)
        return columns.pack()


@given(alike())
def test_messages_that_are_alike_are_read_all_at_once(some):
    found = usual_rows(block_of(some), len(some))
    assert found is not None
    assert found.payloads == [one.payload for one in some]
    assert found.ids == [one.message_id for one in some]
    assert found.times == [one.publish_time for one in some]


ODD = st.one_of(
    st.builds(RawEvent, payload=st.binary(max_size=4), publish_time=TIMES),
    st.builds(RawEvent, payload=PAYLOADS, publish_time=st.integers(-(2**63), 2**63 - 1)),
    st.builds(RawEvent, payload=PAYLOADS, publish_time=TIMES, message_id=st.text("\0aé")),
    st.builds(RawEvent, payload=PAYLOADS, publish_time=TIMES, ordering_key=TEXT),
    st.builds(
        RawEvent,
        payload=PAYLOADS,
        publish_time=TIMES,
        attributes=st.dictionaries(st.just("k"), TEXT),
    ),
)


@given(alike(), st.lists(ODD, max_size=3), st.randoms())
def test_one_that_differs_changes_nothing_in_what_is_read(some, odd, random):
    mixed = random.sample([*some, *odd], len(some) + len(odd))
    columns = Columns()
    columns.read(block_of(mixed), len(mixed))
    pack = columns.pack()
    assert [pack.row(row) for row in range(len(pack))] == mixed


@pytest.mark.engine
@given(
    alike(),
    st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 255)), max_size=3),
    st.integers(-1, 1),
)
def test_of_damaged_blocks_all_at_once_takes_what_one_by_one_takes(some, damage, more):
    block = bytearray(block_of(some))
    for place, byte in damage:
        block[place % len(block)] = byte
    found = usual_rows(bytes(block), len(some) + more)
    assume(found is not None)
    with pytest.MonkeyPatch.context() as patch:
        pack = read_one_by_one(bytes(block), len(some) + more, patch)
    assert pack == RawPack(found.payloads, found.times, found.ids)


@given(st.binary(max_size=60), st.integers(0, 2**40))
def test_whatever_bytes_come_there_is_an_answer(block, count):
    found = usual_rows(block, count)
    assert found is None or len(found.payloads) == len(found.ids) == len(found.times) == count


@given(st.lists(TIMES))
def test_times_are_read_all_at_once(times):
    stamps = b"".join(block_of([RawEvent(b"p", publish_time=time)])[4:-1] for time in times)
    assert usual_times(stamps, len(times)) == times


def test_times_of_other_lengths_are_told():
    short = block_of([RawEvent(b"p", publish_time=5)])[4:-1]
    for stamps in (short, bytes(8), b"\xff" * 8):
        with pytest.raises(ValueError):
            usual_times(stamps, 1)
