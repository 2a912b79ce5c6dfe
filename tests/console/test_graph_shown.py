"""What steps show of themselves among their display data, for the update of a job to depend on."""

import apache_beam as beam
import msgspec
import pytest

from console.graph_diff import compare, graph_of
from console.graph_form import json_of
from schemas.layouts import shown_layouts
from schemas.packs import EventPack
from transforms.deduplicate import DeduplicatePacks

pytestmark = pytest.mark.engine


class Shards(beam.DoFn):
    def __init__(self, shards):
        self.shards = shards

    def display_data(self):
        return {"shards": self.shards, "other": 7}

    def process(self, element):
        yield element


def by_shard(shards):
    pipeline = beam.Pipeline(runner="FnApiRunner")
    pipeline | beam.Create([1]) | "Key" >> beam.ParDo(Shards(shards))
    return graph_of(pipeline.to_runner_api().SerializeToString())


def test_other_shards_or_another_horizon_are_incompatible_since_state_is_kept_by_them():
    assert by_shard(8).steps["Key"].holds == {"shards": 8}
    assert compare(by_shard(8), by_shard(8)).verdict == "compatible"
    found = compare(by_shard(8), by_shard(16))
    assert found.verdict == "incompatible"
    assert found.reasons == ["Key: shards was 8, is 16: drain the job and start anew"]


class Keeps(beam.DoFn):
    def __init__(self, fields):
        self.kept = msgspec.defstruct("Kept", fields, array_like=True)

    def display_data(self):
        return shown_layouts(self.kept)

    def process(self, element):
        yield element


def keeping(*fields):
    pipeline = beam.Pipeline(runner="FnApiRunner")
    pipeline | beam.Create([1]) | "Keep" >> beam.ParDo(Keeps(fields))
    return graph_of(pipeline.to_runner_api().SerializeToString())


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ([("a", bytes), ("b", int, 0)], "compatible"),
        ([("a", bytes), ("b", int, 0), ("c", dict[str, int], {})], "compatible"),
        ([("a", bytes), ("b", int, 0), ("c", int, 0), ("d", int, 0)], "compatible"),
        ([("b", int), ("a", bytes, b"")], "incompatible"),
        ([("a", bytes)], "incompatible"),
        ([("a", str), ("b", int, 0)], "incompatible"),
    ],
)
def test_fields_of_what_a_step_keeps_are_read_from_the_pipeline_itself(fields, verdict):
    old = keeping(("a", bytes), ("b", int, 0))
    assert list(old.structs.values()) == [["a: bytes", "b: int = ..."]]
    assert compare(old, keeping(*fields)).verdict == verdict
    assert graph_of(json_of(old).encode()) == old


def test_the_records_of_the_suites_own_state_are_in_the_graph():
    pipeline = beam.Pipeline(runner="FnApiRunner")
    packs = pipeline | beam.Create([]).with_output_types(tuple[int, EventPack])
    packs | DeduplicatePacks(horizon=1.0, shards=1, mode="stream")
    found = graph_of(pipeline.to_runner_api().SerializeToString()).structs
    assert found["transforms.find_copies._Header"] == [
        "nonce: bytes",
        "clock: transforms.watermark_clock.WatermarkClock",
        "newest: int = ...",
    ]
    assert found.keys() >= {"schemas.packs.EventPack", "schemas.packs.RawPack"}
