"""Compaction on the Cloud Storage emulator."""

import json
import time

import pytest

from pipelines.compact_archive import main
from schemas.compaction import Compaction
from tests.archives import START, all_rows, listed, message, put
from transforms.compact_hours import compact_hour
from transforms.object_store import list_objects, read_object, replace_object

pytestmark = pytest.mark.emulator

TO = "--to=2024-10-04T01:00:00Z"
DAY = 86_400_000_000


@pytest.fixture
def root(gcs_emulator):
    """Give an archive with ten overlapping objects and an orphan in one hour."""
    root = f"gs://{gcs_emulator.bucket()}/archive"
    for n in range(10):
        put(root, [message(n + 10 * k) for k in range(30)])
    put(root, [message(999)], entered=False)
    return root


def counted(root, *argv):
    path = f"{root}/counters.json"
    status = main([f"--archive={root}", TO, f"--counters_output={path}", *argv])
    return status, json.loads(read_object(path))


def test_an_hour_in_a_bucket_is_compacted_once_and_cleaned_after_the_grace(root):
    status, counters = counted(root)
    assert status == 0
    assert (counters["objects_read"], counters["events"]) == (10, 300)
    assert (counters["orphans_found"], counters["orphans_deleted"]) == (1, 0)
    assert [row.message_id for row in all_rows(root)] == [f"id-{n}" for n in range(300)]
    (output,) = listed(root).entries
    before = [each.path for each in list_objects(f"{root}/raw")]
    assert counted(root)[1]["objects_written"] == 0
    assert [each.path for each in list_objects(f"{root}/raw")] == before

    def two_days_later():
        return time.time_ns() // 1000 + 2 * DAY

    report = compact_hour(root, "s", START, Compaction(), two_days_later)
    assert report.counts["objects_deleted"] == 10
    assert report.counts["orphans_deleted"] == 1
    hour = listed(root)
    assert (hour.entries, hour.replaced, hour.orphans) == ((output,), (), [])
    assert len(all_rows(root)) == 300


def test_a_damaged_object_in_a_bucket_is_left_and_the_status_tells(root):
    hour = listed(root)
    bad = hour.path_of(hour.entries[3])
    replace_object(bad, b"Obj\x01 and no more")
    status, counters = counted(root)
    assert status == 1
    assert (counters["bad_objects"], counters["objects_read"]) == (1, 9)
    assert read_object(bad) == b"Obj\x01 and no more"
    assert sorted(entry.events for entry in listed(root).entries) == [30, 270]
