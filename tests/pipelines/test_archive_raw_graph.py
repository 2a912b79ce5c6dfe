"""The graph of the archive job: what a running job's update depends on."""

import logging
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.archive_raw import build
from pipelines.archive_raw_options import ArchiveRawConfig, ArchiveRawOptions
from pipelines.options import parse_options
from tests.pipelines.graphs import languages_of, lines_of

pytestmark = pytest.mark.engine

GOLDEN = Path(__file__).parents[1] / "golden" / "archive_raw"
LIVE = ["--input_subscription=projects/project/subscriptions/events", "--pubsub_source=portable"]
FILES = [f"--input_files={GOLDEN / 'input.ndjson'}", "--source=a"]
JOBS = {"live": LIVE, "live_by_bundle": [*LIVE, "--batches=bundle"], "files": FILES}


def graph(argv, runner=None):
    """Return the pipeline as the engine gets it."""
    pipeline = beam.Pipeline(runner=runner or FnApiRunner())
    given = [*argv, "--archive_output=archive"]
    build(pipeline, ArchiveRawConfig.of(parse_options(given, ArchiveRawOptions, "")))
    return pipeline.to_runner_api()


def steps_of(proto):
    return {step.unique_name: step for step in proto.components.transforms.values()}


@pytest.mark.parametrize("name", JOBS)
def test_labels_and_coders_are_the_golden_ones(name):
    """A difference here breaks the update of running jobs: note it in CHANGELOG.md."""
    proto = graph(JOBS[name])
    assert lines_of(proto) == (GOLDEN / f"graph_{name}.txt").read_text().splitlines()
    assert len(languages_of(proto)) == 1


@pytest.mark.parametrize("name", ["live", "live_by_bundle"])
def test_the_marker_follows_what_was_written_and_nothing_before(name):
    steps = steps_of(graph(JOBS[name]))
    [written] = steps["WriteArchive/WriteObjects"].outputs.values()
    assert written in steps["MarkComplete/FlattenBegin"].inputs.values()


def path_to_write(steps, begin):
    """Return the labels of the steps from the write back to where its batches begin."""
    wanted, path = steps["WriteArchive/WriteObjects"], []
    while wanted.inputs and wanted.unique_name != begin:
        path.append(wanted.unique_name)
        [read] = wanted.inputs.values()
        wanted = next(
            step
            for step in steps.values()
            if read in step.outputs.values() and not step.subtransforms
        )
    return path


def test_by_bundle_nothing_is_shuffled_between_the_source_and_the_write():
    path = path_to_write(steps_of(graph(JOBS["live_by_bundle"])), "ReadPubSub/PullPacks")
    assert path == ["WriteArchive/WriteObjects", "Batch/GatherBundles"]


def test_lines_of_files_are_not_shuffled_on_their_way_to_the_write():
    path = path_to_write(steps_of(graph(FILES)), "BatchLines/BatchParts")
    assert path == ["WriteArchive/WriteObjects"]


def test_an_engine_without_a_watermark_has_no_marker_and_says_so_in_one_line(caplog):
    with caplog.at_level(logging.WARNING):
        steps = steps_of(graph([LIVE[0]], BundleBasedDirectRunner()))
    assert not [label for label in steps if label.startswith("MarkComplete")]
    [said] = [record for record in caplog.records if record.name == "pipelines.archive_raw"]
    assert "there is no completeness marker; use Prism, Flink or Dataflow" in said.getMessage()
    assert "\n" not in said.getMessage()
