"""What docs/engines.md writes to read Kafka, expanded by the service that expands Storage Write.

What this cannot show: that anything of it runs. No broker is there, and none is asked.
"""

from typing import Any

import apache_beam as beam
import pytest
from apache_beam.io.kafka import ReadFromKafka, WriteToKafka
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2

from schemas.contract import load_contracts
from schemas.events import RawEvent
from tests.docs.pages import DOCS, code_blocks
from transforms.decode import Decode

# One worker has the service, and starts it once.
pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("storage_write")]

JAVA = "beam:dofn:javasdk:0.1"
PARDO = common_urns.primitives.PAR_DO.urn
READ = (
    "ReadFromKafka(beam:transform:org.apache.beam:kafka_read_with_metadata:v1)"
    "/KafkaIO.Read/KafkaIO.Read.ReadFromKafkaViaSDF"
)
SOURCE = f"{READ}/KafkaIO.ReadSourceDescriptors"
WRITE = "WriteToKafka(beam:transform:org.apache.beam:kafka_write:v1)"
URNS = {
    f"{READ}/Create.Values/Impulse": common_urns.primitives.IMPULSE.urn,
    f"{READ}/ParDo(GenerateKafkaSourceDescriptor)": PARDO,
    SOURCE: PARDO,
    f"{SOURCE}/KafkaCommitOffset/Window.Into()": common_urns.primitives.ASSIGN_WINDOWS.urn,
    f"{SOURCE}/KafkaCommitOffset/ParDo(CommitOffset)": PARDO,
    f"{WRITE}/Kafka ProducerRecord/Map": PARDO,
    f"{WRITE}/KafkaIO.WriteRecords": PARDO,
}
(BLOCK,) = [
    block for block in code_blocks((DOCS / "engines.md").read_text()) if "ReadFromKafka(" in block
]


@pytest.fixture(scope="module")
def built(expansion_service):
    """Run the lines of the page and write what they read; give their names and the graph."""
    pipeline = beam.Pipeline(runner="FnApiRunner")
    names = {
        **{each.__name__: each for each in (Decode, RawEvent, ReadFromKafka, load_contracts)},
        **{"Any": Any, "beam": beam, "pipeline": pipeline, "service": expansion_service},
    }
    exec(BLOCK, names)
    pairs = names["raws"] | beam.Map(lambda raw: (b"", raw.payload)).with_output_types(
        tuple[bytes, bytes]
    )
    _ = pairs | WriteToKafka(
        {"bootstrap.servers": "localhost:1"}, "copies", expansion_service=expansion_service
    )
    return names, pipeline.to_runner_api()


def leaves(graph):
    """Return the steps that are made of no others, by label without Java's last part."""
    steps = graph.components.transforms.values()
    return {
        step.unique_name.partition("/ParMultiDo(")[0].removesuffix("/Window.Assign"): step
        for step in steps
        if not step.subtransforms and step.unique_name
    }


def test_kafkas_source_and_sink_expand_to_javas_own_steps_and_the_suites_go_on(built):
    names, graph = built
    steps = leaves(graph)
    assert {label: steps[label].spec.urn for label in URNS} == URNS
    environments = graph.components.environments
    java = {key for key, each in environments.items() if b"_java" in each.payload}
    payloads = {
        label: beam_runner_api_pb2.ParDoPayload.FromString(step.spec.payload)
        for label, step in steps.items()
        if step.spec.urn == PARDO
    }
    for label, payload in payloads.items():
        in_kafka = label.startswith((READ.partition("/")[0], WRITE))
        assert (payload.do_fn.urn == JAVA) is in_kafka is (steps[label].environment_id in java)
    # A source that is splittable, so it can go on where it was.
    splittable = common_urns.requirements.REQUIRES_SPLITTABLE_DOFN.urn
    assert payloads[SOURCE].restriction_coder_id
    assert splittable in graph.requirements
    assert {label for label, each in payloads.items() if each.restriction_coder_id} == {SOURCE}
    # Offsets are committed beside, by steps of their own, and not when a bundle has been committed.
    assert not any(each.requests_finalization for each in payloads.values())
    assert names["decoded"].events.element_type.__name__ == "Event"


def test_a_record_of_kafka_becomes_the_message_that_the_suite_keeps(built):
    names, _ = built
    (records,) = names["raws"].producer.inputs
    fields = records.element_type.__annotations__
    given = {
        **{"topic": "events", "partition": 3, "offset": 7, "timestamp": 1_500},
        **{"key": b"user-1", "value": b"{}", "timestampTypeId": 0, "timestampTypeName": ""},
        "headers": [beam.Row(key="source", value=b"web"), beam.Row(key="none", value=None)],
    }
    assert set(given) == set(fields)
    raw = names["raw_event"](records.element_type(**given))
    attributes = {"source": "web", "none": ""}
    assert raw == RawEvent(b"{}", attributes, "events/3/7", 1_500_000, "user-1")
    nothing = {"key": None, "value": None, "headers": None}
    bare = names["raw_event"](records.element_type(**(given | nothing)))
    assert bare == RawEvent(b"", {}, "events/3/7", 1_500_000, "")
