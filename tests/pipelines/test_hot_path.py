"""The hot path on files: golden input, cells, rejected and counters."""

import gzip
import json
import random

import pytest

from pipelines.hot_path import main
from tests.pipelines.hot_path_runs import (
    GOLDEN,
    KEY,
    KEY_VARIABLE,
    arguments,
    conserved,
    golden_lines,
    left_behind,
    run,
    shown,
)
from transforms.object_store import ObjectStoreError

pytestmark = pytest.mark.engine


@pytest.fixture(autouse=True)
def pseudonym_key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def test_golden_events_give_the_golden_cells_rejected_and_counters(tmp_path):
    done = run(arguments(tmp_path, GOLDEN / "events.ndjson"), tmp_path)
    assert done.cells == golden_lines("cells.ndjson")
    wanted = sorted((json.loads(line) for line in golden_lines("rejected.ndjson")), key=json.dumps)
    assert shown(done.rejected) == wanted
    assert done.counters == json.loads((GOLDEN / "counters.json").read_text())
    assert conserved(done.counters)


@pytest.mark.parametrize("seed", range(3))
def test_order_repetition_files_and_shards_change_no_cell(tmp_path, seed):
    lines = [line for line in golden_lines("events.ndjson") if line]
    dice = random.Random(seed)
    many = lines + dice.choices(lines, k=20)
    dice.shuffle(many)
    half = len(many) // 2
    (tmp_path / "a.ndjson").write_text("\n".join(many[:half]))
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress("\n\n".join(many[half:]).encode()))
    argv = arguments(tmp_path, tmp_path / "*.ndjson*", f"--shards={1 + seed * 7}")
    done = run(argv, tmp_path)
    assert done.cells == golden_lines("cells.ndjson")
    assert conserved(done.counters)


def test_bundles_that_run_twice_change_no_cell_and_quarantine_nothing_twice(tmp_path):
    done = run(arguments(tmp_path, GOLDEN / "events.ndjson"), tmp_path, bundle_repeat=1)
    assert done.cells == golden_lines("cells.ndjson")
    assert len(done.rejected) == len(golden_lines("rejected.ndjson"))


def test_no_personal_value_reaches_the_cells(tmp_path):
    done = run(arguments(tmp_path, GOLDEN / "events.ndjson"), tmp_path)
    assert not [line for line in done.cells if "example.com" in line]
    emails = [json.loads(line) for line in done.cells if '"email"' in line]
    assert emails


def test_the_command_writes_its_counters_and_ends_with_zero(tmp_path):
    counters = tmp_path / "out put" / "counters.json"
    argv = arguments(tmp_path, GOLDEN / "events.ndjson", f"--counters_output={counters}")
    assert main(argv) == 0
    assert json.loads(counters.read_text()) == json.loads((GOLDEN / "counters.json").read_text())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"input_files": ""}, "--input_files and --input_archive: name exactly one of the three"),
        ({"input_subscription": "projects/p/subscriptions/s"}, "name exactly one of the three"),
        ({"input_archive": "a"}, "name exactly one of the three"),
        ({"cells_output": ""}, "--bigtable_table and --cells_output: name exactly one"),
        ({"bigtable_table": "projects/p/instances/i/tables/t"}, "name exactly one of the two"),
        ({"cells_output": "", "bigtable_table": "t"}, "--bigtable_table"),
        ({"quarantine_output": ""}, "--quarantine_output is missing"),
        ({"horizon": "soon"}, "--horizon: 'soon' is no length of time"),
        ({"horizon": "0"}, "--horizon"),
        ({"shards": "0"}, "--shards=0: write a whole number of at least 1"),
        ({"shards": "many"}, "--shards=many"),
        ({"now": "yesterday"}, "--now=yesterday: write an RFC 3339 time"),
        ({"now": "9999-12-31T23:59:59-23:59"}, "--now=9999-12-31T23:59:59-23:59: write an RFC"),
        ({"now": "0000-01-01T00:00:00Z"}, "--now=0000-01-01T00:00:00Z: write an RFC 3339 time"),
        ({"covers_from": "noon"}, "--covers_from=noon"),
        ({"flow_control": "true"}, "--flow_control goes with --bigtable_table"),
        ({"pubsub_source": "beam"}, "--pubsub_source goes with --input_subscription"),
        ({"stop_after_idle": "5"}, "--stop_after_idle"),
        ({"pseudonym_key": ""}, "--pseudonym_key"),
        ({"pseudonym_key": "env:PENSTOCK_NOT_SET"}, "PENSTOCK_NOT_SET"),
        ({"pseudonym_key": "env:"}, "pseudonym key env: names no variable; write env:NAME"),
        ({"contracts": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"features": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"input_files": "/nowhere/at/all/*.ndjson"}, "/nowhere/at/all/*.ndjson"),
        ({"input_files": "nowhere://x"}, "--input_files=nowhere://x: Unable to get filesystem"),
        ({"horizon": "999999999d"}, "--horizon=999999999d: give at most 36500d"),
        ({"max_future": "-1h"}, "--max_future: '-1h' is no length of time"),
        ({"max_event_bytes": "9999999999"}, "--max_event_bytes=9999999999: give 1 B to 2 GB"),
        ({"inputfiles": "x"}, "--inputfiles=x: no such option"),
        ({"runner": "NoSuchRunner"}, "NoSuchRunner"),
    ],
)
def test_wrong_usage_is_one_line_with_the_remedy_and_status_two(tmp_path, capsys, changed, words):
    given = dict(
        argument.removeprefix("--").split("=", 1)
        for argument in arguments(tmp_path, GOLDEN / "events.ndjson")
    )
    status = main([f"--{name}={value}" for name, value in {**given, **changed}.items()])
    printed = capsys.readouterr()
    assert status == 2
    assert words in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_an_option_that_is_given_twice_is_refused_for_its_first_value_would_be_lost(
    tmp_path, capsys
):
    argv = arguments(tmp_path, GOLDEN / "events.ndjson", "--input_files", "other.ndjson")
    assert main(argv) == 2
    assert capsys.readouterr().err == "--input_files is given twice; give it once\n"


def test_a_live_job_must_say_where_late_events_go(tmp_path, capsys):
    argv = arguments(tmp_path, GOLDEN / "events.ndjson")[1:]
    assert main(["--input_subscription=projects/p/subscriptions/s", *argv]) == 2
    assert "--late_output is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--pubsub_source=kafka", "--pubsub_source=kafka: write auto, beam, portable"),
        ("--flow_control=perhaps", "--flow_control=perhaps: write true or false"),
        ("--watermark_slack=x", "--watermark_slack: 'x' is no length of time"),
        ("--readers=0", "--readers=0: write a whole number"),
    ],
)
def test_wrong_values_of_a_live_job_are_one_line(capsys, option, words):
    argv = [
        "--input_subscription=projects/p/subscriptions/s",
        "--bigtable_table=projects/p/instances/i/tables/t",
        "--quarantine_output=q",
        "--late_output=l",
        option,
    ]
    assert main(argv) == 2
    assert words in capsys.readouterr().err


def test_a_cut_file_is_one_line_and_status_one(tmp_path, capsys):
    whole = gzip.compress((GOLDEN / "events.ndjson").read_bytes())
    (tmp_path / "cut.ndjson.gz").write_bytes(whole[:-200])
    assert main(arguments(tmp_path, tmp_path / "cut.ndjson.gz")) == 1
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "cut.ndjson.gz: damaged or cut (EOFError); replace the file" in line


@pytest.mark.parametrize(
    ("name", "engine"),
    [("cells", "FnApiRunner"), ("cells.ndjson", "PrismRunner")],
)
def test_a_place_that_fails_under_the_job_is_one_line_and_status_one(
    tmp_path, capsys, monkeypatch, name, engine, prism_binary
):
    def full(path, data):
        if f"/{name}" in path:
            raise ObjectStoreError(f"{path}: no space left; check that the place is writable")

    for module in ("write_objects.create_object", "write_cell_lines.replace_object"):
        monkeypatch.setattr(f"transforms.{module}", full)
    argv = arguments(tmp_path, GOLDEN / "events.ndjson", f"--runner={engine}")
    argv = [each.replace(f"{tmp_path}/cells", f"{tmp_path}/{name}") for each in argv]
    if engine == "PrismRunner":
        argv += [f"--prism_location={prism_binary}", "--environment_type=LOOPBACK"]
    assert main(argv) == 1
    told = [line for line in capsys.readouterr().err.splitlines() if "no space left" in line]
    assert len(told) == 1
    assert told[0].startswith(str(tmp_path))


def test_a_tilde_is_the_home_folder_in_every_path_option(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "a home"))
    (tmp_path / "a home").mkdir()
    names = ("contracts", "features", "events.ndjson")
    for name in names:
        (tmp_path / "a home" / name).symlink_to(GOLDEN / name)
    (tmp_path / "a home" / "key").write_text(KEY)
    argv = [
        "--input_files=~/events.ndjson",
        "--contracts=~/contracts",
        "--features=~/features",
        "--cells_output=~/cells",
        "--quarantine_output=~/quarantine",
        "--late_output=~/late",
        "--counters_output=~/counters.json",
        "--pseudonym_key=file:~/key",
        "--now=2026-01-06T00:00:00Z",
    ]
    assert main(argv) == 0
    done = left_behind(tmp_path / "a home", {})
    assert done.cells == golden_lines("cells.ndjson")
    assert done.rejected
    assert json.loads((tmp_path / "a home" / "counters.json").read_text())["read"]


def test_help_shows_every_option(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    printed = capsys.readouterr().out
    assert "--input_subscription" in printed
    assert "--cells_output" in printed
