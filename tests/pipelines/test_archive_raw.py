"""The archive job on files: whatever is in them is kept as it is, and wrong usage is one line."""

import json

import pytest

from pipelines.archive_raw import main
from schemas.archive_avro import from_avro
from schemas.manifest import parse_name

NOW = "2026-01-06T12:34:56Z"
LINES = [b'{"event_id": "e1"}', b"not json", b"\xff\x00\xfe", b'{"event_id": "e1"}']


def archive(tmp_path, *more):
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(LINES) + b"\n")
    return main(
        [
            f"--input_files={tmp_path / 'events.ndjson'}",
            f"--archive_output={tmp_path / 'an archive'}",
            "--source=files",
            f"--now={NOW}",
            f"--counters_output={tmp_path / 'counters.json'}",
            *more,
        ]
    )


def kept(tmp_path):
    folder = tmp_path / "an archive" / "raw" / "events" / "source=files" / "dt=2026-01-06" / "hr=12"
    return {parse_name(file.name).entry: folder for file in folder.glob("*.entry.json")}


def test_all_lines_are_kept_whatever_they_are(tmp_path):
    assert archive(tmp_path) == 0
    [(entry, folder)] = kept(tmp_path).items()
    rows = from_avro((folder / entry.object_name).read_bytes())
    assert sorted(row.payload for row in rows) == sorted(LINES)
    assert {row.publish_time for row in rows} == {1_767_702_896_000_000}
    counters = json.loads((tmp_path / "counters.json").read_text())
    assert counters == {"archived": 4, "objects_written": 1, "objects_found": 0}


def test_the_same_files_archived_again_are_the_same_objects(tmp_path):
    assert archive(tmp_path) == 0
    before = kept(tmp_path)
    assert archive(tmp_path) == 0
    assert kept(tmp_path) == before
    assert json.loads((tmp_path / "counters.json").read_text())["objects_found"] == 1


def test_an_archive_of_files_says_nothing_of_completeness(tmp_path):
    archive(tmp_path)
    assert list((tmp_path / "an archive").rglob("_complete.json")) == []


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("--codec=lz4", "--codec=lz4: write zstd, deflate, null"),
        ("--batch_bytes=0", "--batch_bytes=0: write a whole number of at least 1"),
        ("--batch_age=5m", "--batch_age goes with --input_subscription"),
        ("--input_subscription=projects/p/subscriptions/s", "name exactly one of the two"),
        ("--archive_output=s3://b/x", "--archive_output"),
        ("--event_time_atribute=ts", "no such option"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(tmp_path, capsys, more, line):
    arguments = [more] if "archive_output" not in more else []
    if arguments:
        assert archive(tmp_path, *arguments) == 2
    else:
        (tmp_path / "events.ndjson").write_bytes(b"{}\n")
        given = [f"--input_files={tmp_path / 'events.ndjson'}", "--source=a", more]
        assert main(given) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


def test_files_need_a_name_for_their_source(tmp_path, capsys):
    assert main([f"--input_files={tmp_path}/x", f"--archive_output={tmp_path}/a"]) == 2
    assert "--source is missing" in capsys.readouterr().err
