"""What a listing of the archive takes for its own, however the archive is named."""

import os
import shutil

import pytest

from schemas.archive_layout import EVENTS, archive_root, hour_folder, parse_source_folder
from schemas.compaction import Compaction
from schemas.completeness import marker_name
from schemas.manifest import Replacement
from tests.archives import START, listed, message, put
from transforms.archive_manifest import list_hour, list_hours, list_sources, read_marker
from transforms.compact_hours import compact_hour
from transforms.object_store import ObjectStoreError

_MINUTE = 60_000_000


@pytest.mark.parametrize("root", [".", "archive", "./archive", "a//archive", "a/./b"])
def test_an_archive_is_cleaned_however_its_folder_is_spelled(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        put(root, [message(number)])
    put(root, [message(9)], entered=False)
    how = Compaction(1_000_000, _MINUTE)
    now = os.stat(tmp_path).st_mtime_ns // 1_000

    compact_hour(root, "s", START, how, lambda: now)
    report = compact_hour(root, "s", START, how, lambda: now + 10 * _MINUTE)

    assert report.counts["objects_deleted"] == 3
    assert report.counts["orphans_deleted"] == 1
    assert [len(hour.objects) for hour in list_hours(root, "s")] == [1]


def test_an_hour_is_the_same_listed_alone_or_with_others(tmp_path):
    put(tmp_path, [message(1)])
    folder = tmp_path / EVENTS / hour_folder("s", START)
    inner = folder / "moved away"
    inner.mkdir()
    put(tmp_path / "other", [message(2)])
    for file in (tmp_path / "other" / EVENTS / hour_folder("s", START)).iterdir():
        shutil.copy(file, inner)

    assert [listed(tmp_path)] == list(list_hours(str(tmp_path), "s"))
    assert len(listed(tmp_path).entries) == 1


def test_files_of_others_are_neither_objects_nor_orphans(tmp_path):
    entry = put(tmp_path, [message(1)])
    folder = tmp_path / EVENTS / hour_folder("s", START)
    for name in ("notes.avro", f"damaged-{entry.object_name}", f"{entry.digest}.avro.bak"):
        (folder / name).write_bytes(b"not ours")
    assert set(listed(tmp_path).objects) == {entry.object_name}
    assert listed(tmp_path).orphans == []


def test_a_copy_of_an_hour_inside_a_day_is_no_hour(tmp_path):
    put(tmp_path, [message(1)])
    day = (tmp_path / EVENTS / hour_folder("s", START)).parent
    shutil.copytree(day, day / "backup" / "source=s" / day.name)

    assert len(list(list_hours(str(tmp_path), "s"))) == 1


def test_a_bucket_that_is_called_raw_has_a_folder_called_events():
    assert archive_root("gs://raw/events") == "gs://raw/events"
    assert archive_root("gs://raw/events/raw/events/") == "gs://raw/events"
    assert archive_root("gs://raw/raw/events") == "gs://raw"


def test_a_record_whose_content_is_not_what_its_name_says_replaces_nothing(tmp_path):
    one, other = put(tmp_path, [message(1)]), put(tmp_path, [message(2)])
    folder = tmp_path / EVENTS / hour_folder("s", START)
    record = Replacement((one.digest,), (other.digest,))
    (folder / Replacement((one.digest,), ()).name).write_bytes(record.to_json())
    with pytest.raises(ObjectStoreError, match=r"replaced\.json: no record of a compaction"):
        listed(tmp_path)
    complaints = []
    hour = list_hour(str(tmp_path), "s", START, complaints.append)
    assert set(hour.entries) == {one, other}
    assert len(complaints) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b'{"complete_to":1e300}', b"[1]", b"\xff"])
def test_what_is_no_marker_is_named(tmp_path, content):
    place = tmp_path / marker_name("s")
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    with pytest.raises(ObjectStoreError, match=r"_complete\.json: no completeness marker"):
        read_marker(str(tmp_path), "s")


def test_a_marker_beyond_all_times_is_none(tmp_path):
    place = tmp_path / marker_name("s")
    place.parent.mkdir(parents=True)
    place.write_bytes(b'{"complete_to":9223372036854775808}')
    with pytest.raises(ObjectStoreError, match=r"_complete\.json: no completeness marker"):
        read_marker(str(tmp_path), "s")


@pytest.mark.parametrize("folder", ["source=a b", "source=a%2fb", "source=%", "source=", "other"])
def test_a_folder_that_no_source_has_is_none(tmp_path, folder):
    (tmp_path / EVENTS / folder).mkdir(parents=True)
    assert parse_source_folder(folder) is None
    assert list_sources(str(tmp_path)) == []
