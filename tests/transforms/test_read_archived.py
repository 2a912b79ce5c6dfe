"""One object of the archive as packs, or what stands for it; a bad one is named in one line."""

import tempfile

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_layout import HOUR, archive_root
from tests.warm_archive import SOURCE, WarmArchive, message
from transforms.archive_manifest import list_hours
from transforms.object_store import ObjectStoreError, delete_object, replace_object
from transforms.read_archived import read_archived

START = 20_000 * 24 * HOUR
MINUTE = HOUR // 60


def published(archive, entry, start=START) -> list[int]:
    packs = read_archived(archive.folder(START), entry.name, start)
    return [time for _, pack in packs for time in pack.publish_times]


@pytest.fixture
def archive(tmp_path):
    return WarmArchive(str(tmp_path))


def test_messages_keep_all_that_they_came_with_and_packs_their_least_time(archive):
    rows = [message(START + n) for n in (5, 3, 9)]
    entry = archive.put_hour(START, rows)
    ((earliest, pack),) = read_archived(archive.folder(START), entry.name, START)
    assert earliest == START + 3
    assert [pack.row(n) for n in range(3)] == sorted(rows, key=lambda row: row.publish_time)


def test_what_was_published_before_the_start_is_left_out(archive):
    entry = archive.put_hour(START, [message(START + n) for n in range(4)])
    assert published(archive, entry, START + 2) == [START + 2, START + 3]
    assert published(archive, entry, START + 4) == []


@given(st.lists(st.integers(0, HOUR - 1), min_size=1, max_size=30))
def test_messages_of_a_pack_are_at_most_a_minute_apart_and_all_come_in_order(ats):
    with tempfile.TemporaryDirectory() as root:
        archive = WarmArchive(root)
        entry = archive.put_hour(START, [message(START + at) for at in ats])
        packs = list(read_archived(archive.folder(START), entry.name, START))
    assert all(max(pack.publish_times) - least <= MINUTE for least, pack in packs)
    assert all(min(pack.publish_times) == least for least, pack in packs)
    assert [time - START for _, pack in packs for time in pack.publish_times] == sorted(ats)


def test_a_timestamp_attribute_tells_the_time_of_a_pack_as_in_the_stream(archive):
    """Else events that come long after they happened would be late here and nowhere else."""
    old = START - 50 * HOUR
    rows = [
        msgspec.structs.replace(
            message(START + n), attributes={"at": str((old + n * MINUTE) // 1_000)}
        )
        for n in range(3)
    ]
    entry = archive.put_hour(START, [*rows, message(START + 3)])
    packs = list(read_archived(archive.folder(START), entry.name, START, "at"))
    assert [least for least, _ in packs] == [old, old + 2 * MINUTE, START + 3]
    assert [len(pack) for _, pack in packs] == [2, 1, 1]


@pytest.mark.parametrize("root", [".", "./archive", "raw/events"])
def test_successors_are_found_however_a_local_archive_is_named(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    archive = WarmArchive(archive_root(root))
    one = archive.put_hour(START, [message(START + 1)])
    merged = archive.put_hour(START, [message(START + 1), message(START + 2)])
    archive.replace(START, [merged], [one])
    archive.delete(START, one)
    (hour,) = list_hours(archive_root(root), SOURCE)
    packs = read_archived(hour.folder, one.name, START)
    assert [time for _, pack in packs for time in pack.publish_times] == [START + 1, START + 2]


def test_where_a_replaced_object_is_gone_its_successors_are_read(archive):
    one, two = (archive.put_hour(START, [message(START + n)]) for n in (1, 2))
    other = archive.put_hour(START, [message(START + 50)])
    merged = archive.put_hour(START, [message(START + 1), message(START + 2)])
    archive.replace(START, [merged], [one, two])
    for entry in (one, two):
        archive.delete(START, entry)
    assert published(archive, one) == [START + 1, START + 2]
    assert published(archive, other) == [START + 50]


def spoil_missing(path: str) -> None:
    delete_object(path)


def spoil_empty(path: str) -> None:
    replace_object(path, b"")


def spoil_foreign(path: str) -> None:
    replace_object(path, b"no avro")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_missing, "no such object"),
        (spoil_empty, "an empty object"),
        (spoil_foreign, "not an Avro file"),
    ],
)
def test_a_bad_object_is_named_in_one_line_with_the_remedy(archive, spoil, words):
    entry = archive.put_hour(START, [message(START)])
    path = f"{archive.folder(START)}/{entry.object_name}"
    spoil(path)
    with pytest.raises(ObjectStoreError, match=words) as error:
        published(archive, entry)
    line = str(error.value)
    assert line.startswith(path)
    assert "start without the archive" in line
    assert "\n" not in line


def test_a_bad_successor_is_named_too(archive):
    one = archive.put_hour(START, [message(START)])
    merged = archive.put_hour(START, [message(START), message(START + 1)])
    archive.replace(START, [merged], [one])
    archive.delete(START, one)
    path = f"{archive.folder(START)}/{merged.object_name}"
    replace_object(path, b"no avro")
    with pytest.raises(ObjectStoreError, match=merged.digest):
        published(archive, one)


def test_a_file_that_is_no_entry_is_named(archive):
    with pytest.raises(ObjectStoreError, match="no entry of the manifest"):
        list(read_archived(archive.folder(START), "notes.txt", START))
