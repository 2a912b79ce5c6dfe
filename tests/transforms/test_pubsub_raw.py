"""Serialised messages give what Beam's decoder gives; where it cannot be left out, it decodes."""

from functools import partial

import apache_beam as beam
import pytest
from apache_beam.io.gcp.pubsub import PubsubMessage, ReadFromPubSub
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.utils.timestamp import Timestamp
from google.protobuf.message import DecodeError
from google.pubsub_v1.types import PubsubMessage as Wrapper
from hypothesis import given
from hypothesis import strategies as st

from schemas.packs import RawPack
from tests.engine import run_batch
from transforms import pubsub_raw, read_messages
from transforms.pubsub_messages import raw_of
from transforms.pubsub_raw import leaves_out_decoding, raw_pack, read_serialised
from transforms.read_messages import PackMessages, ReadMessages

NAME = "projects/some-project/subscriptions/some-name"
Message = Wrapper.pb()
TEXT = st.text(max_size=8)
MICROS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)


@st.composite
def serialised(draw):
    size = draw(st.sampled_from([0, 1, 100, 127, 128, 20_000]))
    message = Message(
        data=draw(st.binary(max_size=3)) * size,
        attributes=draw(st.dictionaries(TEXT, TEXT, max_size=3)),
        message_id=draw(TEXT),
        ordering_key=draw(st.sampled_from(["", "o"])),
    )
    micros = draw(st.none() | st.just(0) | MICROS)
    if micros is not None:
        message.publish_time.FromMicroseconds(micros)
    return message.SerializeToString()


@given(st.lists(serialised(), max_size=8))
def test_serialised_messages_become_the_records_of_beams_decoder(messages):
    plain = RawPack.of(raw_of(PubsubMessage._from_proto_str(each)) for each in messages)
    pack = raw_pack(messages)
    assert pack == plain
    assert raw_pack(messages * 2) == RawPack.join([plain, plain])


def test_what_is_remembered_of_attributes_and_sizes_stays_small_and_changes_nothing(monkeypatch):
    monkeypatch.setattr(pubsub_raw, "_MOST_KNOWN", 3)
    attributes = [{"a": str(row), "same": "x"} for row in range(20)] * 2
    messages = [
        Message(data=b"x" * row, attributes=each).SerializeToString()
        for row, each in enumerate(attributes)
    ]
    assert raw_pack(messages).attributes == attributes
    assert len(pubsub_raw._ENTRIES) <= 3
    assert len(pubsub_raw._SETS) <= 3
    assert len(pubsub_raw._FRAMES) <= 3


def test_bytes_that_are_no_message_fail_as_in_beams_decoder():
    for decode in (PubsubMessage._from_proto_str, lambda each: raw_pack([b"", each])):
        with pytest.raises(DecodeError):
            decode(b"\x0a\xff")


def pubsub_reads(pipeline):
    urn = common_urns.composites.PUBSUB_READ.urn
    steps = pipeline.to_runner_api().components.transforms.values()
    payloads = [step.spec.payload for step in steps if step.spec.urn == urn]
    return [beam_runner_api_pb2.PubSubReadPayload.FromString(each) for each in payloads]


def labels_of(pipeline):
    steps = pipeline.to_runner_api().components.transforms.values()
    return {step.unique_name for step in steps if not step.subtransforms}


def portable():
    """Return a pipeline for an engine of which only is known that it is not the direct one."""
    return beam.Pipeline(runner="FnApiRunner", options=PipelineOptions(streaming=True))


@pytest.mark.parametrize("packed", [True, False])
def test_both_ways_ask_the_engine_for_the_same_messages(monkeypatch, packed):
    read = partial(ReadMessages, NAME, source="beam", timestamp_attribute="at", packed=packed)
    bare, plain = portable(), portable()
    _ = bare | "Read" >> read()
    monkeypatch.setattr(read_messages, "read_serialised", lambda *_: None)
    _ = plain | "Read" >> read()
    assert pubsub_reads(bare) == pubsub_reads(plain)
    assert pubsub_reads(bare)[0].with_attributes
    assert labels_of(bare) < labels_of(plain)
    assert "Read/ReadFromPubSub/Map(_from_proto_str)" in labels_of(plain) - labels_of(bare)


class DecodesAnyway(ReadFromPubSub):
    """Beam's source as it might be one day: what is left out comes back."""

    def expand_continued(self, pcoll):
        self.with_attributes = True
        return super().expand_continued(pcoll)


class AsksForPayloads(ReadFromPubSub):
    def __init__(self, **options):
        super().__init__(**{**options, "with_attributes": False})


class HasOtherOptions(ReadFromPubSub):
    def __init__(self, source):
        super().__init__(subscription=source)


@pytest.mark.parametrize("source", [DecodesAnyway, AsksForPayloads, HasOtherOptions, str])
def test_a_source_that_behaves_otherwise_is_left_to_decode(monkeypatch, source):
    assert leaves_out_decoding(ReadFromPubSub)
    assert not leaves_out_decoding(source)
    monkeypatch.setattr(pubsub_raw, "ReadFromPubSub", source)
    assert read_serialised(NAME, None) is None


MESSAGES = [
    Message(
        data=b"%d" % row, message_id=str(row), attributes={"k": "v", "n": str(row)}
    ).SerializeToString()
    for row in range(700)
]


def test_a_bundles_messages_are_decoded_pack_by_pack_with_the_least_time():
    bare, plain = PackMessages(serialised=True), PackMessages()
    decoded = [raw_of(PubsubMessage._from_proto_str(each)) for each in MESSAGES]
    found = []
    for packing, elements in ((bare, MESSAGES), (plain, decoded)):
        packing.start_bundle()
        out = []
        for row, element in enumerate(elements):
            out += packing.process(element, timestamp=Timestamp(5_000 - row))
        found.append([(each.value, each.timestamp) for each in (*out, *packing.finish_bundle())])
    assert found[0] == found[1]
    assert [time for _, time in found[0]] == [Timestamp(4_501), Timestamp(4_301)]
    assert list(bare.finish_bundle()) == []


def test_the_steps_behind_either_source_hand_on_the_same(monkeypatch):
    """The sources of an engine stand in for Pub/Sub's: what Dataflow hands over is not shown."""
    decoded = [PubsubMessage._from_proto_str(each) for each in MESSAGES]

    def build(pipeline):
        outputs = {}
        for packed in (True, False):
            read = ReadMessages(NAME, source="beam", packed=packed)
            monkeypatch.setattr(read_messages, "read_serialised", lambda *_: beam.Create(MESSAGES))
            outputs[f"bare {packed}"] = pipeline | f"Bare{packed}" >> read
            monkeypatch.setattr(read_messages, "read_serialised", lambda *_: None)
            monkeypatch.setattr(read_messages, "ReadFromPubSub", lambda **_: beam.Create(decoded))
            outputs[f"plain {packed}"] = pipeline | f"Plain{packed}" >> read
        return outputs

    outcome = run_batch(build)
    rows = {
        name: sorted(
            (row for pack in outcome[name] for row in map(pack.row, range(len(pack))))
            if name.endswith("True")
            else outcome[name],
            key=lambda raw: int(raw.message_id),
        )
        for name in ("bare True", "bare False", "plain True", "plain False")
    }
    assert len(rows["bare True"]) == len(MESSAGES)
    assert rows["bare True"] == rows["bare False"] == rows["plain True"] == rows["plain False"]
