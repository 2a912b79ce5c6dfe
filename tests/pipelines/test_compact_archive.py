"""The compaction job from its command line."""

import json
import os
import time
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.compact_archive import build, main
from pipelines.compact_archive_options import CompactArchiveConfig, CompactArchiveOptions
from pipelines.compact_archive_plan import prepare
from pipelines.options import parse_options
from schemas.archive_layout import HOUR
from schemas.sizes import format_size
from tests.archives import START, files_of, listed, make_older, message, put, put_marker, rows_of
from tests.no_credentials import forget_credentials
from tests.pipelines.graphs import languages_of, lines_of

pytestmark = pytest.mark.engine

GOLDEN = Path(__file__).parents[1] / "golden" / "compact_archive"
TO = "--to=2024-10-04T03:00:00Z"


@pytest.fixture
def root(tmp_path):
    """Give an archive of two sources: three hours of `s`, one of `other`, three objects each."""
    root = tmp_path / "archive"
    for n in range(9):
        start = START + n % 3 * HOUR
        put(root, [message(n, start + n)], start=start)
    for n in range(3):
        put(root, [message(n)], source="other")
    return root


def objects(root, source="s"):
    return [len(listed(root, source, START + hour * HOUR).entries) for hour in range(3)]


def configured(*argv):
    return CompactArchiveConfig.of(parse_options(argv, CompactArchiveOptions, ""))


def test_every_hour_becomes_one_object_and_the_counters_tell_it(root, tmp_path):
    counters = tmp_path / "counters.json"
    assert main([f"--archive={root}", TO, f"--counters_output={counters}"]) == 0
    assert objects(root) == [1, 1, 1]
    assert [row.message_id for row in rows_of(root, start=START)[0]] == ["id-0", "id-3", "id-6"]
    assert len(listed(root, "other").entries) == 1
    told = json.loads(counters.read_text())
    assert told.pop("bytes_before") > told.pop("bytes_after") > 0
    assert told == {
        "hours": 4,
        "objects_read": 12,
        "objects_written": 4,
        "events": 12,
        "objects_deleted": 0,
        "orphans_found": 0,
        "orphans_deleted": 0,
        "unfinished_deleted": 0,
        "bad_objects": 0,
        "hours_unmerged": 0,
    }


def test_a_second_run_writes_nothing_and_one_after_the_grace_deletes(root, tmp_path):
    argv = [f"--archive={root}/raw/events", TO]
    assert main(argv) == 0
    files = files_of(root)
    assert main(argv) == 0
    assert files_of(root) == files
    make_older(root, 7_200)
    counters = tmp_path / "counters.json"
    assert main([*argv, "--grace=2h", f"--counters_output={counters}"]) == 0
    assert json.loads(counters.read_text())["objects_deleted"] == 12
    assert sum(path.endswith(".avro") for path in files_of(root)) == 4


def test_only_the_hours_and_the_source_that_are_asked_for_are_compacted(root):
    span = ["--from=2024-10-04T01:00:00Z", "--to=2024-10-04T02:00:00Z"]
    assert main([f"--archive={root}", "--source=s", *span]) == 0
    assert objects(root) == [3, 1, 3]
    assert objects(root, "other") == [3, 0, 0]


def test_without_an_end_only_hours_that_the_marker_has_passed_are_compacted(root, capsys):
    put_marker(root, complete_to=START + 2 * HOUR + 1)
    assert main([f"--archive={root}"]) == 0
    assert objects(root) == [1, 1, 3]
    assert objects(root, "other") == [3, 0, 0]
    assert "--source=other: left out; no completeness marker" in capsys.readouterr().err


def test_without_an_end_hours_that_have_just_ended_are_left(tmp_path):
    now = time.time_ns() // 1000
    this_hour = now - now % HOUR
    hours = [this_hour - n * HOUR for n in range(4)]
    for start in hours:
        for n in range(2):
            put(tmp_path, [message(n, start)], start=start)
    put_marker(tmp_path, complete_to=now + HOUR)
    assert main([f"--archive={tmp_path}", "--settle=2h"]) == 0
    counts = [len(listed(tmp_path, start=start).entries) for start in hours]
    assert counts == [2, 2, 2, 1]


def test_a_dry_run_prints_what_would_be_done_and_does_nothing(root, capsys):
    assert main([f"--archive={root}", "--to=2024-10-04T01:00:00Z"]) == 0
    orphan = put(root, [message(99, START + HOUR)], start=START + HOUR, entered=False)
    hour = listed(root, start=START + 2 * HOUR)
    os.unlink(hour.path_of(hour.entries[0]))
    make_older(root, 2 * 86_400)
    files = files_of(root)
    capsys.readouterr()
    assert main([f"--archive={root}", "--source=s", TO, "--dry_run"]) == 0
    sizes = [
        sum(entry.size for entry in listed(root, start=START + hours * HOUR).entries[skipped:])
        for hours, skipped in ((1, 0), (2, 1))
    ]
    deleting = "replaced objects and"
    assert capsys.readouterr().out.splitlines() == [
        f"s 2024-10-04T00:00:00Z: merge 0 objects (0 events, 0 B); "
        f"delete 3 of 3 {deleting} 0 of 0 orphans",
        f"s 2024-10-04T01:00:00Z: merge 3 objects (3 events, {format_size(sizes[0])}); "
        f"delete 0 of 0 {deleting} 1 of 1 orphans",
        f"s 2024-10-04T02:00:00Z: merge 2 objects (2 events, {format_size(sizes[1])}); "
        f"delete 0 of 0 {deleting} 0 of 0 orphans; 1 missing objects",
        f"3 hours: merge 5 objects (5 events, {format_size(sum(sizes))}); "
        f"delete 3 of 3 {deleting} 1 of 1 orphans; 1 missing objects",
    ]
    assert files_of(root) == files
    assert f"{listed(root, start=START + HOUR).folder}/{orphan.object_name}" in files


def test_a_bad_object_is_named_counted_and_left_and_the_status_is_1(root, tmp_path, capsys, caplog):
    hour = listed(root)
    bad = hour.path_of(hour.entries[1])
    Path(bad).write_bytes(b"cut")
    counters = tmp_path / "counters.json"
    argv = [f"--archive={root}", "--source=s", TO, f"--counters_output={counters}"]
    assert main(argv) == 1
    assert objects(root) == [2, 1, 1]
    assert Path(bad).read_bytes() == b"cut"
    assert json.loads(counters.read_text())["bad_objects"] == 1
    assert f"{bad}: not an Avro file; left as it is" in caplog.text
    assert capsys.readouterr().err.endswith(
        "1 bad objects, 0 hours not merged: the log names them; everything else was compacted\n"
    )


def test_an_hour_with_a_damaged_record_is_named_and_left_and_the_rest_is_done(root, capsys, caplog):
    record = Path(listed(root, start=START + HOUR).folder) / "x.replaced.json"
    record.write_bytes(b"{")
    assert main([f"--archive={root}", "--source=s", TO, "--dry_run"]) == 0
    line = f"{record}: no record of a compaction; move it away"
    assert f"s 2024-10-04T01:00:00Z: nothing; {line}" in capsys.readouterr().out.splitlines()
    assert main([f"--archive={root}", "--source=s", TO]) == 1
    assert line in caplog.text
    record.unlink()
    assert objects(root) == [1, 3, 1]


def test_an_hour_is_launched_for_what_a_killed_writer_left_once_it_is_old_enough(root, capsys):
    argv = [f"--archive={root}", "--source=s", TO]
    assert main(argv) == 0
    make_older(root, 30 * 86_400)
    assert main(argv) == 0
    capsys.readouterr()
    left = Path(listed(root).folder) / ".x.avro.0a1b2c3d.part"
    left.touch()
    assert main([*argv, "--dry_run"]) == 0
    assert "unfinished" not in capsys.readouterr().out
    make_older(root, 2 * 86_400)
    assert main([*argv, "--dry_run"]) == 0
    line, total = capsys.readouterr().out.splitlines()
    assert line.startswith("s 2024-10-04T00:00:00Z: merge 0 objects")
    assert line.endswith("orphans; delete 1 unfinished files")
    assert total.endswith("orphans; delete 1 unfinished files")
    assert left.exists()
    assert main(argv) == 0
    assert not left.exists()


def test_a_dry_run_needs_no_permission_to_write(root, capsys, monkeypatch):
    monkeypatch.setattr(
        "pipelines.compact_archive_options.write_problem", lambda path, is_file: "cannot be written"
    )
    assert main([f"--archive={root}", TO, "--dry_run"]) == 0
    assert "merge 3 objects" in capsys.readouterr().out
    assert main([f"--archive={root}", TO]) == 2
    assert capsys.readouterr().err == f"--archive={root}: cannot be written\n"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--archive="], "--archive is missing"),
        (["--archive=s3://x"], "--archive: path 's3://x'"),
        (["--archive=empty"], "empty/raw/events: holds no events"),
        (["--source=none"], "--source=none: not in "),
        (["--source=" + "x" * 201], "--source: takes 208 bytes"),
        (["--to="], "--to is missing, and no completeness marker"),
        (["--to=2024-10-04T03:30:00Z"], "--to=2024-10-04T03:30:00Z: hours are compacted whole"),
        (["--from=yesterday"], "--from=yesterday: write an RFC 3339 time"),
        (["--from=2024-10-04T03:00:00Z"], "give an hour after --from=2024-10-04T03:00:00Z"),
        (["--settle=2h"], "--settle goes without --to"),
        (["--target_bytes=big"], "--target_bytes: 'big' is no size"),
        (["--target_bytes=2GB"], "--target_bytes=2GB: give 1 KB to 1 GB"),
        (["--codec=lz4"], "--codec=lz4: write zstd, deflate, null"),
        (["--recompress=yes"], "--recompress=yes: write true or false"),
        (["--grace=0s"], "--grace=0s: give at least 1m"),
        (["--dry_run=maybe"], "--dry_run=maybe: write true or false"),
        (["--gracee=1d"], "--gracee=1d: no such option"),
    ],
)
def test_wrong_usage_is_one_line_and_changes_nothing(root, capsys, monkeypatch, more, words):
    monkeypatch.chdir(root.parent)
    given = {"--archive": str(root), "--to": TO.partition("=")[2]}
    given.update(item.split("=", 1) for item in more)
    files = files_of(root)
    assert main([f"{name}={value}" for name, value in given.items()]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1
    assert files_of(root) == files


def test_an_archive_in_a_bucket_without_credentials_is_one_line(tmp_path, capsys, monkeypatch):
    forget_credentials(monkeypatch, tmp_path)
    assert main(["--archive=gs://bucket", TO]) == 2
    message = capsys.readouterr().err
    assert message.startswith("--archive=gs://bucket: ")
    assert message.count("\n") == 1


def graph(root):
    pipeline = beam.Pipeline(runner=FnApiRunner())
    build(pipeline, prepare(configured(f"--archive={root}", TO)))
    return pipeline.to_runner_api()


def test_labels_and_coders_are_the_golden_ones(root):
    assert lines_of(graph(root)) == (GOLDEN / "graph.txt").read_text().splitlines()
    assert len(languages_of(graph(root))) == 1


def test_hours_without_anything_to_do_are_not_launched(root):
    assert main([f"--archive={root}", "--to=2024-10-04T02:00:00Z"]) == 0
    make_older(root, 2 * 86_400)
    assert main([f"--archive={root}", "--to=2024-10-04T02:00:00Z"]) == 0
    config = prepare(configured(f"--archive={root}", TO))
    assert config.hours == (("s", START + 2 * HOUR),)
    assert prepare(configured(f"--archive={root}", "--to=2024-10-04T02:00:00Z")).hours == ()
