"""Small objects of an hour become few large ones, with the same messages in order."""

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.compaction import Compaction
from schemas.events import RawEvent
from schemas.manifest import RECORD_SUFFIX, Replacement
from tests.archives import (
    START,
    all_rows,
    files_of,
    ids_of,
    listed,
    make_older,
    message,
    put,
    rows_of,
)
from transforms import merge_hour as module
from transforms.merge_hour import merge_hour
from transforms.object_store import create_object

DAY = 86_400_000_000
HOW = Compaction(target_bytes=1_000_000)


def now(root) -> int:
    """Return a moment just after all files of the archive were written."""
    return max((os.stat(path).st_mtime_ns // 1000 for path in files_of(root)), default=0) + 1


def merge(root, how=HOW):
    return merge_hour(listed(root), how, lambda: now(root))


def shown(rows):
    return sorted(map(repr, rows))


def test_small_objects_become_one_in_order_of_publish_time(tmp_path):
    entries = [put(tmp_path, map(message, range(n, 60, 4))) for n in range(4)]
    report = merge(tmp_path)
    assert rows_of(tmp_path) == [[message(n) for n in range(60)]]
    hour = listed(tmp_path)
    (output,) = hour.entries
    assert (output.codec, output.events) == ("zstd", 60)
    assert (output.first_publish, output.last_publish) == (START, START + 59_000)
    assert {each.digest for each in hour.replaced} == {each.digest for each in entries}
    assert report.problems == []
    assert report.counts == {
        "objects_read": 4,
        "objects_written": 1,
        "events": 60,
        "bytes_before": sum(each.size for each in entries),
        "bytes_after": output.size,
    }


def test_a_second_run_finds_nothing_to_do_and_writes_nothing(tmp_path):
    for n in range(3):
        put(tmp_path, [message(n)])
    merge(tmp_path)
    files = files_of(tmp_path)
    assert merge(tmp_path).counts == {}
    assert files_of(tmp_path) == files


def test_copies_in_overlapping_batches_are_all_kept(tmp_path):
    put(tmp_path, map(message, range(8)))
    put(tmp_path, map(message, range(4, 12)))
    merge(tmp_path)
    (rows,) = rows_of(tmp_path)
    wanted = [*map(message, range(8)), *map(message, range(4, 12))]
    assert rows == sorted(wanted, key=lambda row: row.publish_time)


def test_copies_that_fill_outputs_by_themselves_are_all_kept(tmp_path):
    for time in range(4):
        put(tmp_path, [message(1), message(1), message(2 + time)])
    before = all_rows(tmp_path)
    assert merge(tmp_path, Compaction(target_bytes=1, recompress=True, codec="null")).problems == []
    assert shown(all_rows(tmp_path)) == shown(before)
    assert all(len(rows) == 1 for rows in rows_of(tmp_path))


@pytest.mark.engine
def test_the_order_holds_across_outputs_and_in_little_memory(tmp_path):
    numbers = list(range(3_000))
    random.Random(5).shuffle(numbers)
    for max_bytes in (100_000, 10**9):
        how = Compaction(target_bytes=20_000, max_bytes=max_bytes)
        place = tmp_path / str(max_bytes)
        for begin in range(0, 3_000, 300):
            put(place, map(message, numbers[begin : begin + 300]))
        assert merge(place, how).problems == []
    small, large = (files_of(tmp_path / str(n)) for n in (100_000, 10**9))
    assert sorted(small.values()) == sorted(large.values())
    objects = rows_of(tmp_path / "100000")
    assert len(objects) > 1
    assert [row for rows in objects for row in rows] == [message(n) for n in range(3_000)]


def test_large_and_single_objects_stay(tmp_path):
    large = put(tmp_path, map(message, range(500)))
    single = put(tmp_path, [message(600)])
    assert merge(tmp_path, Compaction(target_bytes=2 * large.size)).counts == {}
    assert {each.digest for each in listed(tmp_path).entries} == {large.digest, single.digest}


def test_another_codec_is_written_where_that_is_asked_for(tmp_path):
    put(tmp_path, map(message, range(500)), codec="zstd")
    merge(tmp_path, Compaction(target_bytes=10, codec="deflate"))
    assert [each.codec for each in listed(tmp_path).entries] == ["zstd"]
    merge(tmp_path, Compaction(target_bytes=10**6, codec="deflate", recompress=True))
    assert [each.codec for each in listed(tmp_path).entries] == ["deflate"]
    # And back again: the bytes are not those of the object that was replaced.
    merge(tmp_path, Compaction(target_bytes=10**6, codec="zstd", recompress=True))
    assert [each.codec for each in listed(tmp_path).entries] == ["zstd"]
    assert rows_of(tmp_path) == [[message(n) for n in range(500)]]


def test_event_times_of_an_output_are_those_of_its_inputs(tmp_path):
    put(tmp_path, [message(1), message(2)], event_times=[50, 70])
    put(tmp_path, [message(3)], event_times=[60])
    merge(tmp_path)
    (output,) = listed(tmp_path).entries
    assert (output.first_event, output.last_event) == (50, 70)
    put(tmp_path, [message(4)])
    merge(tmp_path)
    (output,) = listed(tmp_path).entries
    assert (output.first_event, output.last_event) == (None, None)


def damage(root, entry, content):
    path = f"{listed(root).folder}/{entry.object_name}"
    os.unlink(path)
    if content is not None:
        create_object(path, content)


@pytest.mark.parametrize("content", [None, b"", b"Obj\x01", b"no object"])
def test_a_bad_object_is_named_and_left_and_the_rest_is_merged(tmp_path, content):
    bad = put(tmp_path, [message(9)])
    for n in range(3):
        put(tmp_path, [message(n)])
    damage(tmp_path, bad, content)
    report = merge(tmp_path)
    assert report.counts["bad_objects"] == 1
    (problem,) = report.problems
    assert bad.object_name in problem
    assert "left as it is" in problem
    hour = listed(tmp_path)
    assert [each.events for each in hour.entries] == [3, 1]
    assert bad in hour.entries
    assert merge(tmp_path).counts == {"bad_objects": 1}


def test_a_bad_object_that_is_not_merged_is_named_where_a_listing_tells_it(tmp_path):
    large = put(tmp_path, map(message, range(500)))
    damage(tmp_path, large, b"short")
    report = merge(tmp_path, Compaction(target_bytes=2 * large.size))
    assert report.counts == {"bad_objects": 1}
    assert large.object_name in report.problems[0]


def test_an_hour_of_bad_objects_alone_is_left(tmp_path):
    for n in range(3):
        damage(tmp_path, put(tmp_path, [message(n)]), None)
    files = files_of(tmp_path)
    assert merge(tmp_path).counts == {"bad_objects": 3}
    assert files_of(tmp_path) == files


def test_an_input_that_goes_bad_on_the_way_switches_nothing(tmp_path, monkeypatch):
    for n in range(3):
        put(tmp_path, [message(n)])
    read = module.read_object
    reads = []

    def once(path):
        reads.append(path)
        return read(path) if len(reads) <= 3 else None

    monkeypatch.setattr(module, "read_object", once)
    report = merge(tmp_path)
    assert report.counts == {"hours_unmerged": 1}
    assert f"{reads[3]}: no such object" in report.problems[0]
    assert [len(rows) for rows in rows_of(tmp_path)] == [1, 1, 1]


def test_nothing_is_switched_unless_all_that_was_read_was_written(tmp_path, monkeypatch):
    for n in range(3):
        put(tmp_path, [message(n)])
    merge_rows = module.merge_rows

    def lossy(*given):
        rows = list(merge_rows(*given))
        return [rows[0], rows[0], rows[1]]

    monkeypatch.setattr(module, "merge_rows", lossy)
    report = merge(tmp_path)
    assert report.counts == {"hours_unmerged": 1}
    assert "3 messages were read, but not the same 3 written" in report.problems[0]
    assert [len(rows) for rows in rows_of(tmp_path)] == [1, 1, 1]
    monkeypatch.undo()
    assert merge(tmp_path).problems == []
    assert [len(rows) for rows in rows_of(tmp_path)] == [3]


def test_a_run_that_takes_longer_than_half_of_the_grace_switches_nothing(tmp_path):
    for n in range(3):
        put(tmp_path, [message(n)])
    ticks = iter([0, DAY // 2 + 1])
    report = merge_hour(listed(tmp_path), HOW, lambda: next(ticks))
    assert report.counts == {"hours_unmerged": 1}
    assert len(listed(tmp_path).entries) == 3


def outputs_of(root):
    return {each.object_name for each in listed(root).entries}


@pytest.mark.parametrize("content", [b"", b"somebody else's", None])
def test_an_output_whose_name_is_taken_gets_another_one(tmp_path, content):
    """Taken by something damaged, or (None) by an old orphan that is about to be deleted."""
    for n in range(3):
        put(tmp_path / "a", [message(n)])
        put(tmp_path / "b", [message(n)])
    merge(tmp_path / "a")
    (name,) = outputs_of(tmp_path / "a")
    if content is None:
        content = files_of(tmp_path / "a")[f"{listed(tmp_path / 'a').folder}/{name}"]
    path = f"{listed(tmp_path / 'b').folder}/{name}"
    create_object(path, content)
    os.utime(path, (1, 1))
    assert merge_hour(listed(tmp_path / "b"), HOW, lambda: now(tmp_path)).problems == []
    assert outputs_of(tmp_path / "b") != {name}
    assert all_rows(tmp_path / "b") == [message(n) for n in range(3)]


def test_an_output_of_a_run_that_was_killed_lately_is_used(tmp_path):
    for n in range(3):
        put(tmp_path / "a", [message(n)])
        put(tmp_path / "b", [message(n)])
    merge(tmp_path / "a")
    (name,) = outputs_of(tmp_path / "a")
    content = files_of(tmp_path / "a")[f"{listed(tmp_path / 'a').folder}/{name}"]
    create_object(f"{listed(tmp_path / 'b').folder}/{name}", content)
    merge(tmp_path / "b")
    assert outputs_of(tmp_path / "b") == {name}


def test_what_half_a_compaction_has_entered_is_replaced_with_its_inputs(tmp_path):
    for n in range(4):
        put(tmp_path, [message(n)])
    how = Compaction(target_bytes=10**6)
    hour = listed(tmp_path)
    inputs = tuple(sorted(each.digest for each in hour.entries))
    entered = put(tmp_path, [message(0), message(1)])
    half = Replacement((entered.digest, "f" * 32), inputs)
    create_object(f"{hour.folder}/{half.name}", half.to_json())
    put(tmp_path, [message(7)])
    merge(tmp_path, how)
    assert rows_of(tmp_path) == [[message(n) for n in (0, 1, 2, 3, 7)]]


def test_the_record_is_written_before_the_entries_that_make_it_count(tmp_path):
    for n in range(3):
        put(tmp_path, [message(n)])
    merge(tmp_path)
    hour = listed(tmp_path)
    (record,) = hour.records
    assert os.path.exists(f"{hour.folder}/{record.name}")
    assert record.name.endswith(RECORD_SUFFIX)
    assert record.outputs == tuple(each.digest for each in hour.entries)
    assert set(record.replaces) == {each.digest for each in hour.replaced}


MESSAGES = st.builds(
    RawEvent,
    payload=st.binary(max_size=5),
    attributes=st.dictionaries(st.sampled_from("ab"), st.sampled_from(["", "v"])),
    message_id=st.sampled_from(["", "1", "2", "\u00e9"]),
    publish_time=st.integers(START, START + 5),
    ordering_key=st.sampled_from(["", "k"]),
)


@pytest.mark.engine
@settings(max_examples=40)
@given(
    st.lists(st.lists(MESSAGES, min_size=1, max_size=6), max_size=5),
    st.integers(1, 3_000),
    st.integers(1, 20_000),
    st.sampled_from(["zstd", "deflate", "null"]),
)
def test_whatever_is_merged_however_the_same_messages_are_there(
    tmp_path_factory, objects, target, max_bytes, codec
):
    root = tmp_path_factory.mktemp("archive")
    for rows in objects:
        put(root, rows)
    before = all_rows(root)
    how = Compaction(target_bytes=target, max_bytes=max_bytes, codec=codec, recompress=True)
    assert merge(root, how).problems == []
    assert shown(all_rows(root)) == shown(before)
    files = files_of(root)
    assert merge(root, how).counts == {}
    assert files_of(root) == files


def test_messages_that_come_meanwhile_stay_and_are_merged_by_the_next_run(tmp_path):
    for n in range(3):
        put(tmp_path, [message(n)])
    hour = listed(tmp_path)
    put(tmp_path, [message(3)])
    merge_hour(hour, HOW, lambda: now(tmp_path))
    assert ids_of(tmp_path) == {f"id-{n}" for n in range(4)}
    make_older(tmp_path, 10)
    merge(tmp_path)
    assert rows_of(tmp_path) == [[message(n) for n in range(4)]]
