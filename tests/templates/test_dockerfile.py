"""What can be said of the Dockerfile without Docker."""

import re
from pathlib import Path

import pytest
from apache_beam.io.gcp.bigquery import StorageWriteToBigQuery
from apache_beam.options.pipeline_options import CrossLanguageOptions, PipelineOptions
from apache_beam.utils.subprocess_server import JavaJarServer

from templates.launch import launch
from tests.templates.dockerfile import ROOT, Dockerfile, context, is_ignored

FILE = Dockerfile.read()
IMAGE = FILE.image()
STORAGE = Dockerfile.read(STORAGE_WRITE="yes").image()
COMPILERS = ("gcc", "g++", "clang", "build-essential", "apt-get", "apk ", "cython", "-dev")


def pinned(name):
    text = (ROOT / "requirements" / "runtime.txt").read_text()
    return re.search(rf"^{name}(?:\[[^\]]*\])?==([^ \\;]+)", text, re.MULTILINE)[1]


def test_every_base_is_pinned_by_an_argument_that_has_a_version():
    assert [stage.base for stage in FILE.stages] == [
        "apache/beam_python3.11_sdk:2.77.0",
        "gcr.io/dataflow-templates-base/python311-template-launcher-base:20230622_RC00",
        "eclipse-temurin:17-jre-jammy",
        "maven:3.9-eclipse-temurin-17",
        "python:3.11-slim-bookworm",
        "python:3.11-slim-bookworm",
        "storage-no",
        "storage-no",
    ]
    versions = {"PYTHON_VERSION", "DEBIAN", "BEAM_VERSION", "LAUNCHER", "MAVEN", "JAVA"}
    assert set(FILE.arguments) == {*versions, "STORAGE_WRITE"}
    assert not [stage.base for stage in FILE.stages if stage.base.endswith("latest")]


def test_the_workers_boot_program_is_of_the_beam_that_is_installed():
    assert FILE.arguments["BEAM_VERSION"] == pinned("apache-beam")
    assert FILE.arguments["PYTHON_VERSION"].replace(".", "") in FILE.arguments["LAUNCHER"]


def test_everything_that_is_installed_has_a_hash_or_is_the_wheel():
    installs = [command for command in FILE.stage("build").runs if "pip install" in command]
    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command or command.endswith("--no-deps dist/*.whl")
    assert "-r requirements/runtime.txt" in installs[1]
    # What is built from source is named, and built by what is pinned.
    assert "--only-binary :all: --no-binary google-apitools" in installs[1]
    assert "--build-constraints requirements/bootstrap.txt" in installs[1]


def test_packages_are_checked_where_they_are_installed_and_where_they_end():
    for stage in (FILE.stage("build"), IMAGE):
        assert "python -m pip check" in stage.runs


def test_no_compiler_is_in_any_stage_of_the_image():
    for command in [run for stage in FILE.stages for run in stage.runs]:
        assert not [name for name in COMPILERS if name in command]
    copied = [each.words for each in IMAGE.of("COPY")]
    assert [words[0] for words in copied] == [
        "--from=beam",
        "--from=launcher",
        "--from=build",
        "--from=build",
        "templates/launch.py",
    ]
    # Of the Beam image, which has compilers, its boot program and licences alone.
    assert copied[0][1:] == ["/opt/apache/beam", "/opt/apache/beam"]


def test_the_launcher_finds_its_file_and_the_workers_their_boot_program():
    last = IMAGE
    variables = last.variables
    assert variables["FLEX_TEMPLATE_PYTHON_PY_FILE"] == "/template/launch.py"
    assert [each.text for each in last.of("WORKDIR")] == ["/template"]
    # A file of requirements or a setup file would have the launcher install everything again.
    assert [name for name in variables if name.startswith("FLEX_TEMPLATE_")] == [
        "FLEX_TEMPLATE_PYTHON_PY_FILE"
    ]
    assert variables["RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT"] == "1"
    assert [each.words for each in last.of("ENTRYPOINT")] == [["[/opt/apache/beam/boot]"]]
    assert any(
        "/opt/google/dataflow/python_template_launcher" in each.words for each in last.of("COPY")
    )


def test_layers_that_are_of_one_pipeline_come_last():
    for image in (IMAGE, STORAGE):
        names = [each.text.partition("=")[0] for each in image.instructions]
        own = names.index("PIPELINE")
        assert not [each for each in image.instructions[own:] if each.name == "COPY"]


def test_only_an_image_that_is_asked_for_it_has_java_and_the_service_that_is_tested():
    assert not [each for each in IMAGE.instructions if "java" in each.text.lower()]
    more = [each for each in STORAGE.instructions if each not in IMAGE.instructions]
    copied = {each.words[0]: each.words[1:] for each in more if each.name == "COPY"}
    java, jar = "/opt/java/openjdk", "/opt/penstock/expansion-service.jar"
    assert copied.pop("--from=java") == [java, java]
    assert copied == {"--from=expansion": ["/build/target/expansion-service.jar", jar]}
    assert FILE.stage("expansion").of("COPY")[0].text == "local/java/expansion ."
    # Where Beam and the suite look for them.
    assert STORAGE.variables["JAVA_HOME"] == java
    options = PipelineOptions(["--beam_services", STORAGE.variables["BEAM_SERVICE_OVERRIDES"]])
    named = options.view_as(CrossLanguageOptions).beam_services
    assert list(named.values()) == [jar]
    with JavaJarServer.beam_services(named):
        assert StorageWriteToBigQuery("p:d.t")._expansion_service.path_to_jar == jar


def test_the_image_says_what_it_is():
    labels = dict(word.split("=", 1) for each in IMAGE.of("LABEL") for word in each.words)
    assert labels["penstock.pipeline"] == "${PIPELINE}"
    for name in ("title", "description", "licenses", "revision"):
        assert labels[f"org.opencontainers.image.{name}"]


def test_no_secret_is_an_argument_or_a_variable():
    text = (ROOT / "templates" / "Dockerfile").read_text().lower()
    assert not re.search(r"(password|token|secret|credential|api_?key)", text)


def test_nothing_but_what_is_copied_is_sent_to_the_engine():
    tops = {path.parts[0] for path in context()}
    copied = {
        Path(source).parts[0]
        for stage in FILE.stages
        for each in stage.of("COPY")
        if not each.text.startswith("--from=")
        for source in each.words[:-1]
    }
    assert tops == copied


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        (".git/config", True),
        ("tests/conftest.py", True),
        ("key.pem", True),
        ("schemas/key.pem", True),
        ("schemas/__pycache__/a.pyc", True),
        ("requirements/dev.txt", True),
        ("requirements/runtime.txt", False),
        ("schemas/contracts/envelope.avsc", False),
    ],
)
def test_history_tests_and_keys_are_left_out(path, ignored):
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert is_ignored(Path(path), [rule for rule in rules if rule[:1] not in ("", "#")]) is ignored


@pytest.mark.parametrize(
    "pipeline", ["", "nothing", "options", "../pipelines/hot_path", "__main__"]
)
def test_a_pipeline_that_cannot_be_launched_is_one_line(monkeypatch, capsys, pipeline):
    monkeypatch.setenv("PENSTOCK_PIPELINE", pipeline)
    assert launch(["--help"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"PENSTOCK_PIPELINE={pipeline}: ")
    assert said.count("\n") == 1


def test_a_pipeline_that_is_named_runs_its_own_command_line(monkeypatch, capsys):
    monkeypatch.setenv("PENSTOCK_PIPELINE", "compact_archive")
    assert launch(["--archive=", "--template_location=gs://bucket/job"]) == 2
    assert capsys.readouterr().err.startswith("--archive is missing")
