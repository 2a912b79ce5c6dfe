"""What an archive holds is told by the names of its files."""

import pytest

from schemas.archive_avro import to_avro
from schemas.archive_layout import EVENTS, HOUR, archive_root, hour_folder
from schemas.completeness import Completeness, marker_name
from schemas.events import RawEvent
from schemas.manifest import ManifestEntry, Replacement
from schemas.packs import RawPack
from transforms.archive_manifest import list_hour, list_hours, list_sources, read_marker
from transforms.object_store import ObjectStoreError, create_object, replace_object

DAY = 24 * HOUR
START = 20_000 * DAY


def put(root, source, published, *, entered=True, stored=True) -> ManifestEntry:
    pack = RawPack.of([RawEvent(b"{}", {}, str(published), published)])
    content = to_avro(pack, "zstd")
    entry = ManifestEntry.of(pack, content, "zstd")
    folder = f"{root}/{EVENTS}/{hour_folder(source, published)}"
    if stored:
        create_object(f"{folder}/{entry.object_name}", content)
    if entered:
        create_object(f"{folder}/{entry.name}", entry.to_json())
    return entry


def test_hours_come_in_order_and_only_those_that_are_asked_for(tmp_path):
    root = str(tmp_path)
    wanted = [put(root, "a/b", START + hour * HOUR) for hour in (30, 2, 23)]
    put(root, "other", START)
    assert list_sources(root) == ["a/b", "other"]
    hours = list(list_hours(root, "a/b"))
    assert [hour.start for hour in hours] == [START + hour * HOUR for hour in (2, 23, 30)]
    assert [hour.entries for hour in hours] == [(wanted[1],), (wanted[2],), (wanted[0],)]
    some = list_hours(root, "a/b", START + 23 * HOUR + 5, START + 30 * HOUR)
    assert [hour.start for hour in some] == [START + 23 * HOUR]
    assert list(list_hours(root, "none")) == []


def test_an_object_without_an_entry_is_an_orphan_and_one_without_an_object_is_missing(tmp_path):
    root = str(tmp_path)
    good = put(root, "s", START)
    orphan = put(root, "s", START + 1, entered=False)
    missing = put(root, "s", START + 2, stored=False)
    hour = list_hour(root, "s", START)
    assert hour.entries == (good, missing)
    assert [listed.path for listed in hour.orphans] == [hour.path_of(orphan)]
    assert hour.missing == [missing]


def test_what_a_compaction_replaced_counts_no_more(tmp_path):
    root = str(tmp_path)
    old, new = put(root, "s", START), put(root, "s", START + 1)
    record = Replacement((new.digest,), (old.digest,))
    create_object(f"{root}/{EVENTS}/{hour_folder('s', START)}/{record.name}", record.to_json())
    hour = list_hour(root, "s", START)
    assert (hour.entries, hour.replaced, hour.orphans) == ((new,), (old,), [])
    assert hour.records == (record,)


def test_a_damaged_record_of_a_compaction_is_named(tmp_path):
    root = str(tmp_path)
    put(root, "s", START)
    create_object(f"{root}/{EVENTS}/{hour_folder('s', START)}/x.replaced.json", b"{")
    with pytest.raises(ObjectStoreError, match=r"x\.replaced\.json: no record of a compaction"):
        list_hour(root, "s", START)


def test_a_damaged_record_can_be_told_and_passed_over_and_no_other_hour_has_to_do_with_it(tmp_path):
    root = str(tmp_path)
    entry, later = put(root, "s", START), put(root, "s", START + HOUR)
    create_object(f"{root}/{EVENTS}/{hour_folder('s', START)}/x.replaced.json", b"{")
    told = []
    hours = list(list_hours(root, "s", on_bad_record=told.append))
    assert [hour.entries for hour in hours] == [(entry,), (later,)]
    assert list_hour(root, "s", START, told.append).entries == (entry,)
    assert [line.rpartition("/")[2] for line in told] == [
        "x.replaced.json: no record of a compaction; move it away"
    ] * 2
    assert [hour.entries for hour in list_hours(root, "s", START + HOUR)] == [(later,)]


def test_other_files_and_folders_are_passed_over(tmp_path):
    root = str(tmp_path)
    entry = put(root, "s", START)
    for name in ("README", "source=s/dt=soon/hr=00/x.avro", f"{hour_folder('s', START)}/notes.txt"):
        replace_object(f"{root}/{EVENTS}/{name}", b"x")
    (hour,) = list_hours(root, "s")
    assert hour.entries == (entry,)
    assert hour.orphans == []


def test_a_marker_is_read_and_a_wrong_one_is_named(tmp_path):
    root = str(tmp_path)
    assert read_marker(root, "s") is None
    replace_object(f"{root}/{marker_name('s')}", Completeness(7).to_json())
    assert read_marker(root, "s") == 7
    for content in (b"", b"{", b"\xff", b'{"complete_to":"x"}'):
        replace_object(f"{root}/{marker_name('s')}", content)
        with pytest.raises(ObjectStoreError, match=r"_complete\.json: no completeness marker"):
            read_marker(root, "s")


@pytest.mark.parametrize("path", ["gs://b", "gs://b/raw/events", "gs://b/raw/events/"])
def test_an_archive_is_named_by_its_root_or_by_its_events(path):
    assert archive_root(path) == "gs://b"
