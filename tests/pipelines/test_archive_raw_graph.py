"""The graph of the archive job: what a running job's update depends on."""

from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.archive_raw import build
from pipelines.archive_raw_options import ArchiveRawConfig, ArchiveRawOptions
from pipelines.options import parse_options
from tests.pipelines.graphs import languages_of, lines_of

GOLDEN = Path(__file__).parents[1] / "golden" / "archive_raw"
LIVE = ["--input_subscription=projects/p/subscriptions/s", "--pubsub_source=portable"]


@pytest.fixture(scope="module", params=["live", "files"])
def job(request, tmp_path_factory):
    file = tmp_path_factory.mktemp("job") / "events.ndjson"
    file.write_bytes(b"{}\n")
    source = LIVE if request.param == "live" else [f"--input_files={file}", "--source=a"]
    return request.param, graph([*source, "--archive_output=archive"])


def graph(argv):
    """Return the pipeline as the engine gets it."""
    pipeline = beam.Pipeline(runner=FnApiRunner())
    build(pipeline, ArchiveRawConfig.of(parse_options(argv, ArchiveRawOptions, "")))
    return pipeline.to_runner_api()


def test_labels_and_coders_are_the_golden_ones(job):
    """A difference here breaks the update of running jobs: note it in CHANGELOG.md."""
    name, proto = job
    assert lines_of(proto) == (GOLDEN / f"graph_{name}.txt").read_text().splitlines()


def test_no_step_is_written_in_another_language(job):
    assert len(languages_of(job[1])) == 1


def test_the_marker_follows_what_was_written_and_nothing_before():
    proto = graph([*LIVE, "--archive_output=archive"])
    steps = {step.unique_name: step for step in proto.components.transforms.values()}
    [written] = steps["WriteArchive/WriteObjects"].outputs.values()
    assert written in steps["MarkComplete/FlattenBegin"].inputs.values()
