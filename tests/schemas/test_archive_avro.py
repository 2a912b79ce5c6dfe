"""Archived messages as Avro: all is kept, equal ones give equal bytes, bad objects are named."""

import io

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_avro import CODECS, BadObjectError, Fault, from_avro, in_order, to_avro
from schemas.events import RawEvent
from schemas.manifest import ManifestEntry
from schemas.packs import RawPack

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
RAWS = st.builds(
    RawEvent,
    payload=st.binary(max_size=40),
    attributes=st.dictionaries(TEXT, TEXT, max_size=3),
    message_id=TEXT,
    publish_time=st.integers(-(2**62), 2**62),
    ordering_key=TEXT,
)
PACK = RawPack.of(RawEvent(b"{}" * 50, {"k": "v"}, str(n), n, "") for n in range(300))
ONE = PACK.take([0])


def rows(pack):
    return [pack.row(index) for index in range(len(pack))]


@given(st.lists(RAWS, max_size=8), st.sampled_from(sorted(CODECS)))
def test_whatever_arrived_comes_back(raws, codec):
    assert rows(from_avro(to_avro(RawPack.of(raws), codec), codec)) == raws


@pytest.mark.parametrize("codec", CODECS)
def test_equal_messages_give_equal_bytes_whatever_the_order_of_their_attributes(codec):
    one = RawPack.of([RawEvent(b"x", {"a": "1", "b": "2"}, "7", 5, "")])
    other = RawPack.of([RawEvent(b"x", {"b": "2", "a": "1"}, "7", 5, "")])
    assert to_avro(one, codec) == to_avro(other, codec)


@given(st.data(), st.lists(RAWS, max_size=6))
def test_whatever_order_they_came_in_they_are_put_in_one(data, raws):
    shuffled = data.draw(st.permutations(raws))
    ordered = in_order(RawPack.of(raws))
    assert rows(in_order(RawPack.of(shuffled))) == rows(ordered)
    assert [row.publish_time for row in rows(ordered)] == sorted(row.publish_time for row in raws)


@given(st.lists(RAWS, min_size=1, max_size=4), st.lists(RAWS, min_size=1, max_size=4))
def test_other_messages_give_other_bytes(one, other):
    encoded = [to_avro(RawPack.of(raws), "zstd") for raws in (one, other)]
    assert (encoded[0] == encoded[1]) == (one == other)


@pytest.mark.parametrize("codec", CODECS)
def test_anyone_can_read_an_object(codec):
    reader = fastavro.reader(io.BytesIO(to_avro(PACK, codec)))
    assert reader.metadata["avro.codec"] == CODECS[codec]
    assert next(reader) == {
        "payload": b"{}" * 50,
        "attributes": {"k": "v"},
        "message_id": "0",
        "publish_time": 0,
        "ordering_key": "",
    }


@pytest.mark.parametrize("codec", CODECS)
def test_an_object_that_was_cut_anywhere_is_never_read_as_a_shorter_one(codec):
    content = to_avro(PACK, codec)
    entry = ManifestEntry.of(PACK, content, codec)
    for size in range(0, len(content), 97 if codec == "null" else 5):
        with pytest.raises(BadObjectError):
            entry.read(content[:size])


@pytest.mark.parametrize("codec", CODECS)
def test_no_bit_of_an_object_flips_unseen(codec):
    content = to_avro(ONE, codec)
    entry = ManifestEntry.of(ONE, content, codec)
    assert rows(entry.read(content)) == rows(ONE)
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1
        with pytest.raises(BadObjectError):
            entry.read(bytes(flipped))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_bad_object(content):
    for start in (b"", b"Obj\x01", to_avro(ONE, "null")[:60]):
        with pytest.raises(BadObjectError):
            from_avro(start + content)


def foreign() -> bytes:
    schema = {"type": "record", "name": "Other", "fields": [{"name": "payload", "type": "bytes"}]}
    file = io.BytesIO()
    fastavro.writer(file, schema, [{"payload": b"x"}])
    return file.getvalue()


def retyped() -> bytes:
    """Names as in the archive, but other types."""
    names = ("payload", "attributes", "message_id", "publish_time", "ordering_key")
    fields = [{"name": name, "type": "string"} for name in names]
    schema = {"type": "record", "name": "RawEvent", "namespace": "penstock", "fields": fields}
    file = io.BytesIO()
    fastavro.writer(file, schema, [dict.fromkeys(names, "x")])
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, Fault.MISSING),
        (b"", Fault.EMPTY),
        (b"PAR1....", Fault.NOT_AVRO),
        (foreign(), Fault.FOREIGN_SCHEMA),
        (retyped(), Fault.FOREIGN_SCHEMA),
        (to_avro(ONE, "null"), Fault.WRONG_CODEC),
        (to_avro(ONE, "zstd").replace(b"zstandard", b"zstandart"), Fault.WRONG_CODEC),
        (to_avro(ONE, "zstd"), Fault.DAMAGED),
        (to_avro(PACK, "zstd")[:-40], Fault.DAMAGED),
    ],
    # The bytes would be part of the name else, and those of a foreign object differ by run.
    ids=[
        "no object", "nothing in it", "parquet", "another record", "fields of other types",
        "no codec", "unknown codec", "another message", "cut",
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_object_has_a_name(content, fault):
    entry = ManifestEntry.of(PACK, to_avro(PACK, "zstd"), "zstd")
    with pytest.raises(BadObjectError) as raised:
        entry.read(content)
    assert raised.value.fault == fault
    assert "\n" not in str(raised.value)


def test_an_entry_that_counts_wrongly_is_no_proof_of_its_object():
    content = to_avro(PACK, "zstd")
    entry = ManifestEntry.of(PACK.take([0, 1]), content, "zstd")
    with pytest.raises(BadObjectError, match="holds 300 messages, but the manifest says 2"):
        entry.read(content)


@pytest.mark.parametrize("held", [0, 100, 10_000_000])
def test_a_large_object_is_read_pack_by_pack_and_proven_before_the_first(monkeypatch, held):
    monkeypatch.setattr("schemas.archive_blocks.BLOCK_BYTES", 1_000)
    monkeypatch.setattr("schemas.manifest._HELD_BYTES", held)
    content = to_avro(PACK, "zstd")
    entry = ManifestEntry.of(PACK, content, "zstd")
    packs = list(entry.packs(content))
    assert len(packs) > 10
    assert rows(RawPack.join(packs)) == rows(PACK)
    with pytest.raises(BadObjectError):
        entry.packs(content[:-1])
    with pytest.raises(BadObjectError):
        msgspec.structs.replace(entry, events=7).packs(content)
