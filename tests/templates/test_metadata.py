"""The metadata of the templates are the options of the pipelines, in both directions."""

import argparse
import dataclasses
import json
import re

import pytest
from google.cloud.dataflow_v1beta3.types import ParameterType, TemplateMetadata

from local.write_templates import jobs, metadata_of, metadata_texts
from pipelines.on_dataflow import as_typed
from pipelines.option_words import Kind, declared_options
from pipelines.options import parse_options
from tests.templates.dockerfile import ROOT
from tests.templates.launches import launches_of

JOBS = jobs()
MADE = {name: metadata_of(job) for name, job in JOBS.items()}
NOW = "--now=2026-03-01T00:00:00Z"
TEMPLATE = "--template_location=gs://bucket/job"
# Those of launches that read nothing of the bucket while their options are checked.
SHIPPED = ("--contracts=", "--features=", "--metrics=", "--pseudonym_key=")


def words_of(name, option):
    declared = {each.name: each.words for each in declared_options(JOBS[name].options)}
    return declared[option]


def test_the_files_that_are_kept_are_of_the_options_that_there_are():
    """Where this fails: `make templates`."""
    texts = metadata_texts()
    assert {path: path.read_text() for path in texts} == texts
    assert set((ROOT / "templates").glob("*/metadata.json")) == set(texts)


def test_every_pipeline_of_beam_has_a_template():
    built = {
        path.stem
        for path in (ROOT / "pipelines").glob("*.py")
        if re.search(r"^def build\(pipeline", path.read_text(), re.MULTILINE)
    }
    assert set(JOBS) == built


@pytest.mark.parametrize("name", JOBS)
def test_dataflows_own_type_reads_the_metadata_and_loses_nothing(name):
    text = (ROOT / "templates" / name / "metadata.json").read_text()
    read = TemplateMetadata.from_json(text)
    assert [each.name for each in read.parameters] == [each["name"] for each in made_of(name)]
    written = json.loads(
        TemplateMetadata.to_json(
            read, including_default_value_fields=False, use_integers_for_enums=False
        )
    )
    # A false is a default, which is not written.
    assert written == _without_false(json.loads(text))


def test_a_field_that_dataflow_does_not_know_is_noticed():
    made = MADE["hot_path"] | {"colour": "blue"}
    with pytest.raises(Exception, match="colour"):
        TemplateMetadata.from_json(json.dumps(made))


@pytest.mark.parametrize("name", JOBS)
def test_parameters_are_the_options_of_the_command_line_and_no_other(name):
    parser = argparse.ArgumentParser(add_help=False)
    JOBS[name].options._add_argparse_args(parser)
    taken = vars(parser.parse_args([]))
    assert [each["name"] for each in made_of(name)] == list(taken)
    assert not any(taken.values())


@pytest.mark.parametrize("name", JOBS)
def test_each_parameter_tells_what_it_is_and_gives_an_example(name):
    for parameter in made_of(name):
        words = words_of(name, parameter["name"])
        told = parameter["helpText"]
        assert re.fullmatch(r"[A-Z][\w/ ]*", parameter["label"])
        assert parameter["groupName"]
        assert parameter["paramType"] in {each.name for each in ParameterType}
        assert words.words.rstrip(".").lower() in told.lower()
        assert f"Example: {words.example}" in told if words.example else told.endswith(".")
        # Of a text of a kind of its own nobody can guess what it looks like.
        assert words.example or words.choices, parameter["name"]


@pytest.mark.parametrize("name", JOBS)
def test_examples_and_defaults_are_allowed_by_the_form(name):
    for parameter in made_of(name):
        words = words_of(name, parameter["name"])
        regexes = parameter.get("regexes", [])
        for value in filter(None, (words.example, words.default)):
            assert all(re.search(regex, value) for regex in regexes), (parameter["name"], value)
            if words.choices:
                assert value in [each["value"] for each in parameter["enumOptions"]]
        assert words.needed or all(re.search(regex, "") for regex in regexes)
        assert parameter.get("defaultValue", "") == words.default


@pytest.mark.parametrize(
    ("kind", "allowed", "refused"),
    [
        (Kind.FLAG, ["true", "False", "TRUE", ""], ["yes", "1", "true "]),
        (Kind.COUNT, ["1", "16", ""], ["-1", "1.5", "many"]),
        (Kind.DURATION, ["90s", "1.5h", "30", ""], ["1 day", "s", "-1h"]),
        (Kind.SIZE, ["128MB", "1.5 GiB", "77", ""], ["MB", "1XB"]),
        (Kind.MOMENT, ["2026-01-31T12:00:00.5+01:00", ""], ["2026-01-31T12:00:00", "now"]),
        (
            Kind.SECRET,
            ["projects/p/secrets/s/versions/latest", ""],
            ["env:KEY", "file:key", "projects/p/secrets/s", "2026:a-key-itself"],
        ),
        (Kind.FOLDER, ["gs://bucket", "gs://bucket/folder/", ""], ["folder", "/folder", "gs://"]),
        (Kind.SUBSCRIPTION, ["projects/p/subscriptions/s", ""], ["s", "projects/p/topics/t"]),
    ],
)
def test_a_form_takes_a_value_as_text_and_refuses_what_could_not_work(kind, allowed, refused):
    found = [
        (each.words, parameter["regexes"][0])
        for name, job in JOBS.items()
        for each, parameter in zip(declared_options(job.options), made_of(name), strict=True)
        if each.words.kind is kind
    ]
    assert found
    for words, regex in found:
        assert [value for value in allowed if not re.search(regex, value)] == [""] * words.needed
        assert not [value for value in refused if re.search(regex, value)]


@pytest.mark.parametrize("name", JOBS)
def test_what_streams_says_so_and_which_of_the_modes_it_may_have(name):
    made = MADE[name]
    assert made["streaming"] is any(each["name"] == "input_subscription" for each in made_of(name))
    if not made["streaming"]:
        assert "supportsAtLeastOnce" not in made
        return
    # A count behind the dedupe would count a record twice that comes twice.
    harmless = name in ("archive_raw", "curate_events")
    assert made["supportsExactlyOnce"]
    assert made["supportsAtLeastOnce"] is harmless
    assert made.get("defaultStreamingMode") == ("AT_LEAST_ONCE" if harmless else None)


def local(launch):
    """Return the parameters of a launch, with the declarations that are shipped."""
    given = [item for item in launch.parameters if not item.startswith(SHIPPED)]
    has_now = any(each.name == "now" for each in declared_options(JOBS[launch.pipeline].options))
    # The archive takes one for files alone.
    unheard = launch.pipeline == "archive_raw" and launch.streams
    return [*given, NOW] if has_now and not unheard else given


def configured(name, argv):
    job = JOBS[name]
    argv = [*as_typed(argv, job.options), "--runner=DataflowRunner"]
    config = job.configure(parse_options(argv, job.options, ""))
    # What tells the time of the launch by the clock is no part of what was asked.
    return _timeless(dataclasses.asdict(config))


@pytest.mark.parametrize("launch", launches_of("gs://bucket").values(), ids=launches_of(""))
def test_a_form_that_is_filled_with_defaults_and_nothings_asks_what_its_user_asked(launch):
    name = launch.pipeline
    given = [*local(launch), TEMPLATE]
    names = {item.removeprefix("--").partition("=")[0] for item in given}
    form = [
        f"--{each.name}={each.words.default}"
        for each in declared_options(JOBS[name].options)
        if each.name not in names
    ]
    assert any(item.endswith("=") for item in form)
    assert configured(name, [*given, *form]) == configured(name, given)


@pytest.mark.parametrize("launch", launches_of("gs://bucket").values(), ids=launches_of(""))
def test_what_is_needed_is_needed_and_the_rest_is_not(launch):
    name = launch.pipeline
    given = local(launch)
    needed = [each.name for each in declared_options(JOBS[name].options) if each.words.needed]
    assert {f"--{option}" for option in needed} <= {item.partition("=")[0] for item in given}
    for option in needed:
        without = [item for item in given if not item.startswith(f"--{option}=")]
        with pytest.raises(ValueError, match=option):
            configured(name, [*without, f"--{option}="])


@pytest.mark.engine
@pytest.mark.parametrize("launch", launches_of("gs://bucket").values(), ids=launches_of(""))
def test_a_default_is_what_holds_where_nothing_is_given(launch):
    """Said in the words for `--help`, shown in the form, and done by the job: one and the same."""
    name, given = launch.pipeline, local(launch)
    names = {item.removeprefix("--").partition("=")[0] for item in given}
    asked = configured(name, given)
    for option, _, words in declared_options(JOBS[name].options):
        if not words.default or option in names:
            continue
        try:
            found = configured(name, [*given, f"--{option}={words.default}"])
        except ValueError as refused:
            # It would do nothing in this launch.
            assert "goes with" in str(refused), (option, str(refused))
        else:
            assert found == asked, option


def made_of(name):
    return MADE[name]["parameters"]


def _without_false(value):
    if isinstance(value, dict):
        return {key: _without_false(each) for key, each in value.items() if each is not False}
    return [_without_false(each) for each in value] if isinstance(value, list) else value


def _timeless(value):
    if isinstance(value, dict):
        return {key: _timeless(each) for key, each in value.items() if key not in CLOCK}
    return value


CLOCK = {"started_at", "run_id", "now"}
