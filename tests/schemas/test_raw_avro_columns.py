"""What is read column by column is what fastavro reads record by record."""

import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_avro import ARCHIVE_SCHEMA
from schemas.events import RawEvent
from schemas.packs import RawPack
from schemas.raw_avro_columns import Columns
from schemas.raw_avro_rows import encoded_rows

NOW = 1_767_225_600_000_000
texts = st.text(st.characters(codec="utf-8"), max_size=3) | st.just("x" * 70) | st.just("é" * 9_000)
# Publish times of eight bytes begin and end where they are of another length.
edges = st.sampled_from([2**48, 2**55, -(2**48), -(2**55)])
near = st.builds(int.__add__, edges, st.integers(-2, 2))
usual = st.integers(NOW, NOW + 10**9)
times = st.integers(-(2**63), 2**63 - 1) | usual | st.integers(-70, 70) | near
events = st.builds(
    RawEvent,
    payload=st.binary(max_size=9)
    | st.sampled_from([b"p" * size for size in (63, 64, 8_191, 8_192)]),
    attributes=st.just({}) | st.dictionaries(texts, texts, max_size=3),
    message_id=texts,
    publish_time=times,
    ordering_key=st.just("") | texts,
)
bare = st.builds(RawEvent, payload=st.binary(max_size=9), publish_time=times)


def fastavro_block(some):
    """Return the bytes that fastavro writes of the records, without the file around them."""
    file = io.BytesIO()
    parsed = fastavro.parse_schema(ARCHIVE_SCHEMA)
    fastavro.writer(file, parsed, [record(one) for one in some], sync_interval=10**9)
    file.seek(0)
    return b"".join(block.bytes_.getvalue() for block in fastavro.block_reader(file))


def record(event):
    return {name: getattr(event, name) for name in event.__struct_fields__}


def rows(pack):
    return [pack.row(number) for number in range(len(pack))]


@given(st.lists(events) | st.lists(bare))
def test_what_either_writer_wrote_is_read_as_it_was(some):
    for block in (fastavro_block(some), b"".join(encoded_rows(RawPack.of(some)))):
        columns = Columns()
        columns.read(block, len(some))
        assert rows(columns.pack()) == some


@given(st.lists(bare, max_size=9), st.lists(bare, max_size=9))
def test_blocks_follow_each_other(first, second):
    columns = Columns()
    columns.read(fastavro_block(first), len(first))
    columns.read(fastavro_block(second), len(second))
    assert rows(columns.pack()) == first + second


def test_a_map_in_parts_with_their_sizes_is_read_whole():
    """Other writers of Avro may write a map in parts, and with a negative count its size."""
    part = b"\x02a\x021"
    block = b"\x02p" + b"\x01\x08" + part + b"\x02" + b"\x02b\x022" + b"\x00" + b"\x00\x0a\x00"
    columns = Columns()
    columns.read(block, 1)
    assert columns.pack().row(0) == RawEvent(b"p", {"a": "1", "b": "2"}, "", 5)


@given(st.lists(bare, min_size=1, max_size=5), st.data())
def test_a_block_that_is_cut_is_never_taken_for_a_whole_one(some, data):
    block = fastavro_block(some)
    cut = block[: data.draw(st.integers(0, len(block) - 1))]
    with pytest.raises((LookupError, ValueError)):
        Columns().read(cut, len(some))
    with pytest.raises((LookupError, ValueError)):
        Columns().read(block, len(some) + 1)


@given(st.binary(max_size=60), st.integers(0, 2**40))
def test_whatever_bytes_come_the_end_comes_soon(block, count):
    try:
        Columns().read(block, count)
    except (LookupError, ValueError):
        return
    assert count <= len(block)


@pytest.mark.parametrize("last", [b"\x01", b"\x02", b"\x7f"])
def test_a_time_of_more_than_64_bits_is_damage(last):
    block = b"\x02a\x00\x02m" + b"\xff" * 9 + last + b"\x00"
    columns = Columns()
    if last == b"\x01":
        columns.read(block, 1)
        assert columns.pack().publish_times == [-(2**63)]
    else:
        with pytest.raises(ValueError, match="64 bits"):
            columns.read(block, 1)


def test_many_different_times_are_read_as_they_are():
    some = [RawEvent(b"", {}, "", NOW + n * 300_000_000) for n in range(9_000)] * 2
    columns = Columns()
    columns.read(fastavro_block(some), len(some))
    assert columns.pack().publish_times == [one.publish_time for one in some]
