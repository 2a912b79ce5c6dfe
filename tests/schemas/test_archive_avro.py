"""Archived messages as Avro: all is kept, equal ones give equal bytes, bad objects are named."""

import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_avro import CODECS, BadObjectError, digest_of, from_avro, to_avro
from schemas.events import RawEvent

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
RAWS = st.builds(
    RawEvent,
    payload=st.binary(max_size=40),
    attributes=st.dictionaries(TEXT, TEXT, max_size=3),
    message_id=TEXT,
    publish_time=st.integers(-(2**62), 2**62),
    ordering_key=TEXT,
)
ROWS = [RawEvent(b"{}" * 50, {"k": "v"}, str(n), n, "") for n in range(300)]


@given(st.lists(RAWS, max_size=8), st.sampled_from(sorted(CODECS)))
def test_whatever_arrived_comes_back(rows, codec):
    digest, content = to_avro(rows, codec)
    assert from_avro(content) == rows
    assert digest == digest_of(rows)


@pytest.mark.parametrize("codec", CODECS)
def test_equal_messages_give_equal_bytes_whatever_the_order_of_their_attributes(codec):
    one = [RawEvent(b"x", {"a": "1", "b": "2"}, "7", 5, "")]
    other = [RawEvent(b"x", {"b": "2", "a": "1"}, "7", 5, "")]
    assert to_avro(one, codec) == to_avro(other, codec)


@given(st.lists(RAWS, max_size=4), st.lists(RAWS, max_size=4))
def test_other_messages_have_another_digest(one, other):
    assert (digest_of(one) == digest_of(other)) == (one == other)


@pytest.mark.parametrize("codec", CODECS)
def test_anyone_can_read_an_object(codec):
    _, content = to_avro(ROWS[:2], codec)
    reader = fastavro.reader(io.BytesIO(content))
    assert reader.metadata["avro.codec"] == CODECS[codec]
    assert next(reader) == {
        "payload": b"{}" * 50,
        "attributes": {"k": "v"},
        "message_id": "0",
        "publish_time": 0,
        "ordering_key": "",
    }


@pytest.mark.parametrize("codec", CODECS)
def test_a_cut_object_is_never_read_as_a_shorter_one(codec):
    _, content = to_avro(ROWS, codec)
    for size in range(0, len(content), 97):
        with pytest.raises(BadObjectError):
            from_avro(content[:size])


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_bad_object(content):
    for start in (b"", b"Obj\x01", to_avro(ROWS[:1], "null")[1][:60]):
        with pytest.raises(BadObjectError):
            from_avro(start + content)


def test_an_object_of_another_schema_is_named_as_such():
    schema = {"type": "record", "name": "Other", "fields": [{"name": "payload", "type": "bytes"}]}
    file = io.BytesIO()
    fastavro.writer(file, schema, [{"payload": b"x"}])
    with pytest.raises(BadObjectError, match="another Avro schema"):
        from_avro(file.getvalue())


def test_an_unknown_codec_is_a_bad_object():
    _, content = to_avro(ROWS[:1], "null")
    with pytest.raises(BadObjectError):
        from_avro(content.replace(b"\x08null", b"\x08nope", 1))
