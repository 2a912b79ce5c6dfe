"""What is refused and set on Dataflow, and what a launcher of templates hands over."""

import argparse

import pytest
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
)

from pipelines.archive_raw import JOB as ARCHIVE
from pipelines.hot_path import JOB as HOT_PATH
from pipelines.hot_path_options import HotPathOptions
from pipelines.on_dataflow import as_typed, is_template, on_dataflow
from pipelines.option_words import Kind, Words, declared_options
from pipelines.options import UsageError, add_options, parse_options

IMAGE = "--sdk_container_image=an.image/of:it"
DATAFLOW = ["--runner=DataflowRunner", IMAGE]
TEMPLATE = "--template_location=gs://bucket/job"
AT_LEAST_ONCE = "streaming_mode_at_least_once"


def options_of(*argv, streaming=False):
    options = parse_options(argv, HotPathOptions, "")
    options.view_as(StandardOptions).streaming = streaming
    return options


def placed(*argv, at_least_once=False, streaming=False):
    options = options_of(*argv, streaming=streaming)
    on_dataflow(options, HotPathOptions, "hot_path", at_least_once=at_least_once)
    return options.view_as(GoogleCloudOptions)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--quarantine_output=quarantine", "--quarantine_output=quarantine: Dataflow's workers"),
        ("--late_output=/tmp/late", "--late_output=/tmp/late: Dataflow's workers do not see it"),
        ("--input_files=*.ndjson", "--input_files=*.ndjson: Dataflow's workers do not see it"),
        ("--input_archive=archive", "--input_archive=archive: Dataflow's workers do not see it"),
        ("--pseudonym_key=env:KEY", "--pseudonym_key=env:KEY: Dataflow's workers do not have"),
    ],
)
def test_what_is_on_this_machine_only_is_refused_on_dataflow_and_nowhere_else(option, words):
    with pytest.raises(UsageError) as refused:
        placed(*DATAFLOW, option)
    assert str(refused.value).startswith(words)
    assert placed("--runner=PrismRunner", option).labels is None


def test_declarations_and_counters_may_be_here_where_the_launch_reads_and_writes_them():
    placed(*DATAFLOW, "--contracts=contracts", "--features=features.yaml", "--counters_output=c")


def test_workers_without_the_package_are_refused():
    with pytest.raises(UsageError, match="--sdk_container_image is missing"):
        placed("--runner=DataflowRunner")
    placed("--runner=DataflowRunner", "--setup_file=./setup.py")


def test_the_cheaper_mode_is_chosen_for_streams_that_do_not_mind_and_for_no_other():
    asked = {"at_least_once": True, "streaming": True}
    assert placed(*DATAFLOW, **asked).dataflow_service_options == [AT_LEAST_ONCE]
    assert not placed(*DATAFLOW, at_least_once=True).dataflow_service_options
    assert not placed(*DATAFLOW, streaming=True).dataflow_service_options


def test_a_mode_that_is_named_is_kept_but_not_one_that_would_count_twice():
    named = "--dataflow_service_options=streaming_mode_exactly_once,another"
    kept = placed(*DATAFLOW, named, at_least_once=True, streaming=True)
    assert kept.dataflow_service_options == ["streaming_mode_exactly_once", "another"]
    # As gcloud names the mode of a Flex Template.
    experiment = placed(
        *DATAFLOW, "--experiments=streaming_mode_exactly_once", at_least_once=True, streaming=True
    )
    assert not experiment.dataflow_service_options
    for option in ("dataflow_service_options", "experiments"):
        with pytest.raises(UsageError, match=f"--{option}=.* would be counted twice"):
            placed(*DATAFLOW, f"--{option}={AT_LEAST_ONCE}", streaming=True)


def test_a_users_own_label_wins():
    labels = placed(*DATAFLOW, "--labels=pipeline=mine").labels
    assert labels[-1] == "pipeline=mine"
    assert {"suite=penstock", "pipeline=hot_path"} <= set(labels)


def test_which_jobs_do_not_mind_what_comes_twice():
    assert ARCHIVE.at_least_once
    assert not HOT_PATH.at_least_once
    assert (ARCHIVE.name, HOT_PATH.name) == ("archive_raw", "hot_path")


FORM = ["--input_files=gs://b/f", "--pubsub_source=auto", "--late_output=", "--flow_control=False"]


def test_the_defaults_and_nothings_of_a_form_are_as_if_nobody_had_typed_them():
    assert as_typed([TEMPLATE, *FORM], HotPathOptions) == [TEMPLATE, "--input_files=gs://b/f"]
    assert as_typed(FORM, HotPathOptions) == FORM
    kept = [TEMPLATE, "--pubsub_source=beam", "--region=", "--flow_control=true"]
    assert as_typed(kept, HotPathOptions) == kept


@pytest.mark.parametrize("option", ["--counters_output=gs://b/c", "--dry_run=true"])
def test_what_waits_for_the_end_is_refused_in_a_template(option):
    with pytest.raises(UsageError, match="does not wait for the job"):
        as_typed([TEMPLATE, option], HotPathOptions)
    assert as_typed([option], HotPathOptions) == [option]


def test_a_template_is_known_by_where_it_is_written():
    assert is_template(options_of(TEMPLATE))
    assert not is_template(options_of())


class Own(PipelineOptions):
    """Options of a job that declares some with words alone."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(
            parser,
            {
                "places": {"own_plain": "a text"},
                "bounds": {"own_size": Words("a size", Kind.SIZE, default="1MB", awaited=True)},
            },
        )


def test_options_are_told_as_they_are_declared_and_plain_words_are_a_text():
    plain, size = declared_options(Own)
    assert (plain.name, plain.group, str(plain.words)) == ("own_plain", "places", "a text")
    assert (plain.words.kind, plain.words.needed) == (Kind.TEXT, False)
    assert (size.group, str(size.words)) == ("bounds", "a size (default 1MB)")
    assert size.words.example == "1MB"


def test_words_for_help_name_choices_and_default():
    assert Words("far", Kind.SIZE).example == Kind.SIZE.value.example
    assert Words("yes", Kind.FLAG, default="false").example == "true"
    chosen = Words("how", Kind.CHOICE, default="b", choices=("a", "b", "c"))
    assert chosen == "how: a, b (default) or c"
    needed = chosen.as_needed()
    assert (needed, needed.needed, needed.choices) == (chosen, True, ("a", "b", "c"))
