"""The penstock command: help, one-line errors, exit status, and what it does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from console.main import main
from tests.no_credentials import forget_credentials
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE

HERE = Path(__file__).parent
NOON = "2026-01-31T12:00:00Z"
PUBLISH = ["publish", "--topic", "projects/p/topics/t", "--input", __file__]
COMMANDS = [
    ["up"],
    ["demo"],
    ["prove"],
    ["generate"],
    ["publish"],
    ["launch"],
    ["topics", "create"],
    ["tables", "create"],
    ["tables", "diff"],
    ["tables", "apply"],
    ["features", "get"],
    ["metrics", "get"],
    ["quarantine", "ls"],
    ["quarantine", "show"],
    ["quarantine", "explain"],
    ["archive", "ls"],
    ["archive", "show"],
    ["archive", "verify"],
    ["archive", "cost"],
]


def run(capsys, *argv):
    with pytest.raises(SystemExit) as left:
        main(list(argv))
    printed = capsys.readouterr()
    return left.value.code, printed.out, printed.err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(capsys, command):
    status, out, _ = run(capsys, *command, "--help")
    assert status == 0
    assert f"Example: penstock {' '.join(command)}" in " ".join(out.split())


def test_help_names_every_command(capsys):
    status, out, _ = run(capsys, "--help")
    assert status == 0
    assert all(command[0] in out for command in COMMANDS)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["fly"], "No such command 'fly'; penstock --help shows how"),
        (["generate"], "Missing option '--output'; penstock generate --help shows how"),
        (["generate", "--events", "x", "--output", "y"], "--events"),
        (["generate", "--events", "0", "--output", "y"], "--events"),
        (["generate", "--output", "y", "--contracts", "/nowhere"], "/nowhere"),
        (["generate", "--output", "/nowhere/y"], "its folder does not exist"),
        (["generate", "--output", "y", "--features", "/nowhere"], "/nowhere"),
        (["publish", "--topic", "t"], "--input"),
        (["generate", "--output", "/"], "--output /: names no file"),
        (["generate", "--output", "y", "--truth", "/nowhere/y"], "--truth /nowhere/y: its folder"),
        (["generate", "--output", "y", "--truth", str(HERE)], "is a folder; name a file in it"),
        (["publish", "--topic", "t", "--input", "/nowhere/events.ndjson"], "/nowhere"),
        (["publish", "--topic", "t", "--input", str(HERE)], "a folder, not a file"),
        (["publish", "--topic", "t", "--input", __file__], "write projects/PROJECT/topics/TOPIC"),
        ([*PUBLISH, "--rate", "0"], "--rate 0.0: give a number of messages a second above 0"),
        ([*PUBLISH, "--rate", "nan"], "--rate nan: give a number"),
        (["tables"], ""),
        (["tables", "create"], "--bigtable_table"),
        (["tables", "create", "--bigtable_table=t"], "projects/PROJECT/instances/INSTANCE"),
        (["features", "get"], "USER"),
        (["features", "get", "u1"], "--bigtable_table is missing"),
        (["features", "get", "u1", "--bigtable_table=x"], "projects/PROJECT/instances"),
        (["features", "get", "u1", "--at", "noon"], "RFC 3339"),
        (["features", "get", "u1", "--at", NOON, "--spans", "1h,x"], "--spans 1h,x: 'x' is no len"),
        (["features", "get", "", "--at", NOON], "USER is empty"),
        (["generate", "--output", "y", "--truth", "./y"], "is the file of --output"),
        (["features", "get", "u1", "--at", NOON, "--spans", "9000d"], "ask for a shorter one"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line_and_status_two(capsys, monkeypatch, argv, words):
    if "--at" in argv:
        monkeypatch.setenv("PENSTOCK_TABLE", "projects/p/instances/i/tables/t")
    status, out, err = run(capsys, *argv)
    assert status == 2
    assert words in err or not words
    assert len(err.strip().splitlines()) == (0 if argv == ["tables"] else 1)
    assert "Traceback" not in out + err


def test_help_does_not_wait_for_beam():
    asked = "import sys, console.main; print([n for n in sys.modules if n == 'apache_beam'])"
    run = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "[]\n"


@pytest.mark.parametrize(
    ("argv", "what", "variable"),
    [
        (PUBLISH, "--topic projects/p/topics/t", "PUBSUB"),
        (["tables", "create"], "--bigtable_table=projects/p/instances/i/tables/t", "BIGTABLE"),
        (["features", "get", "u1"], "--bigtable_table=projects/p/instances/i/tables/t", "BIGTABLE"),
        (["generate", "--output", "y", "--contracts", "gs://b/x"], "gs://b/x", "STORAGE"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_without_credentials_one_line_names_the_remedy(
    capsys, monkeypatch, tmp_path, argv, what, variable
):
    forget_credentials(monkeypatch, tmp_path)
    monkeypatch.setenv("PENSTOCK_TABLE", "projects/p/instances/i/tables/t")
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, *argv)
    assert (status, out) == (2, "")
    assert err == (
        f"penstock: {what}: no Google Cloud credentials; "
        f"run gcloud auth application-default login, or export {variable}_EMULATOR_HOST\n"
    )


def test_a_bigtable_that_does_not_answer_is_one_line_and_not_waited_for(capsys, monkeypatch):
    monkeypatch.setattr("local.tables._PATIENCE", 0.5)
    monkeypatch.setenv("BIGTABLE_EMULATOR_HOST", "127.0.0.1:1")
    argv = ["features", "get", "u1", "--bigtable_table=projects/p/instances/i/tables/t"]
    status, _, err = run(capsys, *argv)
    assert status == 1
    assert len(err.splitlines()) == 1
    assert "check the name, and that the service runs" in err


def test_a_tilde_is_the_home_folder(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    argv = ["--events", "20", "--output=~/größe events", "--truth=~/truth.json"]
    status, out, _ = run(capsys, "generate", *argv)
    assert (status, out) == (0, f"20 events in {tmp_path}/größe events\n")
    assert (tmp_path / "truth.json").exists()


def test_generated_events_are_the_same_for_the_same_seed(capsys, tmp_path):
    contents = []
    for name in ("a", "b"):
        file = tmp_path / f"{name}.ndjson"
        truth = tmp_path / f"{name}.json"
        status, out, _ = run(
            capsys, *f"generate --events 200 --seed 5 --output {file} --truth {truth}".split(" ")
        )
        assert status == 0
        assert out.startswith("200 events")
        contents.append((file.read_bytes(), truth.read_bytes()))
    assert contents[0] == contents[1]
    assert json.loads(contents[0][1])["counts"]["read"] == 200


@pytest.mark.emulator
def test_a_table_is_created_once_and_a_missing_row_is_said(capsys, monkeypatch, bigtable_emulator):
    name = "projects/penstock-local/instances/local/tables/of-the-console"
    monkeypatch.setenv("PENSTOCK_TABLE", name)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    status, out, _ = run(capsys, "tables", "create")
    assert (status, out.startswith(f"created {name}")) == (0, True)
    status, _, err = run(capsys, "tables", "create")
    assert (status, "exists already" in err) == (2, True)
    status, _, err = run(capsys, "features", "get", "nobody")
    assert (status, "has no row" in err) == (2, True)
    status, _, err = run(capsys, "features", "get", "nobody", "--entity", "planet")
    assert (status, "there are session, user" in err) == (2, True)
