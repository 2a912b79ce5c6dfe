"""The archive job on files: whatever is in them is kept as it is, and wrong usage is one line."""

import json
import shutil
from pathlib import Path

import pytest

from pipelines.archive_raw import main
from schemas.line_ids import digest_of_file
from transforms.archive_manifest import list_hours
from transforms.object_store import read_object

pytestmark = pytest.mark.engine

GOLDEN = Path(__file__).parents[1] / "golden" / "archive_raw"
NOW = "2026-01-06T12:34:56Z"
LIVE = "--input_subscription=projects/p/subscriptions/s"


def archive(tmp_path, *more):
    """Run the job on a copy of the golden input."""
    shutil.copy(GOLDEN / "input.ndjson", tmp_path / "events.ndjson")
    usual = {
        "--input_files": tmp_path / "events.ndjson",
        "--archive_output": tmp_path / "an archive",
        "--source": "files",
        "--now": NOW,
        "--counters_output": tmp_path / "counters.json",
    }
    usual.update(dict(one.split("=", 1) for one in more))
    return main([f"{name}={value}" for name, value in usual.items()])


def kept(tmp_path, source="files"):
    """Return what the manifest names, proven, by object."""
    hours = list_hours(str(tmp_path / "an archive"), source)
    return {
        hour.path_of(entry): entry.read(read_object(hour.path_of(entry)))
        for hour in hours
        for entry in hour.entries
    }


def counters(tmp_path):
    return json.loads((tmp_path / "counters.json").read_text())


def test_the_golden_lines_are_the_golden_messages(tmp_path):
    assert archive(tmp_path) == 0
    [(path, pack)] = kept(tmp_path).items()
    assert "/raw/events/source=files/dt=2026-01-06/hr=12/" in path
    file = digest_of_file(str(tmp_path / "events.ndjson"))
    shown = [
        {
            "payload": payload.decode("latin-1"),
            "message_id": message_id.replace(file, "<file>"),
            "publish_time": publish_time,
        }
        for payload, message_id, publish_time in zip(
            pack.payloads, pack.message_ids, pack.publish_times, strict=True
        )
    ]
    golden = (GOLDEN / "messages.ndjson").read_text().splitlines()
    assert [json.dumps(one) for one in shown] == golden
    assert pack.attributes is None
    told = counters(tmp_path)
    assert told.pop("archived_bytes") == Path(path).stat().st_size
    assert told == {
        "archived": len(golden),
        "objects_written": 1,
        "objects_found": 0,
        "objects_damaged": 0,
    }


def test_the_same_files_archived_again_are_the_same_objects(tmp_path):
    assert archive(tmp_path, "--batch_bytes=100") == 0
    before = kept(tmp_path)
    assert len(before) > 2
    assert archive(tmp_path, "--batch_bytes=100") == 0
    assert kept(tmp_path) == before
    told = counters(tmp_path)
    assert (told["objects_written"], told["objects_found"]) == (0, len(before))


def test_an_archive_of_files_says_nothing_of_completeness(tmp_path):
    archive(tmp_path)
    assert list((tmp_path / "an archive").rglob("_complete.json")) == []


@pytest.mark.parametrize(
    ("now", "folder"),
    [
        ("1970-01-01T00:00:00Z", "dt=1970-01-01/hr=00"),
        ("0001-01-01T00:00:00Z", "dt=0001-01-01/hr=00"),
        ("9999-12-31T23:59:59.999999Z", "dt=9999-12-31/hr=23"),
    ],
)
def test_any_time_is_a_publish_time(tmp_path, now, folder):
    assert archive(tmp_path, f"--now={now}") == 0
    [path] = kept(tmp_path)
    assert folder in path


def test_the_archive_is_the_same_by_the_name_of_its_events(tmp_path):
    assert archive(tmp_path, f"--archive_output={tmp_path}/an archive/raw/events/") == 0
    assert len(kept(tmp_path)) == 1


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("--codec=lz4", "--codec=lz4: write zstd, deflate, null"),
        ("--batch_bytes=0", "--batch_bytes=0: give 1 B to 2 GB"),
        ("--batch_bytes=some", "--batch_bytes: 'some' is no size: write a number and its unit"),
        ("--batch_shards=2", "--batch_shards goes with --input_subscription"),
        ("--batch_age=5m", "--batch_age goes with --input_subscription"),
        ("--batches=state", "--batches goes with --input_subscription"),
        ("--event_time_attribute=ts", "--event_time_attribute goes with --input_subscription"),
        ("--marker_every=1m", "--marker_every goes with --input_subscription"),
        ("--restart_grace=1m", "--restart_grace goes with --input_subscription"),
        ("--stop_after_idle=1m", "--stop_after_idle goes with --input_subscription"),
        ("--input_subscription=projects/p/subscriptions/s", "name exactly one of the two"),
        ("--archive_output=s3://b/x", "--archive_output: path 's3://b/x'"),
        ("--archive_output=", "--archive_output is missing"),
        ("--source=", "--source is missing"),
        ("--source=\udcff", "--source: not UTF-8; give it another name"),
        (f"--source={'x' * 300}", "--source: takes 307 bytes as a folder"),
        ("--now=0001-01-01T00:00:00+23:59", "--now=0001-01-01T00:00:00+23:59: write an RFC 3339"),
        ("--now=yesterday", "--now=yesterday: write an RFC 3339"),
        ("--input_files=/nowhere/*.ndjson", "--input_files=/nowhere/*.ndjson"),
        ("--event_time_atribute=ts", "no such option"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(tmp_path, capsys, more, line):
    assert archive(tmp_path, more) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1
    assert not (tmp_path / "an archive").exists()


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["--batch_age=0s"], "--batch_age=0s: give at least 1ms"),
        (["--marker_every=0"], "--marker_every=0: give at least 1ms"),
        (["--now=2026-01-01T00:00:00Z"], "--now goes with --input_files"),
        (["--batches=bundle", "--batch_shards=2"], "--batch_shards goes with --batches=state"),
        (["--batch_shards=0"], "--batch_shards=0: write a whole number of at least 1"),
        (["--batches=minute"], "--batches=minute: write state, bundle"),
        *(
            (["--pubsub_source=beam", f"--{name}=9"], f"--{name} goes with the portable source")
            for name in ("readers", "watermark_slack", "restart_grace", "stop_after_idle")
        ),
        (
            ["--pubsub_source=beam", "--batches=bundle", "--batch_age=9s"],
            "--batch_age goes with the portable source",
        ),
        (["--restart_grace=soon"], "--restart_grace: 'soon' is no length of time"),
    ],
)
def test_wrong_usage_of_a_live_job_is_one_line_too(tmp_path, capsys, more, line):
    assert main([LIVE, f"--archive_output={tmp_path}/a", *more]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


def test_a_place_that_cannot_be_written_is_said_at_launch(tmp_path, capsys):
    (tmp_path / "a file").touch()
    assert archive(tmp_path, f"--archive_output={tmp_path}/a file") == 2
    assert "a file: is a file; name a folder" in capsys.readouterr().err
