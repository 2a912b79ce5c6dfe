"""The graphs of the metrics of windows: what a running job's update depends on."""

import shutil

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines import recompute_windows, window_metrics
from pipelines.options import parse_options
from pipelines.window_arguments import RecomputeOptions, WindowOptions
from pipelines.window_options import WindowConfig
from tests.pipelines.graphs import coder, lines_of
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from tests.pipelines.test_hot_path_graph import reaches_the_quarantine
from tests.pipelines.window_runs import GOLDEN, HOT_PATH, golden_arguments

pytestmark = pytest.mark.engine

LIVE = [
    "--input_subscription=projects/p/subscriptions/s",
    "--bigquery_project=my-project",
    "--quarantine_output=quarantine",
    "--late_output=late",
    f"--pseudonym_key=env:{KEY_VARIABLE}",
    f"--contracts={HOT_PATH / 'contracts'}",
    f"--metrics={GOLDEN / 'metrics'}",
    "--pubsub_source=portable",
]
NAMES = ["live", "live_served", "warm", "files", "archive", "recompute", "recompute_served"]
SPAN = ["--source=events", "--from=2026-01-05T00:00:00Z", "--to=2026-01-06T00:00:00Z"]


def served(folder):
    """The golden metrics, with windows of orders in Bigtable."""
    metrics = folder / "served"
    shutil.copytree(GOLDEN / "metrics", metrics)
    orders = metrics / "orders.yaml"
    orders.write_text(orders.read_text() + "bigtable: true\n")
    return [f"--metrics={metrics}", "--bigtable_table=projects/p/instances/i/tables/t"]


def golden(name):
    """The lines of a graph; serving only adds to those of a job that does not."""
    job = name.removesuffix("_served")
    files = [GOLDEN / f"graph_{job}.txt"]
    files += [GOLDEN / f"served_{job}.txt"] if name != job else []
    return sorted(line for file in files for line in file.read_text().splitlines())


def graph(name, folder):
    """Return the pipeline as the engine gets it."""
    pipeline = beam.Pipeline(runner=FnApiRunner())
    if name in ("recompute", "recompute_served"):
        argv = [f"--input_archive={folder}", *SPAN, *golden_arguments(folder)[1:]]
        if name == "recompute_served":
            argv = [*(one for one in argv if "--metrics" not in one), *served(folder)]
        options = parse_options(argv, RecomputeOptions, "")
        recompute_windows.build(pipeline, WindowConfig.recomputing(options))
        return pipeline.to_runner_api()
    argv = {
        "live": LIVE,
        "warm": [*LIVE, "--runner=PrismRunner", "--warm_from_archive=a", "--warm_source=events"],
        "files": golden_arguments(folder),
        "live_served": [*LIVE[:-2], LIVE[-1], *(served(folder) if name == "live_served" else [])],
        "archive": [f"--input_archive={folder}", *SPAN, *golden_arguments(folder)[1:]],
    }[name]
    window_metrics.build(pipeline, WindowConfig.of(parse_options(argv, WindowOptions, "")))
    return pipeline.to_runner_api()


@pytest.fixture(scope="module", params=NAMES)
def job(request, tmp_path_factory):
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(KEY_VARIABLE, KEY)
        return request.param, graph(request.param, tmp_path_factory.mktemp("job"))


def test_labels_and_coders_are_the_golden_ones(job):
    """A difference here breaks the update of running jobs: note it in CHANGELOG.md."""
    name, proto = job
    assert lines_of(proto) == golden(name)


def test_every_rejected_stream_ends_in_the_quarantine(job):
    name, proto = job
    components = proto.components
    rejects = {
        output
        for step in components.transforms.values()
        for output in step.outputs.values()
        if coder(proto, components.pcollections[output].coder_id).endswith("StructCoder(Rejected)")
    }
    assert len(rejects) >= 4
    for stream in rejects:
        assert reaches_the_quarantine(components, stream), (name, stream)
