"""Objects of the archive and their entries: complete before they are named, and none twice."""

import os

import apache_beam as beam
import pytest

from schemas.archive_layout import HOUR, parse_hour_folder
from schemas.events import RawEvent
from schemas.manifest import parse_name
from schemas.packs import RawPack
from tests.engine import run_batch
from transforms import write_archive
from transforms.batch_messages import Batch
from transforms.object_store import ObjectStoreError, create_object
from transforms.write_archive import WriteArchive, event_times

pytestmark = pytest.mark.engine

BASE = 1_767_225_600_000_000
RAWS = [
    RawEvent(b"\x00not json", {"ts": "1500"}, "m2", BASE + 2, "k"),
    RawEvent(b"", {"ts": "2500"}, "m1", BASE + 1, ""),
    RawEvent(b"", {"ts": "2500"}, "m1", BASE + 1, ""),
]
BATCH = (BASE, RawPack.of(RAWS))


def run(path, batches, bundle_repeat=0, **given_values):
    def build(pipeline):
        made = pipeline | beam.Create(batches).with_output_types(Batch)
        return {"names": made | WriteArchive(str(path), **{"source": "a/b", **given_values})}

    return run_batch(build, bundle_repeat)


def files_in(path):
    return {
        str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


def archived(path):
    """All messages that the manifest names, proven."""
    for file in sorted(path.rglob("*.entry.json")):
        entry = parse_name(file.name)
        content = (file.parent / entry.object_name).read_bytes()
        pack = entry.read(content)
        yield entry, [pack.row(row) for row in range(len(pack))]


def object_in(path):
    [found] = path.rglob("*.avro")
    return found


@pytest.mark.parametrize("codec", ["zstd", "deflate", "null"])
@pytest.mark.parametrize("settle", [True, False])
def test_every_message_is_kept_as_it_arrived_in_order_of_publishing(tmp_path, codec, settle):
    outcome = run(tmp_path, [BATCH], codec=codec, settle=settle)
    [(entry, rows)] = archived(tmp_path)
    assert rows == [RAWS[1], RAWS[2], RAWS[0]]
    assert (entry.events, entry.codec) == (3, codec)
    assert (entry.first_publish, entry.last_publish) == (BASE + 1, BASE + 2)
    assert (entry.first_event, entry.last_event) == (None, None)
    [name] = outcome["names"]
    folder = name.rpartition("/")[0]
    assert parse_hour_folder(folder) == ("a/b", BASE)
    object_name = f"raw/events/{folder}/{entry.object_name}"
    assert set(files_in(tmp_path)) == {f"raw/events/{name}", object_name}
    assert len(files_in(tmp_path)[object_name]) == entry.size
    assert outcome.counters == {"archived": 3, "archived_bytes": entry.size, "objects_written": 1}


@pytest.mark.parametrize(
    ("attributes", "times"),
    [
        ([{"ts": "1500"}, {"ts": "1970-01-01T00:00:02Z"}], [1_500_000, 2_000_000]),
        ([{"ts": "1500"}, {}], None),
        ([{"ts": "1500"}, {"ts": "soon"}], None),
        ([{"ts": "1500"}, {"ts": "9" * 19}], None),
        (None, None),
    ],
)
def test_event_times_are_known_where_every_message_tells_its_own(tmp_path, attributes, times):
    pack = RawPack([b"a", b"b"], [BASE, BASE], ["m", "n"], attributes)
    assert event_times(pack, "ts") == times
    assert event_times(pack, None) is None
    run(tmp_path, [(BASE, pack)], event_time_attribute="ts")
    [(entry, _)] = archived(tmp_path)
    assert (entry.first_event, entry.last_event) == (tuple(times) if times else (None, None))


def test_a_batch_that_is_written_again_is_found(tmp_path):
    run(tmp_path, [BATCH])
    before = files_in(tmp_path)
    outcome = run(tmp_path, [BATCH], bundle_repeat=1)
    assert files_in(tmp_path) == before
    assert outcome.counters["objects_found"] > 0
    assert "objects_written" not in outcome.counters


def test_every_bundle_run_twice_gives_one_copy_of_a_batch(tmp_path):
    run(tmp_path, [BATCH, (BASE + HOUR, RawPack([b"x"], [BASE + HOUR]))], bundle_repeat=1)
    assert sorted(len(rows) for _, rows in archived(tmp_path)) == [1, 3]
    assert len(files_in(tmp_path)) == 4


def without_entry(path, seconds):
    """Make an orphan of the only object, as old as that."""
    for entry in path.rglob("*.entry.json"):
        entry.unlink()
    orphan = object_in(path)
    written = orphan.stat().st_mtime - seconds
    os.utime(orphan, (written, written))
    return orphan


def test_a_retry_soon_after_enters_the_object_that_it_finds(tmp_path):
    run(tmp_path, [BATCH])
    orphan = without_entry(tmp_path, seconds=0)
    outcome = run(tmp_path, [BATCH])
    assert outcome.counters["objects_found"] == 1
    assert object_in(tmp_path) == orphan
    assert len([*archived(tmp_path)]) == 1


def test_an_old_orphan_is_left_to_compaction_and_the_messages_are_written_beside_it(tmp_path):
    run(tmp_path, [BATCH])
    orphan = without_entry(tmp_path, seconds=120)
    outcome = run(tmp_path, [BATCH])
    assert outcome.counters["objects_written"] == 1
    assert "objects_damaged" not in outcome.counters
    again = run(tmp_path, [BATCH])
    assert (again.counters["objects_found"], "objects_written" in again.counters) == (1, False)
    orphan.unlink()
    [(_, rows)] = archived(tmp_path)
    assert rows == [RAWS[1], RAWS[2], RAWS[0]]


def test_an_old_object_that_is_entered_is_found(tmp_path):
    run(tmp_path, [BATCH])
    known = object_in(tmp_path)
    os.utime(known, (0, 0))
    outcome = run(tmp_path, [BATCH])
    assert outcome.counters["objects_found"] == 1
    assert object_in(tmp_path) == known


DAMAGES = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "foreign": lambda content: b"somebody else's",
    "flipped": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_where_something_else_has_the_name_the_messages_are_written_beside_it(tmp_path, damage):
    run(tmp_path, [BATCH])
    taken = object_in(tmp_path)
    broken = DAMAGES[damage](taken.read_bytes())
    for entry in tmp_path.rglob("*.entry.json"):
        entry.unlink()
    taken.write_bytes(broken)
    outcome = run(tmp_path, [BATCH])
    assert outcome.counters["objects_damaged"] == outcome.counters["objects_written"] == 1
    [(_, rows)] = archived(tmp_path)
    assert rows == [RAWS[1], RAWS[2], RAWS[0]]
    assert taken.read_bytes() == broken
    again = run(tmp_path, [BATCH])
    assert (again.counters["objects_found"], again.counters["objects_damaged"]) == (1, 1)
    assert len(list(archived(tmp_path))) == 1


def test_who_takes_every_name_stops_the_job_with_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(write_archive, "create_object", lambda path, content: False)
    with pytest.raises(RuntimeError, match="damaged, and so are all others of the same messages"):
        run(tmp_path, [BATCH])


def test_an_object_is_named_only_after_it_is_complete(tmp_path, monkeypatch):
    def fail_on_entries(path, content):
        if path.endswith(".json"):
            raise ObjectStoreError("the disk is full")
        return create_object(path, content)

    monkeypatch.setattr(write_archive, "create_object", fail_on_entries)
    with pytest.raises(RuntimeError, match="the disk is full"):
        run(tmp_path, [BATCH])
    assert [*archived(tmp_path)] == []
    monkeypatch.undo()
    run(tmp_path, [BATCH])
    assert len([*archived(tmp_path)]) == 1


def test_batches_of_other_hours_are_in_other_folders(tmp_path):
    later = RawEvent(b"", {}, "m9", BASE + HOUR, "")
    run(tmp_path, [BATCH, (BASE + HOUR, RawPack.of([later]))])
    folders = {file.rpartition("/")[0][-5:] for file in files_in(tmp_path)}
    assert folders == {"hr=00", "hr=01"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("codec", "lz4"), ("source", ""), ("source", "x" * 300), ("path", "s3://b/x")],
)
def test_what_cannot_be_is_refused(field, value):
    with pytest.raises(ValueError, match=value[:9] or "source"):
        WriteArchive(**{"path": "archive", "source": "events", field: value})
