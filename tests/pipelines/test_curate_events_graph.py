"""The graph of the curated events: what a running job's update depends on."""

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.curate_events import build
from pipelines.curate_options import CurateConfig, CurateOptions
from pipelines.options import parse_options
from tests.pipelines.curate_runs import GOLDEN, HOT_PATH, arguments
from tests.pipelines.graphs import coder, lines_of
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from tests.pipelines.test_hot_path_graph import reaches_the_quarantine

pytestmark = pytest.mark.engine

LIVE = [
    "--input_subscription=projects/p/subscriptions/s",
    "--bigquery_project=my-project",
    "--quarantine_output=quarantine",
    f"--pseudonym_key=env:{KEY_VARIABLE}",
    f"--contracts={HOT_PATH / 'contracts'}",
    "--pubsub_source=portable",
]


def argv_of(name, folder):
    if name == "live":
        return LIVE
    if name == "warm":
        return [*LIVE, "--runner=PrismRunner", "--warm_from_archive=a", "--warm_source=events"]
    if name == "files":
        return arguments(folder)
    span = ["--source=events", "--from=2026-01-05T00:00:00Z", "--to=2026-01-06T00:00:00Z"]
    return [f"--input_archive={folder}", *span, *arguments(folder)[1:]]


@pytest.fixture(scope="module", params=["live", "warm", "files", "archive"])
def job(request, tmp_path_factory):
    argv = argv_of(request.param, tmp_path_factory.mktemp("job"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(KEY_VARIABLE, KEY)
        pipeline = beam.Pipeline(runner=FnApiRunner())
        build(pipeline, CurateConfig.of(parse_options(argv, CurateOptions, "")))
        return request.param, pipeline.to_runner_api()


def test_labels_and_coders_are_the_golden_ones(job):
    """A difference here breaks the update of running jobs: note it in CHANGELOG.md."""
    name, proto = job
    assert lines_of(proto) == (GOLDEN / f"graph_{name}.txt").read_text().splitlines()


def test_every_rejected_stream_ends_in_the_quarantine(job):
    name, proto = job
    components = proto.components
    rejects = {
        output
        for step in components.transforms.values()
        for output in step.outputs.values()
        if coder(proto, components.pcollections[output].coder_id).endswith("StructCoder(Rejected)")
    }
    # Files refuse no row, so there only messages are refused.
    assert len(rejects) >= (3 if name == "files" else 4)
    for stream in rejects:
        assert reaches_the_quarantine(components, stream), (name, stream)
