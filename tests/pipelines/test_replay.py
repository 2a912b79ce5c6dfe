"""The hot path from the archive: the same cells and quarantine as live, whatever objects hold."""

import json
from pathlib import Path

import pytest

from pipelines import archive_raw
from pipelines.hot_path import main
from schemas.events import RawEvent
from schemas.times import parse_rfc3339
from tests.archive_builders import compact, complete, put, put_all, put_overlapping
from tests.no_credentials import forget_credentials
from tests.pipelines.hot_path_runs import GOLDEN, KEY, KEY_VARIABLE, conserved, golden_lines, shown
from tests.pipelines.replay_runs import DAY, NOON, golden_messages, replay, replay_arguments
from transforms.quarantine import read_quarantine

pytestmark = pytest.mark.engine


@pytest.fixture(autouse=True)
def pseudonym_key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def golden_rejected():
    return sorted((json.loads(line) for line in golden_lines("rejected.ndjson")), key=json.dumps)


def is_golden(done):
    assert done.cells == golden_lines("cells.ndjson")
    assert shown(done.rejected) == golden_rejected()
    assert conserved(done.counters)
    return True


def test_a_replay_gives_the_golden_cells_rejected_and_counters(tmp_path):
    put_all(tmp_path / "archive", golden_messages())
    done = replay(replay_arguments(tmp_path, tmp_path / "archive"), tmp_path)
    assert is_golden(done)
    wanted = json.loads((GOLDEN / "counters.json").read_text())
    assert done.counters == wanted | {"objects_read": done.counters["objects_read"]}


@pytest.mark.parametrize("seed", range(3))
def test_objects_that_overlap_or_were_compacted_change_neither_cell_nor_quarantine(tmp_path, seed):
    puts = put_overlapping(tmp_path / "archive", golden_messages(), seed)
    if seed == 2:
        compact(puts, tmp_path / "archive")
    done = replay(
        replay_arguments(tmp_path, tmp_path / "archive"), tmp_path, bundle_repeat=seed == 1
    )
    assert is_golden(done)
    if seed != 1:
        copies = done.counters["read"] - len(golden_messages())
        again = done.counters["rejected_again"]
        assert 0 < again < copies
        refused = sum(done.counters["rejected"].values()) + done.counters["conflict"]
        assert done.counters["quarantined"] == refused - again == len(golden_rejected())


def test_what_the_archive_job_kept_of_files_is_replayed_as_the_files_are_read(tmp_path):
    events = GOLDEN / "events.ndjson"
    archived = [
        "--now=2026-01-06T00:00:00Z",
        "--source=files",
        f"--archive_output={tmp_path / 'a'}",
    ]
    for _ in range(2):
        assert archive_raw.main([f"--input_files={events}", *archived]) == 0
    done = replay(replay_arguments(tmp_path, tmp_path / "a"), tmp_path)
    assert is_golden(done)
    wanted = json.loads((GOLDEN / "counters.json").read_text())
    assert done.counters == wanted | {"objects_read": done.counters["objects_read"]}


def test_the_quarantine_and_the_counters_say_where_a_replay_came_from(tmp_path):
    put(tmp_path / "archive", golden_messages())
    counters = tmp_path / "counters.json"
    argv = replay_arguments(
        tmp_path, tmp_path / "archive" / "raw" / "events", f"--counters_output={counters}"
    )
    assert main(argv) == 0
    told = json.loads(counters.read_text())
    archive = f"{tmp_path / 'archive'}#events"
    assert told["replayed_from"] == archive
    assert (told["run"], told["from"], told["to"]) == (
        "20260106T000000Z",
        "2026-01-05T00:00:00Z",
        "2026-01-06T00:00:00Z",
    )
    found = {(one.replayed_from, one.run) for one in read_quarantine(str(tmp_path / "quarantine"))}
    assert found == {(archive, "20260106T000000Z")}


def test_the_second_run_of_a_replay_adds_nothing_to_the_quarantine(tmp_path):
    put(tmp_path / "archive", golden_messages())
    for run in ("one", "two"):
        argv = replay_arguments(tmp_path, tmp_path / "archive", f"--run_id={run}")
        done = replay(argv, tmp_path)
    assert shown(done.rejected) == golden_rejected()
    assert {one.run for one in done.rejected} == {"one"}


def test_an_event_that_was_accepted_live_is_accepted_in_a_replay(tmp_path):
    """The bound on the future is relative to the publish time, whatever the time of the launch."""
    line = next(line for line in golden_lines("events.ndjson") if '"f7"' in line)
    event_time = parse_rfc3339("2026-02-05T10:00:00Z")
    put(tmp_path / "archive", [RawEvent(line.encode(), {}, "m", event_time - DAY)])
    argv = replay_arguments(tmp_path, tmp_path / "archive", start="2026-02-01", end="2026-02-09")
    assert replay(argv, tmp_path).counters["accepted"] == 1
    put(tmp_path / "late", [RawEvent(line.encode(), {}, "m", event_time - DAY - 1)])
    argv = replay_arguments(tmp_path, tmp_path / "late", start="2026-02-01", end="2026-02-09")
    assert replay(argv, tmp_path).counters["rejected"] == {"time_out_of_range": 1}


def narrow(argv):
    """Let a replay cover 10:00 to 11:07, which cuts the tiles of 11 o'clock and of 11:05."""
    changed = {"--from": "2026-01-05T10:00:00Z", "--to": "2026-01-05T11:07:00Z"}
    kept = [each for each in argv if each.partition("=")[0] not in changed]
    return [*kept, *(f"{name}={value}" for name, value in changed.items())]


def tiles(lines):
    return [line for line in lines if '"family":"t"' in line]


def test_tiles_that_are_not_wholly_inside_are_withheld_and_counted(tmp_path):
    put(tmp_path / "archive", golden_messages())
    done = replay(narrow(replay_arguments(tmp_path, tmp_path / "archive")), tmp_path)
    golden = golden_lines("cells.ndjson")
    cut = [
        line for line in tiles(golden) if "1767611100" in line or "spent" in line or "dev" in line
    ]
    assert len(cut) == 3
    assert done.cells == [line for line in golden if line not in cut]
    assert done.counters["tiles_withheld"] == 3
    assert conserved(done.counters)


def test_events_outside_the_span_are_accepted_and_change_no_last_value(tmp_path):
    put(tmp_path / "archive", golden_messages())
    days = {"start": "2026-01-06", "end": "2026-01-07"}
    done = replay(replay_arguments(tmp_path, tmp_path / "archive", **days), tmp_path)
    assert done.counters["accepted"] > 0
    assert done.cells == []
    assert conserved(done.counters)


def test_a_repair_clears_what_it_covers_and_sets_the_tiles_of_the_archive(tmp_path):
    put(tmp_path / "archive", golden_messages())
    complete(tmp_path / "archive", NOON + 30 * DAY)
    argv = replay_arguments(tmp_path, tmp_path / "archive", "--write_mode=repair")
    done = replay(narrow(argv), tmp_path)
    clears = [json.loads(line) for line in done.cells if "clear_from_micros" in line]
    ranges = {
        (line["qualifier"], line["clear_from_micros"], line["clear_to_micros"]) for line in clears
    }
    ten, eleven = (parse_rfc3339(f"2026-01-05T{hour}:00:00Z") for hour in (10, 11))
    assert ranges == {
        ("visits", ten, eleven),
        ("spent_eur", ten, eleven),
        ("devices", ten, eleven),
        ("largest", ten, eleven + 5 * 60_000_000),
    }
    assert len(clears) == 4 * 3
    upserted = replay(
        narrow(replay_arguments(tmp_path / "up", tmp_path / "archive")), tmp_path / "up"
    )
    assert [line for line in done.cells if "clear_from_micros" not in line] == upserted.cells


def test_a_bound_on_the_rate_changes_no_cell(tmp_path):
    put(tmp_path / "archive", golden_messages())
    argv = replay_arguments(tmp_path, tmp_path / "archive", "--max_events_per_second=20000")
    assert is_golden(replay(argv, tmp_path))


def test_a_dry_run_prints_the_plan_and_makes_nothing_whatever_the_sink(tmp_path, capsys):
    found = put(tmp_path / "archive", golden_messages())
    complete(tmp_path / "archive", NOON + 30 * DAY)
    argv = replay_arguments(tmp_path, tmp_path / "archive", "--dry_run")
    argv = [each for each in argv if not each.startswith("--cells_output")]
    argv.append("--bigtable_table=projects/p/instances/i/tables/t")
    assert main(argv) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"archive:    {tmp_path / 'archive'}, source events",
        "event time: 2026-01-05T00:00:00Z to 2026-01-06T00:00:00Z",
        "published:  2026-01-04T00:00:00Z to 2026-01-08T00:00:00Z",
        "objects:    1",
        "events:     at most 21",
        f"bytes:      {found.entry.size}",
        "estimate:   0.00 worker hours at 10000 events a second",
        "complete:   the archive holds all that was published in time",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_a_dry_run_needs_no_sink_no_quarantine_no_key_and_no_credentials(
    tmp_path, capsys, monkeypatch
):
    forget_credentials(monkeypatch, tmp_path / "gcloud")
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    put(tmp_path / "archive", golden_messages())
    span = ["--from=2026-01-05T00:00:00Z", "--to=2026-01-06T00:00:00Z"]
    asked = [f"--input_archive={tmp_path / 'archive'}", *span]
    assert main([*asked, "--dry_run"]) == 0
    bare = capsys.readouterr().out
    assert "objects:    1" in bare.splitlines()
    places = ["--bigtable_table=projects/p/instances/i/tables/t", "--quarantine_output=gs://b/q"]
    assert main([*asked, *places, "--counters_output=gs://b/c.json", "--dry_run"]) == 0
    assert capsys.readouterr().out == bare
    assert main([*asked, *places, "--cells_output=c", "--dry_run"]) == 2
    assert "name at most one of the two" in capsys.readouterr().err
    assert main(asked) == 2
    assert "name exactly one of the two" in capsys.readouterr().err
    assert main([*asked, "--cells_output=c"]) == 2
    assert "--quarantine_output is missing" in capsys.readouterr().err


def test_a_dry_run_says_what_a_launch_would_be_refused_for(tmp_path, capsys):
    put(tmp_path / "archive", golden_messages())
    more = ["--dry_run=true", "--write_mode=repair"]
    assert main(replay_arguments(tmp_path, tmp_path / "archive", *more)) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(
        "refused:    --write_mode=repair: the archive has no completeness marker"
    )
    complete(tmp_path / "archive", NOON + 30 * DAY)
    assert main(replay_arguments(tmp_path, tmp_path / "archive", *more)) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "repair:     possible, the span is closed"
    assert not (tmp_path / "cells").exists()


def test_a_bad_object_fails_the_command_with_one_line_or_goes_to_the_quarantine(tmp_path, capsys):
    puts = put_all(tmp_path / "archive", golden_messages())
    complete(tmp_path / "archive", NOON + 30 * DAY)
    Path(puts[0].path).unlink()
    argv = replay_arguments(tmp_path, tmp_path / "archive")
    assert main(argv) == 1
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line == (
        f"{puts[0].path}: no such object, but the manifest names it; restore it, or, if it "
        "is no repair, give --on_bad_object=quarantine"
    )
    done = replay([*argv, "--on_bad_object=quarantine"], tmp_path)
    (refused,) = [one for one in done.rejected if one.step == "ReadArchive"]
    assert (refused.reason, refused.payload.decode()) == ("object_missing", puts[0].path)
    assert done.counters["bad_objects"] == 1
    assert done.counters["read"] == len(golden_messages()) - puts[0].entry.events
    assert conserved(done.counters)


@pytest.mark.parametrize("changed", ["", "--on_bad_object=quarantine"])
def test_two_sources_are_one_line_that_lists_them(tmp_path, capsys, changed):
    for source in ("orders", "clicks"):
        put(tmp_path / "archive", golden_messages(), source)
    argv = replay_arguments(tmp_path, tmp_path / "archive", *filter(None, [changed]))
    assert main(argv) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.endswith("holds 2 sources; name one by --source: clicks, orders")
    assert main([*argv, "--source=orders"]) == 0


REFUSED = [
    ("--from=", "--from is missing: a replay reads the events of a span"),
    ("--to=", "--to is missing"),
    ("--to=2026-01-05T00:00:00Z", "--to=2026-01-05T00:00:00Z: give a time after --from="),
    ("--from=soon", "--from=soon: write an RFC 3339 time"),
    ("--from=0001-01-01T00:00:00Z", "--from=0001-01-01T00:00:00Z: give a time from 1970 to 9999"),
    ("--to=9999-12-31T23:59:59-23:59", "--to=9999-12-31T23:59:59-23:59: write an RFC 3339 time"),
    ("--to=2025-01-01T00:00:00Z", "give a time after --from=2026-01-05T00:00:00Z"),
    (
        "--from=1999-01-01T00:00:00Z --to=1999-02-01T00:00:00Z",
        "it was published from 2026-01-05T12",
    ),
    ("--source=other", "--source=other: not in "),
    (f"--source={'x' * 300}", "--source: takes "),
    ("--input_archive=nowhere/at/all", "nowhere/at/all/raw/events: holds no events; name the root"),
    ("--input_archive=s3://b", "--input_archive: path 's3://b': write a local folder or gs://"),
    ("--max_lateness=1h", "--max_lateness=1h: give at least the horizon, 1d"),
    ("--max_lateness=forever", "--max_lateness: 'forever' is no length of time"),
    ("--on_bad_object=skip", "--on_bad_object=skip: write fail, quarantine"),
    ("--dry_run=perhaps", "--dry_run=perhaps: write true or false"),
    ("--events_per_worker_second=0", "--events_per_worker_second=0: write a whole number"),
    ("--max_input_bytes=1", "--max_input_bytes=1: the replay reads "),
    ("--max_input_bytes=0.001KB", "--max_input_bytes=1: the replay reads "),
    (f"--max_input_bytes={'9' * 5_000}", "999' is no size: write a number and its unit"),
    ("--max_input_bytes=0", "--max_input_bytes=0: give 1 B to 1000 TB"),
    ("--max_events_per_second=0.5", "--max_events_per_second=0.5: write a whole number"),
    ("--run_id=a/b", "--run_id=a/b: use letters, digits, '.', '_' and '-'"),
    ("--covers_from=beginning", "--covers_from: a replay covers what --from and --to say"),
    ("--write_mode=delete", "--write_mode=delete: write upsert, repair"),
    ("--write_mode=repair", "--write_mode=repair: the archive has no completeness marker"),
    ("--write_mode=repair --on_bad_object=quarantine", "a repair deletes what it does not read"),
    ("--input_files=x", "name exactly one of the three"),
    ("--timestamp_attribute=t", "--timestamp_attribute goes with --input_subscription"),
]


@pytest.mark.parametrize(("changed", "words"), REFUSED)
def test_wrong_usage_of_a_replay_is_one_line_and_status_two(tmp_path, capsys, changed, words):
    put(tmp_path / "archive", golden_messages())
    names = {each.partition("=")[0] for each in changed.split()}
    argv = replay_arguments(tmp_path, tmp_path / "archive")
    kept = [each for each in argv if each.partition("=")[0] not in names]
    assert main([*kept, *changed.split()]) == 2
    printed = capsys.readouterr()
    [line] = printed.err.strip().splitlines()
    assert words in line
    assert printed.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


@pytest.mark.parametrize(
    "option",
    [
        "--from=2026-01-05T00:00:00Z",
        "--to=2026-01-05T00:00:00Z",
        "--source=events",
        "--max_lateness=3d",
        "--on_bad_object=fail",
        "--dry_run",
        "--dry_run=true",
        "--events_per_worker_second=5",
        "--max_input_bytes=5",
        "--max_events_per_second=5",
        "--run_id=x",
        "--write_mode=repair",
    ],
)
def test_options_of_a_replay_do_nothing_without_an_archive_and_are_refused(
    tmp_path, capsys, option
):
    rest = replay_arguments(tmp_path, tmp_path)[3:]
    assert main([f"--input_files={GOLDEN / 'events.ndjson'}", *rest, option]) == 2
    name = option.partition("=")[0]
    words = "--write_mode=repair" if name == "--write_mode" else name
    assert f"{words} goes with --input_archive" in capsys.readouterr().err
