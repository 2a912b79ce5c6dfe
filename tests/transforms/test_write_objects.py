import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing.test_stream import TestStream
from hypothesis import given
from hypothesis import strategies as st

from tests.engine import run_batch
from transforms.object_names import date_folder, object_name, pack, unpack
from transforms.object_store import check_path, create_object, read_objects, replace_object
from transforms.write_objects import WriteLines

pytestmark = pytest.mark.engine

LINES = [("dt=2026-01-01", b'{"n":%d}' % n) for n in range(20)] + [("dt=2026-01-02", b"{}")]


def read(path):
    return {
        name.removeprefix(f"{path}/"): content.splitlines()
        for name, content in read_objects(str(path), ".ndjson")
    }


def test_lines_stand_in_the_objects_of_their_folder(tmp_path):
    outcome = run_batch(
        lambda p: {
            "names": p
            | beam.Create(LINES, reshuffle=False)
            | WriteLines(str(tmp_path), "late_written")
        }
    )
    found = read(tmp_path)
    assert sorted(outcome["names"]) == sorted(found)
    assert sorted((n.partition("/")[0], line) for n in found for line in found[n]) == sorted(LINES)
    assert len(found) == 2
    assert outcome.counters == {"late_written": 21}


def test_a_stream_writes_objects_as_it_goes(tmp_path):
    stream = TestStream(coder=beam.coders.PickleCoder())
    stream.add_elements(LINES[:5]).advance_watermark_to(1_000).add_elements(LINES[5:])
    options = PipelineOptions()
    options.view_as(StandardOptions).streaming = True
    with beam.Pipeline(runner=BundleBasedDirectRunner(), options=options) as pipeline:
        lines = pipeline | stream | beam.Map(tuple).with_output_types(tuple[str, bytes])
        _ = lines | WriteLines(str(tmp_path))
    found = read(tmp_path)
    assert sorted((n.partition("/")[0], line) for n in found for line in found[n]) == sorted(LINES)


def test_an_object_that_exists_counts_as_written_and_is_left_as_it_is(tmp_path):
    path = str(tmp_path / "a" / "b.bin")
    assert create_object(path, b"first")
    assert not create_object(path, b"second")
    assert [*read_objects(str(tmp_path), ".bin")] == [(path, b"first")]
    replace_object(path, b"third")
    assert [*read_objects(path, ".bin")] == [(path, b"third")]


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_the_name_tells_any_two_lists_of_identities_apart(one, other):
    assert (object_name(one, ".x") == object_name(other, ".x")) == (one == other)


@given(st.lists(st.binary(max_size=4)))
def test_a_pack_gives_its_records_back(records):
    assert unpack(pack(records)) == records


@pytest.mark.parametrize("micros", [-(2**63), 2**63 - 1])
def test_a_day_that_has_no_name_has_a_folder_all_the_same(micros):
    assert date_folder(micros) == "dt=unknown"


def test_a_path_loses_its_last_slash():
    assert check_path("gs://bucket/folder/") == "gs://bucket/folder"
    assert check_path("/") == "/"
