"""The jobs that the templates' launcher would hand over to Dataflow, built offline and looked at.

What this cannot show: that Dataflow takes them, and what its workers make of them.
"""

import base64
import json
import os

import pytest
from apache_beam.portability.api import beam_runner_api_pb2

from console.graph_diff import compare
from console.graph_diff import graph_of as kept_of
from console.graph_form import json_of
from local.write_templates import jobs
from tests.pipelines.graphs import languages_of, steps
from tests.templates.dockerfile import ROOT
from tests.templates.launches import (
    COMPLETE_TO,
    GOLDEN,
    IMAGE,
    PROJECT,
    SECRET,
    SECRET_NAME,
    launches_of,
    template_of,
)
from transforms.archive_manifest import read_marker

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("image")]

NAMES = sorted(launches_of("gs://bucket"))
STREAMS = [name for name in NAMES if launches_of("gs://bucket")[name].streams]
RUNNER_V2 = {"use_runner_v2", "use_portable_job_submission"}
STREAMING_ENGINE = {"enable_streaming_engine", "enable_windmill_service"}
AT_LEAST_ONCE = "streaming_mode_at_least_once"
SOURCE = "ReadPubSub/"
# A composite that does nothing; Dataflow's batch graphs leave it out.
NOTHING = "/MaybeReshuffle"


def request_of(launched, name):
    return json.loads(launched.objects[template_of(name, launched.bucket)])


def options_of(request):
    return request["environment"]["sdkPipelineOptions"]["options"]


def staged(launched, name):
    return launched.objects[options_of(request_of(launched, name))["pipelineUrl"]]


def graph_of(launched, name):
    return beam_runner_api_pb2.Pipeline.FromString(staged(launched, name))


def without_source(labels):
    return {
        label for label in labels if not label.startswith(SOURCE) and not label.endswith(NOTHING)
    }


def labels_of(launched, name):
    return {label for label, _ in steps(graph_of(launched, name))}


def test_every_template_is_launched():
    assert {each.pipeline for each in launches_of("").values()} == set(jobs())


@pytest.mark.parametrize("name", NAMES)
def test_a_launch_writes_its_job_and_says_nothing(launched, name):
    told = launched.told["launches"][name]
    assert told["status"] == 0, told["err"]
    assert template_of(name, launched.bucket) in launched.objects


@pytest.mark.parametrize("name", NAMES)
def test_the_labels_of_the_steps_are_the_golden_ones(launched, name):
    """A difference here breaks the update of running jobs: note it in CHANGELOG.md."""
    lines = (GOLDEN / f"{launched.launches[name].golden}.txt").read_text().splitlines()
    golden = {line.partition(" -> ")[0] for line in lines}
    assert without_source(labels_of(launched, name)) == without_source(golden)


@pytest.mark.parametrize("name", STREAMS)
def test_a_job_of_the_last_release_can_be_updated_to_todays(launched, name):
    """Where this fails: keep what was, or tell the verdict in CHANGELOG.md (docs/templates.md)."""
    today = kept_of(staged(launched, name))
    path = ROOT / "templates" / launched.launches[name].pipeline / "graphs" / f"{name}.json"
    if os.environ.get("PENSTOCK_KEEP_GRAPHS"):
        path.write_text(json_of(today))
    found = compare(kept_of(path.read_bytes()), today)
    latest = (ROOT / "CHANGELOG.md").read_text().partition("## Latest")[2].partition("\n## ")[0]
    # Only told of this launch: `hot_live`: needs mapping.
    told = f"`{name}`: {found.verdict}" in latest
    assert found.verdict == "compatible" or told, (found.reasons, found.mapping)


@pytest.mark.parametrize("name", STREAMS)
def test_a_subscription_is_read_by_dataflows_own_source(launched, name):
    labels = labels_of(launched, name)
    assert f"{SOURCE}ReadFromPubSub/Read" in labels
    assert not [label for label in labels if "PullPacks" in label]


@pytest.mark.parametrize("name", NAMES)
def test_jobs_run_on_runner_v2_and_streams_on_the_streaming_engine(launched, name):
    request = request_of(launched, name)
    experiments = set(request["environment"]["experiments"])
    assert experiments >= RUNNER_V2
    streams = launched.launches[name].streams
    assert request["type"] == f"JOB_TYPE_{'STREAMING' if streams else 'BATCH'}"
    assert (experiments >= STREAMING_ENGINE) is streams


@pytest.mark.parametrize("name", NAMES)
def test_streams_run_at_least_once_where_nothing_that_comes_twice_is_seen(launched, name):
    services = request_of(launched, name)["environment"].get("serviceOptions", [])
    # The others fold counts behind their dedupe, so there a copy would be counted.
    launch = launched.launches[name]
    expected = launch.streams and launch.pipeline in ("archive_raw", "curate_events")
    assert (services == [AT_LEAST_ONCE]) is expected
    assert expected or not services


@pytest.mark.parametrize("name", NAMES)
def test_launcher_and_workers_have_one_image_and_nothing_is_pickled_or_installed(launched, name):
    request = request_of(launched, name)
    options = options_of(request)
    (pool,) = request["environment"]["workerPools"]
    (container,) = pool["sdkHarnessContainerImages"]
    assert container["containerImage"] == pool["workerHarnessContainerImage"] == IMAGE
    assert options["save_main_session"] is False
    # What is staged beside the graph is a list of versions, for whoever looks for a difference.
    assert [each["name"] for each in pool["packages"]] == [
        "submission_environment_dependencies.txt"
    ]
    assert not {"setup_file", "requirements_file", "extra_packages"} & set(options)


@pytest.mark.parametrize("name", NAMES)
def test_no_step_is_of_another_language(launched, name):
    graph = graph_of(launched, name)
    assert len(languages_of(graph)) == 1
    urns = {step.spec.urn for step in graph.components.transforms.values()}
    assert not [urn for urn in urns if "external" in urn or "java" in urn]


@pytest.mark.parametrize("name", NAMES)
def test_cost_is_told_by_suite_pipeline_and_version_beside_a_users_own_labels(launched, name):
    labels = request_of(launched, name)["labels"]
    assert labels["suite"] == "penstock"
    assert labels["pipeline"] == launched.launches[name].pipeline
    assert labels["version"].replace("-", "").isdigit()
    assert labels["team"] == "events"
    assert labels["goog-dataflow-provided-template-type"] == "flex"


def test_the_secret_is_asked_for_by_its_name_and_is_nowhere_in_the_clear(launched):
    assert set(launched.told["secrets"]) == {SECRET_NAME}
    whole = SECRET.encode()
    key = whole.partition(b":")[2]
    hidden = [whole, key, key.hex().encode(), *map(base64.b64encode, (whole, key))]
    told = json.dumps(launched.told["launches"]).encode()
    for name, content in {**launched.objects, "outputs": told}.items():
        assert not [form for form in hidden if form in content], name


def test_lists_of_the_launcher_reach_the_job_as_lists(launched):
    experiments = request_of(launched, "hot_live")["environment"]["experiments"]
    assert {"min_num_workers=1", "a_list_as_text"} <= set(experiments)


def test_the_launch_of_a_repair_leaves_the_record_of_it_to_the_job(launched):
    assert not [name for name in launched.objects if "/repairs/" in name]
    assert "LogRepair/WriteRecord" in labels_of(launched, "hot_repair")


def test_a_launch_changes_nothing_of_what_it_reads(launched):
    new = {name.removeprefix(launched.bucket).split("/")[1] for name in launched.objects}
    read = {"archive", "contracts", "events", "features", "metrics", "quarantine", "rows"}
    assert new == read | {"launches", "staging"}
    assert read_marker(f"{launched.bucket}/archive", "events") == COMPLETE_TO


def test_the_job_is_the_projects_own(launched):
    options = options_of(request_of(launched, "hot_live"))
    assert (options["project"], options["region"]) == (PROJECT, "europe-west1")
