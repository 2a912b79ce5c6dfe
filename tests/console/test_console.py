"""The penstock command: help, one-line errors, exit status, and what it does."""

import json

import pytest

from console.main import main
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE

COMMANDS = [
    ["up"],
    ["demo"],
    ["generate"],
    ["publish"],
    ["tables", "create"],
    ["features", "get"],
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
        (["publish", "--topic", "t", "--input", "/nowhere/events.ndjson"], "/nowhere"),
        (["tables"], ""),
        (["tables", "create"], "--bigtable_table"),
        (["tables", "create", "--bigtable_table=t"], "projects/PROJECT/instances/INSTANCE"),
        (["features", "get"], "USER"),
        (["features", "get", "u1"], "--bigtable_table is missing"),
        (["features", "get", "u1", "--bigtable_table=x"], "projects/PROJECT/instances"),
        (["features", "get", "u1", "--at", "noon"], "RFC 3339"),
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
