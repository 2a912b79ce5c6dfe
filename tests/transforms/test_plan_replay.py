"""A replay is planned from the names of the manifest."""

import pytest

from schemas.archive_layout import HOUR
from schemas.events import RawEvent
from schemas.replay_plan import ReplaySpan
from tests.archive_builders import compact, put, put_all
from transforms.choose_sources import NoSourceError
from transforms.object_store import ObjectStoreError, replace_object
from transforms.plan_replay import (
    CannotReplayError,
    first_published,
    needed_objects,
    plan_replay,
)

START = 20_000 * 24 * HOUR


def message(published, payload=b"{}"):
    return RawEvent(payload, {}, str(published), published)


def span(first, last, max_future=0, max_lateness=0):
    return ReplaySpan.of(START + first, START + last, max_future, max_lateness)


def test_a_plan_adds_up_the_objects_that_may_hold_something_of_the_span(tmp_path):
    inside = [put(tmp_path, [message(START + n * HOUR)] * (n + 1)) for n in range(3)]
    put(tmp_path, [message(START + 3 * HOUR)])
    put(tmp_path, [message(START + HOUR, b"[]")], event_times=[START - 1])
    put(tmp_path, [message(START + HOUR)], source="other")
    plan = plan_replay(str(tmp_path), "events", span(0, 2 * HOUR, max_lateness=HOUR))
    assert (plan.objects, plan.events) == (3, 6)
    assert plan.size == sum(one.entry.size for one in inside)
    found = list(needed_objects(str(tmp_path), "events", plan.span))
    assert [entry for _, entry in found] == [one.entry for one in inside]
    assert [f"{folder}/{entry.object_name}" for folder, entry in found] == [
        one.path for one in inside
    ]


def test_what_a_compaction_put_in_place_is_read_once(tmp_path):
    puts = put_all(tmp_path, [message(START + n) for n in range(20)])
    (output,) = compact(puts, tmp_path)
    plan = plan_replay(str(tmp_path), None, span(0, HOUR))
    assert (plan.objects, plan.events, plan.size) == (1, 20, output.entry.size)


def test_the_only_source_need_not_be_named(tmp_path):
    put(tmp_path, [message(START)], source="orders/eu")
    assert plan_replay(str(tmp_path), None, span(0, HOUR)).source == "orders/eu"


def test_a_place_without_an_archive_is_named(tmp_path):
    with pytest.raises(NoSourceError, match="raw/events: holds no events; name the root"):
        plan_replay(str(tmp_path), None, span(0, HOUR))


def test_an_empty_plan_says_what_there_is(tmp_path):
    put(tmp_path, [message(START), message(START + 5_000_000)])
    with pytest.raises(CannotReplayError) as raised:
        plan_replay(str(tmp_path), None, span(10 * HOUR, 11 * HOUR))
    assert str(raised.value) == (
        f"{tmp_path}: nothing of source events in that range; it was published from "
        "2024-10-04T00:00:00Z to 2024-10-04T00:00:05Z; change --from and --to"
    )


def test_an_archive_of_orphans_holds_nothing(tmp_path):
    found = put(tmp_path, [message(START)])
    (tmp_path / found.entry_path).unlink()
    with pytest.raises(CannotReplayError, match="in that range; there is nothing; change"):
        plan_replay(str(tmp_path), None, span(0, HOUR))


def test_a_damaged_record_of_a_compaction_is_no_empty_plan(tmp_path):
    found = put(tmp_path, [message(START)])
    replace_object(f"{found.path.rpartition('/')[0]}/x.replaced.json", b"{")
    with pytest.raises(ObjectStoreError, match="no record of a compaction"):
        plan_replay(str(tmp_path), None, span(0, HOUR))


def test_an_archive_begins_with_the_first_message_whatever_became_of_its_object(tmp_path):
    assert first_published(str(tmp_path), "events") is None
    puts = put_all(tmp_path, [message(START + n * HOUR // 2) for n in (9, 3, 5)], size=1)
    put(tmp_path, [message(START)], source="other")
    assert first_published(str(tmp_path), "events") == START + 3 * HOUR // 2
    compact(puts, tmp_path)
    replace_object(f"{puts[1].path.rpartition('/')[0]}/x.replaced.json", b"damaged")
    assert first_published(str(tmp_path), "events") == START + 3 * HOUR // 2
