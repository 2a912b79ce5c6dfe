"""A pack of messages is read as its messages are one by one, and each comes to its id's shard."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.content import content_digest
from schemas.contract import load_contracts
from schemas.decoder import Decoder
from schemas.packs import RawPack
from schemas.refusal import Refusal
from schemas.sealed_packs import head_of
from tests.pipelines.messy_events import CONTRACT, LINES, NOW
from tests.schemas.any_event import (
    SHIPPED,
    any_view,
    every_type,
    thing,
    wire,
    write_contract,
    zipped,
)
from tests.schemas.test_decoder_properties import details
from transforms.shard_messages import heads_of_messages

AT = int(NOW.timestamp() * 1_000_000)
DAY = 86_400_000_000
GZIP = {"content-encoding": "gzip"}
LINE = st.builds(
    lambda make, identity: make(identity),
    st.sampled_from(LINES),
    st.sampled_from([b"a", b"b" * 64, b"c" * 65, b"d" * 256, b""]),
)
PAYLOAD = LINE | st.binary(max_size=20) | details.map(lambda given: wire(thing(**given)))
MESSAGES = st.lists(
    st.tuples(PAYLOAD, st.sampled_from([None, 0, AT, AT + 3 * DAY, 2**62]), st.booleans()),
    max_size=12,
)


def pack_of(messages, columns=True):
    payloads, times, zips = ([*column] for column in zip(*messages, strict=True)) if messages else (
        [], [], [],
    )  # fmt: skip
    if not columns:
        return RawPack(payloads)
    return RawPack(payloads, times, None, [dict(GZIP) if each else {} for each in zips])


def rows_of(pack):
    return [pack.row(place) for place in range(len(pack))]


def decoder_of(folder, **bounds):
    return Decoder(load_contracts(write_contract(folder, CONTRACT)), **bounds)


@given(MESSAGES, st.booleans(), st.sampled_from([1_000_000, 300]))
def test_a_pack_gives_what_its_messages_give_one_by_one(tmp_path_factory, messages, columns, most):
    decoder = decoder_of(tmp_path_factory.mktemp("contracts"), max_event_bytes=most)
    pack = pack_of(messages, columns)
    plain = [
        decoder.read(
            raw.payload, raw.attributes, AT if raw.publish_time is None else raw.publish_time
        )
        for raw in rows_of(pack)
    ]
    assert decoder.read_pack(pack, AT) == plain


@given(MESSAGES, st.booleans())
def test_events_of_one_id_have_one_head_however_they_are_written(
    tmp_path_factory, messages, columns
):
    decoder = decoder_of(tmp_path_factory.mktemp("contracts"))
    pack = pack_of(messages, columns)
    heads = heads_of_messages(pack, decoder)
    assert len(heads) == len(pack)
    for raw, head in zip(rows_of(pack), heads, strict=True):
        reading = decoder.read(raw.payload, raw.attributes, None)
        if not isinstance(reading, Refusal):
            assert head == head_of(reading[0].event_id)


def test_what_is_compressed_has_the_head_of_its_id():
    raw = zipped(any_view(new=1))
    [head] = heads_of_messages(RawPack.of([raw]), Decoder(SHIPPED))
    assert head == head_of("e-1")


def test_digits_of_other_numbers_send_no_event_the_slow_way_and_change_nothing():
    decoder = Decoder(SHIPPED)
    pack = RawPack([wire(any_view(new=0.123456789)), wire(any_view(referrer="/1.1234567Z"))])
    readings = decoder.read_pack(pack, AT)
    assert readings == [decoder.read(payload, {}, AT) for payload in pack.payloads]
    assert not any(isinstance(reading, Refusal) for reading in readings)


def test_zero_has_no_minus_whatever_stands_beside_it(tmp_path):
    decoder = Decoder(load_contracts(write_contract(tmp_path, every_type())))
    for others in ({}, {"float": 1.5}, {"decimal": "-0", "double": None}, {"part": None}):
        plain, minus = (
            wire(thing(**{"double": zero, "float": zero, **others})) for zero in (0.0, -0.0)
        )
        one, other = decoder.read_pack(RawPack([plain, minus]), AT)
        assert content_digest(one[0]) == content_digest(other[0])
