"""Curated events on files and archives: golden rows, and what may not change them."""

import gzip
import json
import random

import pytest

from pipelines.curate_events import main
from schemas.current_rows import current_rows
from schemas.rejected import Reason
from tests.pipelines.curate_runs import (
    EVENTS,
    GOLDEN,
    arguments,
    conserved,
    lines_of,
    rows_of,
    run,
    told_once,
)
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE, golden_lines, shown
from tests.pipelines.replay_runs import DAY, NOON, golden_messages
from tests.warm_archive import SOURCE, WarmArchive

pytestmark = pytest.mark.engine

ROWS = (GOLDEN / "rows.txt").read_text().splitlines()
_OF_A_MESSAGE = ("publish_time", "message_id")


@pytest.fixture(autouse=True)
def pseudonym_key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


@pytest.fixture
def archive(tmp_path):
    kept = WarmArchive(str(tmp_path / "archive"))
    kept.put(golden_messages())
    kept.mark(NOON + 10 * DAY)
    return kept


def replayed(folder, archive, *more, start="2026-01-05T00:00:00Z", end="2026-01-06T00:00:00Z"):
    source = [f"--input_archive={archive.root}", f"--from={start}", f"--to={end}"]
    return [*source, *arguments(folder)[1:], *more]


def without_message(lines):
    """Return rows without what files do not tell, and a run of its own."""
    rows = told_once(lines)
    return [
        (table, {name: value for name, value in row.items() if name not in _OF_A_MESSAGE})
        for table, row in rows
    ]


def test_golden_events_give_the_golden_rows_rejected_and_counters(tmp_path):
    done = run(arguments(tmp_path), tmp_path)
    assert done.cells == ROWS
    wanted = sorted((json.loads(line) for line in golden_lines("rejected.ndjson")), key=json.dumps)
    assert shown(done.rejected) == wanted
    assert done.counters == json.loads((GOLDEN / "counters.json").read_text())
    assert conserved(done.counters)


@pytest.mark.parametrize("seed", range(3))
def test_order_repetition_files_and_shards_change_no_row(tmp_path, seed):
    lines = [line for line in EVENTS.read_text().splitlines() if line]
    dice = random.Random(seed)
    many = lines + dice.choices(lines, k=20)
    dice.shuffle(many)
    half = len(many) // 2
    (tmp_path / "a.ndjson").write_text("\n".join(many[:half]))
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress("\n\n".join(many[half:]).encode()))
    done = run(arguments(tmp_path, tmp_path / "*.ndjson*", f"--shards={1 + seed * 7}"), tmp_path)
    assert done.cells == ROWS
    assert conserved(done.counters)


def test_bundles_that_run_twice_write_every_row_once(tmp_path):
    done = run(arguments(tmp_path), tmp_path, bundle_repeat=1)
    assert done.cells == ROWS
    assert len(done.rejected) == len(golden_lines("rejected.ndjson"))


def test_the_same_run_again_writes_the_same_objects(tmp_path):
    run(arguments(tmp_path), tmp_path)
    objects = {path: path.read_bytes() for path in (tmp_path / "rows").rglob("*.ndjson")}
    run(arguments(tmp_path), tmp_path)
    assert {path: path.read_bytes() for path in (tmp_path / "rows").rglob("*.ndjson")} == objects


def test_a_run_at_another_time_changes_nothing_but_the_time_of_ingestion(tmp_path):
    later = "--now=2026-01-07T00:00:00Z"
    lines = run([*arguments(tmp_path)[:-1], later], tmp_path).cells
    assert lines != ROWS
    assert told_once(lines) == told_once(ROWS)


def test_no_personal_value_reaches_a_row(tmp_path):
    done = run(arguments(tmp_path), tmp_path)
    assert "example.com" not in "".join(done.cells)
    [order] = [row for row in rows_of(done.cells) if "email" in row.get("event_details", {})]
    assert order["event_details"]["email"].startswith("2026.")


def test_a_late_event_is_a_row_like_any_other(tmp_path):
    ages = (0, 400)
    events = [
        {
            "event_id": f"e{days}", "event_type": "visit", "user_id": "u", "session_id": None,
            "event_timestamp": f"20{26 - days // 365}-01-05T10:00:00Z",
            "event_details": {"page": "/"},
        }
        for days in ages
    ]  # fmt: skip
    (tmp_path / "e.ndjson").write_text("\n".join(map(json.dumps, events)))
    done = run(arguments(tmp_path, tmp_path / "e.ndjson"), tmp_path)
    assert {row["event_id"] for row in rows_of(done.cells)} == {"e0", "e400"}


def test_an_archive_gives_the_same_rows_as_files_and_tells_their_messages(tmp_path, archive):
    done = run(replayed(tmp_path, archive), tmp_path)
    assert without_message(done.cells) == told_once(ROWS)
    first = current_rows(rows_of(done.cells, "silver_shop.visit"))["e1"]
    assert (first["publish_time"], first["message_id"]) == ("2026-01-05T12:00:00.000000Z", "m0")
    assert conserved(done.counters)


def test_of_a_conflict_the_first_that_was_published_is_kept(tmp_path):
    kept = WarmArchive(str(tmp_path / "archive"))
    kept.put(reversed(golden_messages()))
    kept.mark(NOON + 10 * DAY)
    done = run(replayed(tmp_path, kept, "--source=" + SOURCE), tmp_path)
    assert current_rows(rows_of(done.cells, "silver_shop.visit"))["e9"]["user_id"] == "u3"
    [refused] = [one for one in done.rejected if one.reason == Reason.ID_CONFLICT.value]
    assert json.loads(refused.payload)["user_id"] == "u4"


def test_a_replay_writes_the_rows_of_its_span_and_counts_the_others(tmp_path, archive):
    span = {"start": "2026-01-05T10:00:00.000500Z", "end": "2026-01-05T11:04:00Z"}
    done = run(replayed(tmp_path, archive, **span), tmp_path)
    assert {row["event_id"] for row in rows_of(done.cells)} == {"e2", "e3", "e7"}
    assert done.counters["outside_span"] == 5
    assert conserved({**done.counters, "drifted": 0})


def test_two_replays_of_halves_give_what_one_of_the_whole_gives(tmp_path, archive):
    noon, lines = "2026-01-05T10:30:00Z", []
    for name, ends in (("a", {"end": noon}), ("b", {"start": noon})):
        argv = [
            argument if "_output" not in argument else f"{argument}-{name}"
            for argument in replayed(tmp_path, archive, **ends)
        ]
        assert main(argv) == 0
        lines += lines_of(tmp_path / f"rows-{name}")
    assert without_message(lines) == told_once(ROWS)


def test_a_dry_run_of_a_replay_writes_nothing_and_needs_no_sinks(tmp_path, archive, capsys):
    sinks = ("rows_output", "quarantine_output")
    argv = [one for one in replayed(tmp_path, archive) if not any(name in one for name in sinks)]
    before = sorted(tmp_path.rglob("*"))
    assert main([*argv, "--dry_run"]) == 0
    assert "objects" in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_writes_its_counters_and_ends_with_zero(tmp_path):
    counters = tmp_path / "counters.json"
    assert main(arguments(tmp_path, EVENTS, f"--counters_output={counters}")) == 0
    assert json.loads(counters.read_text()) == json.loads((GOLDEN / "counters.json").read_text())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"input_files": ""}, "--input_files and --input_archive: name exactly one of the three"),
        ({"input_archive": "a"}, "name exactly one of the three"),
        ({"rows_output": ""}, "--rows_output"),
        ({"quarantine_output": ""}, "--quarantine_output is missing"),
        ({"bigquery_project": "my-project"}, "--rows_output and --bigquery_project: name exactly"),
        ({"write_method": "load"}, "--write_method goes with --bigquery_project"),
        ({"horizon": "0"}, "--horizon"),
        ({"shards": "0"}, "--shards=0: write a whole number of at least 1"),
        ({"now": "yesterday"}, "--now=yesterday: write an RFC 3339 time"),
        ({"pubsub_source": "beam"}, "--pubsub_source goes with --input_subscription"),
        ({"from": "2026-01-05T00:00:00Z"}, "--from goes with --input_archive"),
        ({"pseudonym_key": ""}, "--pseudonym_key"),
        ({"pseudonym_key": "env:PENSTOCK_NOT_SET"}, "PENSTOCK_NOT_SET"),
        ({"contracts": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"input_files": "/nowhere/at/all/*.ndjson"}, "/nowhere/at/all/*.ndjson"),
        ({"rows_output": "/dev/null/rows"}, "--rows_output=/dev/null/rows"),
        ({"outputs": "x"}, "--outputs=x: no such option"),
    ],
)
def test_wrong_usage_is_one_line_with_the_remedy_and_status_two(tmp_path, capsys, changed, words):
    given = dict(argument.removeprefix("--").split("=", 1) for argument in arguments(tmp_path))
    status = main([f"--{name}={value}" for name, value in {**given, **changed}.items()])
    printed = capsys.readouterr()
    assert status == 2
    assert words in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_rate_for_rows_that_are_written_in_files_is_refused(tmp_path, archive, capsys):
    assert main(replayed(tmp_path, archive, "--max_events_per_second=5")) == 2
    assert "--max_events_per_second: rows are written in bulk" in capsys.readouterr().err
