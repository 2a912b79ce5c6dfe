"""What is written column by column is what fastavro would have written, byte for byte."""

import io
import zlib

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_avro import ARCHIVE_SCHEMA, CODECS, digest_of, from_avro, in_order, to_avro
from schemas.events import MAX_MICROS, MIN_MICROS, RawEvent
from schemas.packs import RawPack
from schemas.raw_avro_rows import encoded_rows

PARSED = fastavro.parse_schema(ARCHIVE_SCHEMA)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
RAWS = st.builds(
    RawEvent,
    st.binary(max_size=9) | st.integers(4_000, 20_000).map(bytes),
    st.dictionaries(TEXTS, TEXTS, max_size=3),
    TEXTS | st.just("x" * 5_000),
    st.integers(MIN_MICROS, MAX_MICROS) | st.integers(-(2**29), 2**29),
    TEXTS,
)
ALIKE = st.builds(
    RawEvent,
    st.sampled_from([b"", b"a"]),
    st.sampled_from([{}, {"a": "1"}]),
    st.sampled_from(["", "m"]),
    st.integers(0, 1),
    st.sampled_from(["", "k"]),
)


def by_fastavro(raw):
    file = io.BytesIO()
    record = {
        "payload": raw.payload,
        "attributes": dict(sorted(raw.attributes.items())),
        "message_id": raw.message_id,
        "publish_time": raw.publish_time,
        "ordering_key": raw.ordering_key,
    }
    fastavro.schemaless_writer(file, PARSED, record)
    return file.getvalue()


@given(st.lists(RAWS, min_size=1, max_size=5))
def test_records_are_those_of_fastavro(raws):
    assert list(encoded_rows(RawPack.of(raws))) == list(map(by_fastavro, raws))


@given(st.lists(RAWS, max_size=5), st.sampled_from(sorted(CODECS)), st.integers(0, 2))
def test_what_was_written_is_read(raws, codec, variant):
    read = from_avro(to_avro(RawPack.of(raws), codec, variant), codec)
    assert [read.row(row) for row in range(len(read))] == raws


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_variants_differ_in_their_bytes_and_not_in_their_messages(codec):
    pack = RawPack([b"a"], [1], ["m"])
    contents = [to_avro(pack, codec, variant) for variant in range(4)]
    assert len(set(map(digest_of, contents))) == 4
    assert {from_avro(content).payloads[0] for content in contents} == {b"a"}
    assert to_avro(pack, codec, 3) == contents[3]


@given(st.lists(ALIKE, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_messages_in_any_order_are_the_same_object(raws, chance):
    shuffled = chance.sample(raws, len(raws))
    one, other = (to_avro(in_order(RawPack.of(each)), "null") for each in (raws, shuffled))
    assert one == other


def test_large_objects_have_several_blocks_in_order():
    payloads = [b"%d" % n * 100_000 for n in range(90)]
    content = to_avro(RawPack(payloads, list(range(90))), "deflate")
    file = io.BytesIO(content)
    blocks = list(fastavro.block_reader(file))
    assert len(blocks) > 3
    assert sum(block.num_records for block in blocks) == 90
    assert from_avro(content).payloads == payloads
    assert len(content) < len(zlib.compress(b"".join(payloads))) * 1.5
