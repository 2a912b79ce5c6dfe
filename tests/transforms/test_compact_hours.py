"""Compaction loses no message, whoever is killed, writes or compacts at the same time."""

import os
import shutil
import threading
import time
from pathlib import Path

import apache_beam as beam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.archive_check import Verification
from console.archive_range import ArchiveRange
from schemas.archive_layout import HOUR
from schemas.compaction import Compaction
from schemas.packs import RawPack
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
from tests.engine import run_batch
from tests.transforms.store_steps import Killed, SimulatedTime, kill_at, nothing, steps
from transforms.batch_messages import Batch
from transforms.compact_hours import CompactHours, compact_hour
from transforms.write_archive import WriteArchive

DAY = 86_400
HOW = Compaction(target_bytes=4_000, codec="null")
"""Makes several outputs of what `fill` writes."""


def clock() -> int:
    return time.time_ns() // 1000


def compact(root, how=HOW):
    return compact_hour(str(root), "s", START, how, clock)


def fill(root, objects=5, size=40):
    for n in range(objects):
        put(root, [message(n + k * objects) for k in range(size)])
    return {f"id-{n}" for n in range(objects * size)}


def shown(rows):
    return sorted(map(repr, rows))


def current(root):
    return {entry.object_name for entry in listed(root).entries}


def on_disk(root):
    return {path.rpartition("/")[2] for path in files_of(root) if path.endswith(".avro")}


def defects_of(root):
    """Return what `penstock archive verify` finds."""
    found = Verification(ArchiveRange(str(root), ("s",)), print)
    *defects, _ = found.lines()
    return defects


def changes_of(root, how=HOW):
    """Return how many changes of the store a compaction makes."""
    count = 0

    def counted(step):
        nonlocal count
        count = step

    with steps(nothing, counted):
        compact(root, how)
    return count


def test_several_outputs_are_made_and_the_inputs_go_after_the_grace(tmp_path):
    fill(tmp_path)
    first = compact(tmp_path)
    assert (first.counts["objects_written"], first.counts["objects_deleted"]) == (2, 0)
    assert len(on_disk(tmp_path)) == 7
    make_older(tmp_path, DAY - 60)
    assert compact(tmp_path).counts["objects_deleted"] == 0
    make_older(tmp_path, 120)
    assert compact(tmp_path).counts["objects_deleted"] == 5
    assert on_disk(tmp_path) == current(tmp_path)
    assert len(listed(tmp_path).replaced) == 0
    assert [row.message_id for row in all_rows(tmp_path)] == [f"id-{n}" for n in range(200)]
    files = files_of(tmp_path)
    assert compact(tmp_path).counts == {"hours": 1, "orphans_found": 0}
    assert files_of(tmp_path) == files


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_step_and_run_again_nothing_is_lost_or_there_twice(tmp_path, moment):
    # The second output is small, so a run that forgot the first one would merge it again.
    fill(tmp_path / "0", size=30)
    wanted = all_rows(tmp_path / "0")
    shutil.copytree(tmp_path / "0", tmp_path / "count")
    count = changes_of(tmp_path / "count")
    assert count == 5
    for step in range(1, count + 1):
        root = tmp_path / str(step)
        shutil.copytree(tmp_path / "0", root)
        seen = []

        def look(_, root=root, seen=seen):
            seen.append(ids_of(root))

        kill = kill_at(step)
        hooks = (kill, look) if moment == "before" else (nothing, lambda n, k=kill: (look(n), k(n)))
        with pytest.raises(Killed), steps(*hooks):
            compact(root)
        with steps(nothing, look):
            assert compact(root).problems == []
        assert all(ids == {row.message_id for row in wanted} for ids in seen)
        assert shown(all_rows(root)) == shown(wanted)
        assert len(current(root)) == 2
        assert defects_of(root) == []


def test_killed_at_any_step_of_deleting_the_rest_goes_with_the_next_run(tmp_path):
    ids = fill(tmp_path / "0")
    put(tmp_path / "0", [message(999)], entered=False)
    compact(tmp_path / "0")
    make_older(tmp_path / "0", 2 * DAY)
    shutil.copytree(tmp_path / "0", tmp_path / "count")
    make_older(tmp_path / "count", 2 * DAY)
    count = changes_of(tmp_path / "count")
    assert count == 11
    for step in range(1, count + 1):
        root = tmp_path / str(step)
        shutil.copytree(tmp_path / "0", root)
        with pytest.raises(Killed), steps(nothing, kill_at(step)):
            compact(root)
        hour = listed(root)
        entered = {entry.object_name for entry in (*hour.entries, *hour.replaced)}
        assert entered <= on_disk(root)
        assert defects_of(root) == []
        assert compact(root).problems == []
        assert on_disk(root) == current(root)
        assert ids_of(root) == ids


def test_orphans_are_counted_and_go_after_the_grace(tmp_path):
    put(tmp_path, [message(1)])
    orphan = put(tmp_path, [message(2)], entered=False)
    folder = listed(tmp_path).folder
    foreign = [f"{folder}/notes.avro", f"{folder}/old/{'0' * 32}.avro"]
    for path in foreign:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"not ours")
    counts = compact(tmp_path).counts
    assert (counts["orphans_found"], counts["orphans_deleted"]) == (1, 0)
    make_older(tmp_path, DAY + 60)
    counts = compact(tmp_path).counts
    assert (counts["orphans_found"], counts["orphans_deleted"]) == (1, 1)
    assert not os.path.exists(f"{folder}/{orphan.object_name}")
    assert all(map(os.path.exists, foreign))
    assert ids_of(tmp_path) == {"id-1"}


def test_what_killed_writers_left_beside_goes_after_the_grace_and_nothing_like_it(tmp_path):
    put(tmp_path, [message(1)])
    folder = listed(tmp_path).folder
    left = [f"{folder}/.{'0' * 32}.avro.0a1b2c3d.part", f"{folder}/.x.entry.json.ffffffff.part"]
    others = [f"{folder}/.{'0' * 32}.avro.part", f"{folder}/x.0a1b2c3d.part", f"{folder}/.lock"]
    for path in (*left, *others):
        Path(path).write_bytes(b"half")
    assert compact(tmp_path).counts["unfinished_deleted"] == 0
    assert all(map(os.path.exists, left))
    make_older(tmp_path, DAY + 60)
    fresh = f"{folder}/.y.avro.0a1b2c3d.part"
    Path(fresh).write_bytes(b"half")
    assert compact(tmp_path).counts["unfinished_deleted"] == 2
    assert not any(map(os.path.exists, left))
    assert all(map(os.path.exists, (*others, fresh)))
    assert ids_of(tmp_path) == {"id-1"}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_retry_that_finds_an_old_orphan_while_it_is_deleted_loses_nothing(tmp_path, moment):
    batch = (START, RawPack.of([message(1)]))
    put(tmp_path, [message(1)], entered=False)
    make_older(tmp_path, 2 * DAY)

    def retry(_):
        def write(pipeline):
            made = pipeline | beam.Create([batch]).with_output_types(Batch)
            return {"names": made | WriteArchive(str(tmp_path), "s")}

        run_batch(write)

    with steps(*((retry, nothing) if moment == "before" else (nothing, retry))):
        counts = compact(tmp_path).counts
    assert counts["orphans_deleted"] == 1
    assert ids_of(tmp_path) == {"id-1"}
    assert defects_of(tmp_path) == []


def test_an_hour_with_a_damaged_record_is_left_as_it_is(tmp_path):
    fill(tmp_path)
    compact(tmp_path)
    make_older(tmp_path, 2 * DAY)
    hour = listed(tmp_path)
    path = f"{hour.folder}/{hour.records[0].name}"
    with open(path, "wb") as file:
        file.write(b"{")
    files = files_of(tmp_path)
    report = compact(tmp_path)
    assert report.counts == {"hours": 1, "hours_unmerged": 1}
    assert f"{path}: no record of a compaction" in report.problems[0]
    assert files_of(tmp_path) == files


def test_inputs_stay_while_an_output_is_missing(tmp_path):
    fill(tmp_path)
    compact(tmp_path)
    make_older(tmp_path, 2 * DAY)
    hour = listed(tmp_path)
    lost = hour.path_of(hour.entries[0])
    os.unlink(lost)
    report = compact(tmp_path)
    assert report.counts["objects_deleted"] == 0
    assert report.counts["bad_objects"] == 1
    assert lost in report.problems[0]
    assert len(on_disk(tmp_path)) == 6


def test_what_was_compacted_in_turns_is_deleted_in_turns(tmp_path):
    ids = set()
    how = Compaction(target_bytes=10**6)
    for n in range(4):
        put(tmp_path, [message(n)])
        ids.add(f"id-{n}")
        compact(tmp_path, how)
        assert ids_of(tmp_path) == ids
        assert len(all_rows(tmp_path)) == len(ids)
    make_older(tmp_path, 2 * DAY)
    seen = []
    with steps(nothing, lambda _: seen.append(len(all_rows(tmp_path)))):
        compact(tmp_path, how)
    assert set(seen) == {4}
    assert on_disk(tmp_path) == current(tmp_path)


def test_a_late_retry_of_what_was_replaced_long_ago_counts_for_nothing_and_goes(tmp_path):
    how = Compaction(target_bytes=10**6)
    first = put(tmp_path, [message(0)])
    for n in range(1, 3):
        put(tmp_path, [message(n)])
        compact(tmp_path, how)
    make_older(tmp_path, 2 * DAY)
    compact(tmp_path, how)
    assert len(on_disk(tmp_path)) == 1
    assert put(tmp_path, [message(0)]) == first
    assert len(all_rows(tmp_path)) == 3
    compact(tmp_path, how)
    assert len(on_disk(tmp_path)) == 2
    make_older(tmp_path, 2 * DAY)
    compact(tmp_path, how)
    assert on_disk(tmp_path) == current(tmp_path)
    assert len(all_rows(tmp_path)) == 3


HOWS = st.builds(
    Compaction,
    target_bytes=st.sampled_from([400, 1_500, 10**6]),
    grace=st.just(DAY * 10**6),
    codec=st.sampled_from(["zstd", "deflate", "null"]),
    recompress=st.booleans(),
    max_bytes=st.sampled_from([1, 30_000, 10**9]),
)
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["compact", "compact", "write", "older", "kill"]),
        HOWS,
        st.integers(1, 12),
        st.integers(1, 12),
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.engine
@settings(max_examples=60)
@given(ACTIONS)
def test_in_the_midst_of_a_compaction_others_run_and_no_message_is_ever_missing(
    tmp_path_factory, actions
):
    """Each compaction runs up to a step; there the next action runs whole, and then it goes on."""
    root = tmp_path_factory.mktemp("archive")
    time_ = SimulatedTime()

    def act(rest):
        if not rest:
            return
        (kind, how, at, killed), *rest = rest
        if kind == "write":
            ids.add(f"id-{1_000 + len(ids)}")
            put(root, [message(1_000 + len(ids) - 1)])
            act(rest)
        elif kind == "older":
            time_.pass_by(2 * DAY)
            act(rest)
        else:
            run(how, rest, at, killed if kind == "kill" else 0)

    def run(how, rest, at, killed):
        left = [rest]

        def after(step):
            assert ids_of(root) == ids
            if step == at:
                act(left.pop())
                assert ids_of(root) == ids
            if step == killed:
                raise Killed

        try:
            with steps(nothing, after):
                compact_hour(str(root), "s", START, how, time_.now)
        except Killed:
            pass
        for remaining in left:
            act(remaining)

    with time_.kept():
        ids = fill(root, objects=4, size=10)
        act(actions)
        for _ in range(3):
            time_.pass_by(2 * DAY)
            how = Compaction(target_bytes=10**6)
            report = compact_hour(str(root), "s", START, how, time_.now)
            assert report.problems == []
            assert ids_of(root) == ids
    assert on_disk(root) == current(root)
    assert len(current(root)) == 1


def test_two_compactions_a_writer_and_readers_at_once_lose_nothing(tmp_path):
    ids = fill(tmp_path, objects=12, size=20)
    written, failed = set(ids), []
    done = threading.Event()

    def guarded(action):
        def act():
            try:
                action()
            except BaseException as error:
                failed.append(error)

        return threading.Thread(target=act)

    def write():
        for n in range(5_000, 5_030):
            put(tmp_path, [message(n)])
            written.add(f"id-{n}")

    def read():
        while not done.is_set():
            known = set(written)
            assert known <= ids_of(tmp_path)

    def compacting(target):
        def act():
            for _ in range(8):
                assert compact(tmp_path, Compaction(target_bytes=target)).problems == []

        return act

    workers = [guarded(write), guarded(compacting(2_000)), guarded(compacting(3_000))]
    reader = guarded(read)
    for thread in (reader, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    reader.join()
    assert failed == []
    assert ids_of(tmp_path) == written


def run_hours(root, hours, **options):
    def build(pipeline):
        found = pipeline | beam.Create(hours).with_output_types(tuple[str, int])
        return {"problems": found | CompactHours(str(root), HOW, **options)}

    return run_batch(build, bundle_repeat=1)


def test_a_bundle_that_runs_twice_compacts_each_hour_once(tmp_path):
    for hour in range(3):
        for n in range(3):
            time_ = START + hour * HOUR
            put(tmp_path, [message(10 * hour + n, time_ + n)], start=time_)
    hours = [("s", START + hour * HOUR) for hour in range(3)]
    done = run_hours(tmp_path, hours)
    for hour, (_, start) in enumerate(hours):
        (rows,) = rows_of(tmp_path, start=start)
        assert [row.message_id for row in rows] == [f"id-{10 * hour + n}" for n in range(3)]
    assert done["problems"] == []
    assert len(on_disk(tmp_path)) == 12
    assert done.counters["hours"] == 3


def test_a_bad_object_is_told_and_the_other_hours_are_compacted(tmp_path):
    for n in range(3):
        put(tmp_path, [message(n)])
        put(tmp_path, [message(n, START + HOUR)], start=START + HOUR)
    hour = listed(tmp_path)
    bad = hour.path_of(hour.entries[1])
    with open(bad, "wb") as file:
        file.write(b"x")
    done = run_hours(tmp_path, [("s", START), ("s", START + HOUR)])
    assert bad in done["problems"][0]
    assert len(listed(tmp_path, start=START + HOUR).entries) == 1
    assert len(listed(tmp_path).entries) == 2


def test_a_path_that_names_nothing_is_refused():
    with pytest.raises(ValueError, match="write a local folder or gs://"):
        CompactHours("s3://x")
