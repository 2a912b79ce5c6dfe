"""The graph of the hot path: what a running job's update depends on."""

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.hot_path import build
from pipelines.hot_path_options import HotPathConfig, HotPathOptions
from pipelines.options import parse_options
from tests.pipelines.graphs import coder, languages_of, lines_of
from tests.pipelines.hot_path_runs import GOLDEN, KEY, KEY_VARIABLE, arguments
from tests.pipelines.replay_runs import replay_arguments

pytestmark = pytest.mark.engine

LIVE = [
    "--input_subscription=projects/p/subscriptions/s",
    "--bigtable_table=projects/p/instances/i/tables/t",
    "--quarantine_output=quarantine",
    "--late_output=late",
    f"--pseudonym_key=env:{KEY_VARIABLE}",
    f"--contracts={GOLDEN / 'contracts'}",
    f"--features={GOLDEN / 'features'}",
    "--pubsub_source=portable",
]


def graph(argv):
    """Return the pipeline as the engine gets it."""
    pipeline = beam.Pipeline(runner=FnApiRunner())
    build(pipeline, HotPathConfig.of(parse_options(argv, HotPathOptions, "")))
    return pipeline.to_runner_api()


def argv_of(name, folder):
    if name == "live":
        return LIVE
    if name == "warm":
        return [*LIVE, "--runner=PrismRunner", "--warm_from_archive=a", "--warm_source=events"]
    if name == "files":
        return arguments(folder, GOLDEN / "events.ndjson")
    paced = ("--source=events", "--max_events_per_second=5")
    return replay_arguments(folder, folder / "archive", *paced)


@pytest.fixture(scope="module", params=["live", "warm", "files", "archive"])
def job(request, tmp_path_factory):
    argv = argv_of(request.param, tmp_path_factory.mktemp("job"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(KEY_VARIABLE, KEY)
        return request.param, graph(argv)


def test_labels_and_coders_are_the_golden_ones(job):
    """A difference here breaks the update of running jobs: note it in CHANGELOG.md."""
    name, proto = job
    assert lines_of(proto) == (GOLDEN / f"graph_{name}.txt").read_text().splitlines()


def test_no_step_is_written_in_another_language(job):
    assert len(languages_of(job[1])) == 1


def test_every_rejected_stream_ends_in_the_quarantine(job):
    name, proto = job
    components = proto.components
    rejects = {
        output
        for step in components.transforms.values()
        for output in step.outputs.values()
        if coder(proto, components.pcollections[output].coder_id).endswith("StructCoder(Rejected)")
    }
    assert len(rejects) >= 3
    for stream in rejects:
        assert reaches_the_quarantine(components, stream), (name, stream)


def reaches_the_quarantine(components, stream):
    for step in components.transforms.values():
        if stream in step.inputs.values() and not step.subtransforms:
            if step.unique_name.startswith("Quarantine/"):
                return True
            if any(reaches_the_quarantine(components, found) for found in step.outputs.values()):
                return True
    return False
