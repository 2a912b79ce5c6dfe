"""Parameters are checked as the template's form and its job would, in their words."""

import json

import pytest
from google.cloud.dataflow_v1beta3.types import LaunchFlexTemplateRequest, StreamingMode
from hypothesis import given, settings
from hypothesis import strategies as st

from console.launch_environment import load_environment
from console.launch_parameters import (
    ParameterError,
    check_by_job,
    parameters_of,
    template_of,
    templates,
    without_warm_start,
)
from console.launch_request import (
    LAUNCH_LABEL,
    as_update,
    job_name,
    launcher_arguments,
    request_json,
    request_of,
    with_image,
)
from tests.console.launch_builders import EXAMPLE, FILE, KEY, environment
from tests.templates.dockerfile import ROOT

SECRET = "2026:a-secret-in-the-wrong-place"


def problems_of(folder, pipeline, *given, text=FILE):
    with pytest.raises(ParameterError) as error:
        parameters_of(environment(folder, text), pipeline, given)
    return error.value.problems


def asked(folder, pipeline="hot_path", *given, text=FILE):
    read = environment(folder, text)
    return request_of(read, pipeline, parameters_of(read, pipeline, given))


def told_by_job(folder, pipeline, *given, text=FILE):
    read = environment(folder, text)
    parameters = parameters_of(read, pipeline, given)
    request = request_of(read, pipeline, parameters)
    with pytest.raises(ValueError, match=r".") as error:
        check_by_job(pipeline, parameters, launcher_arguments(request))
    return str(error.value)


def test_the_templates_are_those_whose_metadata_is_in_the_package():
    kept = {path.parent.name for path in (ROOT / "templates").glob("*/metadata.json")}
    assert set(templates()) == kept
    with pytest.raises(ParameterError, match="hot_pth: no such pipeline; did you mean hot_path"):
        template_of("hot_pth")


@pytest.mark.parametrize("pipeline", templates())
def test_the_example_can_be_launched_for_every_pipeline(pipeline):
    read = load_environment(EXAMPLE, templates())
    parameters = parameters_of(read, pipeline)
    request = request_of(read, pipeline, parameters)
    check_by_job(pipeline, parameters, launcher_arguments(request))
    # What is of all pipelines is not given to one that has no such parameter.
    known = {each["name"] for each in template_of(pipeline)["parameters"]}
    assert set(parameters) <= known
    assert request.launch_parameter.environment.service_account_email


def test_the_command_line_comes_before_the_pipeline_and_this_before_all(tmp_path):
    text = FILE.replace("      late_output", "      horizon: 2h\n      late_output", 1)
    text = text.replace("parameters:\n", "parameters:\n  horizon: 1h\n  max_future: 3h\n", 1)
    read = environment(tmp_path, text)
    found = parameters_of(read, "hot_path", ["max_future=4h", "late_output=", "shards=32"])
    assert (found["horizon"], found["max_future"], found["shards"]) == ("2h", "4h", "32")
    assert "late_output" not in found
    assert found["pseudonym_key"] == KEY
    # The archive has no horizon, and is given none.
    assert set(parameters_of(read, "archive_raw")) == {"input_subscription", "archive_output"}


def test_lists_are_texts_with_commas_and_yes_is_a_text(tmp_path):
    text = FILE.replace(
        "late_output: gs", "flow_control: True\n      app_profile: [a, b]\n      late_output: gs"
    )
    found = parameters_of(environment(tmp_path, text), "hot_path")
    assert (found["flow_control"], found["app_profile"]) == ("True", "a,b")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("horizn=1d", "parameter horizn: hot_path has none; did you mean horizon?"),
        ("qqq=1", "parameter qqq: hot_path has none; python -m pipelines.hot_path --help lists"),
        ("quarantine_output=", "parameter quarantine_output is missing: Folder for what was refus"),
        ("horizon=soon", "parameter horizon=soon: "),
        ("write_mode=replace", "parameter write_mode=replace: How tiles are written; a repair"),
        ("flow_control=yes", "parameter flow_control=yes: True: let Bigtable"),
        ("late_output=late", "parameter late_output=late: Folder for late events"),
        ("late_output=gs://b/x\n", "parameter late_output=gs://b/x"),
        ("pseudonym_key=env:KEY", "parameter pseudonym_key: no name of Secret Manager: Where the"),
        ("nothing", "--set: write NAME=VALUE, or NAME= to unset it"),
    ],
)
def test_a_wrong_parameter_is_told_with_the_words_of_its_form(tmp_path, given, told):
    (problem,) = problems_of(tmp_path, "hot_path", given)
    assert problem.startswith(told)


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    text = FILE.replace("  pseudonym_key", "  contrats: gs://b/c\n  pseudonym_key")
    told = problems_of(tmp_path, "hot_path", "horizon=soon", "shards=-1", text=text)
    assert [each.split(":")[0] for each in told] == [
        "parameter contrats, for all pipelines",
        "parameter horizon=soon",
        "parameter shards=-1",
    ]
    assert "did you mean contracts?" in told[0]


@pytest.mark.parametrize("value", [SECRET, f"file:{SECRET}", f"env:{SECRET}"])
def test_a_key_in_the_clear_is_refused_and_not_shown(tmp_path, value):
    for item in (f"pseudonym_key={value}", f"pseudonymkey={value}", value):
        assert SECRET not in " ".join(problems_of(tmp_path, "hot_path", item))


@pytest.mark.parametrize(
    ("pipeline", "given", "told"),
    [
        ("hot_path", ["late_output="], "--late_output is missing: a live job has late events"),
        ("hot_path", ["input_archive=gs://b"], "--input_subscription, --input_files and --input"),
        ("hot_path", ["warm_span=1h"], "--warm_span goes with --warm_from_archive: leave it out"),
        ("curate_events", ["dry_run=true"], "--dry_run=true: whoever launches a template does"),
        ("curate_events", ["to=2026-01-04T00:00:00Z"], "--to=2026-01-04T00:00:00Z: give a time"),
        ("archive_raw", ["marker_every=36501d"], "--marker_every=36501d: "),
    ],
)
def test_what_the_form_cannot_know_is_told_in_the_words_of_the_job(tmp_path, pipeline, given, told):
    assert told_by_job(tmp_path, pipeline, *given).startswith(told)


def test_a_mode_that_would_count_twice_is_refused_as_by_the_job(tmp_path):
    told = told_by_job(tmp_path, "hot_path", text=FILE + "streaming_mode: at_least_once\n")
    assert told.startswith("--dataflow_service_options=streaming_mode_at_least_once: a record that")
    experiment = FILE + "experiments: [streaming_mode_at_least_once]\n"
    told = told_by_job(tmp_path, "hot_path", text=experiment)
    assert told.startswith("--experiments=streaming_mode_at_least_once: a record that")


def test_the_request_holds_what_the_file_says_in_the_clients_own_type(tmp_path):
    text = FILE + (
        "network: n\nsubnetwork: regions/r/subnetworks/s\npublic_ips: false\nnum_workers: 2\n"
        "service_account: w@p.iam.gserviceaccount.com\nmachine_type: n2-standard-2\n"
        "kms_key: projects/p/locations/l/keyRings/r/cryptoKeys/k\ntemp_location: gs://b/tmp\n"
        "experiments: [a=1, b]\nservice_options: [enable_prime]\nstreaming_mode: exactly_once\n"
        "launch_options: {x: y}\n"
    )
    request = asked(tmp_path, text=text)
    shown = json.loads(request_json(request))
    # The client's own type reads what is shown, and finds all of it.
    assert LaunchFlexTemplateRequest.from_json(json.dumps(shown)) == request
    launched = shown["launchParameter"]
    label = launched["environment"]["additionalUserLabels"].pop(LAUNCH_LABEL)
    assert len(label) == 16
    assert (shown["projectId"], shown["location"]) == ("my-project", "europe-west1")
    assert launched["containerSpecGcsPath"] == "gs://my-bucket/templates/hot_path.json"
    assert launched["jobName"] == "penstock-hot-path"
    assert launched["launchOptions"] == {"x": "y"}
    assert launched["environment"] == {
        "additionalExperiments": ["a=1", "b"],
        "additionalPipelineOptions": [
            "dataflow_service_options=enable_prime",
            "dataflow_service_options=streaming_mode_exactly_once",
        ],
        "additionalUserLabels": {"suite": "penstock", "pipeline": "hot_path", "team": "hot"},
        "enableStreamingEngine": True,
        "ipConfiguration": "WORKER_IP_PRIVATE",
        "kmsKeyName": "projects/p/locations/l/keyRings/r/cryptoKeys/k",
        "machineType": "n2-standard-2",
        "maxWorkers": 9,
        "network": "n",
        "numWorkers": 2,
        "sdkContainerImage": "europe-docker.pkg.dev/my-project/penstock/hot_path:1.2.3",
        "serviceAccountEmail": "w@p.iam.gserviceaccount.com",
        "stagingLocation": "gs://my-bucket/staging",
        "streamingMode": StreamingMode.STREAMING_MODE_EXACTLY_ONCE.name,
        "subnetwork": "regions/r/subnetworks/s",
        "tempLocation": "gs://b/tmp",
    }
    assert all(isinstance(value, str) for value in launched["parameters"].values())


def test_a_stream_has_one_name_and_a_job_that_ends_has_that_of_its_parameters(tmp_path):
    read = environment(tmp_path)
    assert job_name(read, "hot_path", parameters_of(read, "hot_path")) == "penstock-hot-path"
    one, two, again = (
        job_name(read, "curate_events", parameters_of(read, "curate_events", [f"to={day}"]))
        for day in ("2026-01-07T00:00:00Z", "2026-01-08T00:00:00Z", "2026-01-07T00:00:00Z")
    )
    assert one == again != two
    assert one.startswith("penstock-curate-events-")


@settings(max_examples=8)
@given(st.permutations(FILE.splitlines()[:7]), st.sampled_from(templates()))
def test_a_launch_is_known_by_what_it_asks_for_and_not_by_the_order_of_its_file(
    tmp_path_factory, head, pipeline
):
    folder = tmp_path_factory.mktemp("files")
    rest = FILE.splitlines()[7:]
    usual, moved = (
        request_of(read, pipeline, {"input_subscription": "s"})
        for read in (environment(folder), environment(folder, "\n".join([*head, *rest])))
    )
    assert usual == moved


def test_another_parameter_image_or_replaced_job_is_another_launch(tmp_path):
    def label(request):
        return request.launch_parameter.environment.additional_user_labels[LAUNCH_LABEL]

    found = {
        label(asked(tmp_path)),
        label(asked(tmp_path, "hot_path", "horizon=2h")),
        label(with_image(asked(tmp_path), "image:2")),
        label(as_update(asked(tmp_path), "id-1", {})),
        label(as_update(asked(tmp_path), "id-2", {})),
        label(as_update(asked(tmp_path), "id-2", {"Old": "New"})),
    }
    assert len(found) == 6
    assert label(asked(tmp_path)) in found


def test_an_update_leaves_the_warm_start_out():
    given = {"warm_from_archive": "gs://a", "warm_source": "s", "warm_span": "1h", "horizon": "1d"}
    assert without_warm_start(given) == {"horizon": "1d"}
