"""What a job cannot write, or may not use, is said when it is launched."""

import pytest

from pipelines import hot_path, places
from tests.no_credentials import forget_credentials
from tests.pipelines.hot_path_runs import GOLDEN, KEY, KEY_VARIABLE
from tests.pipelines.hot_path_runs import arguments as usual_arguments
from transforms import write_cell_lines

LIVE = [
    "--input_subscription=projects/p/subscriptions/s",
    "--bigtable_table=projects/p/instances/i/tables/t",
]


@pytest.fixture(autouse=True)
def world(monkeypatch, tmp_path):
    """No credentials, no emulator, and the pipeline is never built."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    forget_credentials(monkeypatch, tmp_path / "gcloud")
    monkeypatch.setattr(hot_path, "main", hot_path.JOB._replace(build=_built).main)
    (tmp_path / "a file").touch()


def arguments(folder, events, changed=""):
    """Return the usual arguments with one of them changed or added."""
    name = changed.partition("=")[0]
    kept = [one for one in usual_arguments(folder, events) if one.partition("=")[0] != name]
    return [*kept, changed] if changed else kept


def _built(pipeline, config):
    raise ValueError("built")


def said(capsys, argv):
    assert hot_path.main(argv) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    return line


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("counters_output={0}", "--counters_output={0}: is a folder; name a file in it"),
        ("counters_output={0}/new/", "names no file; name one"),
        ("counters_output={0}/a file/c.json", "cannot be made, since {0}/a file is no folder"),
        ("counters_output=gs://bucket", "names no file; write gs://BUCKET/FILE"),
        ("counters_output=s3://bucket/c.json", "--counters_output: path 's3://bucket/c.json'"),
        ("cells_output={0}/a file", "--cells_output={0}/a file: is a file; name a folder"),
        ("cells_output={0}/a file/cells.ndjson", "{0}/a file is no folder"),
        ("quarantine_output={0}/a file/q", "--quarantine_output={0}/a file/q: cannot be made"),
        ("late_output={0}/a file", "--late_output={0}/a file: is a file; name a folder"),
        ("input_files={0}", "--input_files={0}: a folder; name its files, such as '{0}/*.ndjson'"),
    ],
)
def test_a_place_that_cannot_be_used_is_one_line_and_status_two(tmp_path, capsys, option, words):
    argv = arguments(tmp_path, GOLDEN / "events.ndjson", f"--{option.format(tmp_path)}")
    assert words.format(tmp_path) in said(capsys, argv)
    assert [path.name for path in tmp_path.iterdir()] == ["a file"]


@pytest.mark.parametrize("name", ["cells.ndjson", "cells.jsonl", "cells.json", "cells"])
def test_an_older_output_is_no_obstacle(tmp_path, capsys, name):
    (tmp_path / name).mkdir() if name == "cells" else (tmp_path / name).touch()
    argv = arguments(tmp_path, GOLDEN / "events.ndjson", f"--cells_output={tmp_path / name}")
    assert said(capsys, argv) == "built"


def test_files_of_cells_are_known_by_the_same_suffixes_here_and_where_they_are_written():
    assert places.is_one_file is write_cell_lines.is_one_file


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("input_files", "STORAGE"),
        ("cells_output", "STORAGE"),
        ("quarantine_output", "STORAGE"),
        ("late_output", "STORAGE"),
        ("counters_output", "STORAGE"),
    ],
)
def test_cloud_storage_without_credentials_is_one_line(tmp_path, capsys, name, variable):
    argv = arguments(tmp_path, GOLDEN / "events.ndjson", f"--{name}=gs://bucket/x")
    line = said(capsys, argv)
    assert line.startswith(f"--{name}=gs://bucket/x: no Google Cloud credentials; run gcloud auth")
    assert line.endswith(f"or export {variable}_EMULATOR_HOST")


def test_an_archive_in_cloud_storage_without_credentials_is_one_line(tmp_path, capsys):
    argv = arguments(tmp_path, GOLDEN / "events.ndjson")[1:]
    span = ["--from=2026-01-01T00:00:00Z", "--to=2026-01-02T00:00:00Z"]
    line = said(capsys, ["--input_archive=gs://bucket/raw/events", *span, *argv])
    assert line.startswith("--input_archive=gs://bucket: no Google Cloud credentials; run gcloud")


def test_a_live_job_needs_credentials_or_its_emulators(tmp_path, capsys, monkeypatch):
    argv = [*LIVE, f"--quarantine_output={tmp_path / 'q'}", f"--late_output={tmp_path / 'l'}"]
    assert said(capsys, argv).endswith("or export BIGTABLE_EMULATOR_HOST")
    monkeypatch.setenv("BIGTABLE_EMULATOR_HOST", "127.0.0.1:1")
    assert said(capsys, argv).endswith("or export PUBSUB_EMULATOR_HOST")
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    assert said(capsys, argv) == "built"


def test_an_engine_on_other_machines_is_asked_only_for_what_this_one_uses(tmp_path, capsys):
    argv = [*LIVE, "--quarantine_output=gs://b/q", "--late_output=gs://b/l"]
    assert said(capsys, [*argv, "--runner=PortableRunner"]) == "built"
    there = [*argv, "--runner=PortableRunner", "--counters_output=gs://b/c.json"]
    assert said(capsys, there).startswith("--counters_output=gs://b/c.json: no Google Cloud")
