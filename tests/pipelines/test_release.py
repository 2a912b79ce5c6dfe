"""Releases from the quarantine: the rows end as if the contracts had been right from the start."""

import shutil

import msgspec
import pytest

from pipelines.release_quarantine import main
from schemas.quarantine_avro import to_avro
from schemas.released import release_key
from tests.archive_builders import complete, put
from tests.pipelines.release_runs import (
    DAY,
    HOUR,
    NOON,
    House,
    around,
    event,
    messages,
    refused,
)
from transforms.ledger import released_keys
from transforms.object_store import list_objects
from transforms.quarantine import read_quarantine
from transforms.release_outcomes import OUTCOMES

pytestmark = pytest.mark.engine

POISON = [b"not json", b"[]", b"\xff", event("p", "u1", NOON - 9_999 * DAY)]
REASONS = sorted(refused())


def house_of(folder, payloads, **given):
    house = House(folder, messages(payloads), **given)
    house.live("live")
    return house


def outcomes(counters):
    return {name: counters[name] for name in OUTCOMES if counters.get(name)}


def quarantined(house):
    return list(read_quarantine(str(house.quarantine)))


def attempts(house):
    """Return the attempts of the records of each message, in order."""
    found = {}
    for record in quarantined(house):
        found.setdefault(release_key(record), []).append(record.attempt)
    return sorted(sorted(each) for each in found.values())


def files(house):
    return {each.path for each in list_objects(str(house.folder))}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A house in which what narrow contracts refused was released, and counters of the release."""
    payloads = [*around([*REASONS, "u1", "u2"]), *refused().values(), *POISON]
    house = house_of(tmp_path_factory.mktemp("house"), payloads)
    house.truth()
    return house, house.release("first")


def test_rows_are_those_of_a_run_that_had_the_mended_contracts_from_the_beginning(done):
    house, counters = done
    truth = house.rows("truth")
    assert house.rows("live") != truth
    assert house.rows("live", "first") == truth
    assert outcomes(counters) == {
        "now_good": len(REASONS),
        "released": len(REASONS),
        "still_bad": len(POISON),
    }


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_is_released_after_its_cause_is_mended(done, reason):
    house, counters = done
    (record,) = [each for each in quarantined(house) if each.payload == refused()[reason]]
    assert (record.step, record.reason, record.attempt) == ("Decode", reason, 0)
    assert counters[f"released.Decode.{reason}"] == 1
    sink = str(house.folder / "first")
    assert release_key(record) in set(released_keys(f"{house.quarantine}/_released"))
    assert any(b"#" + reason.encode() == place[0][-len(reason) - 1 :] for place in house.rows(sink))


def test_only_touched_tiles_are_cleared_and_written(done):
    house, counters = done
    truth, live, wrote = house.rows("truth"), house.rows("live"), house.rows("first")
    differ = {place for place in truth if truth[place] != live.get(place)}
    assert differ <= wrote.keys()
    assert not [place for place in wrote if b"#u" in place[0][-4:]]
    assert counters["tiles_repaired"] == len([place for place in wrote if place[1] == "t"])
    assert counters["rows_repaired"] == len(REASONS)


def test_a_second_release_releases_nothing_and_what_was_written_before_changes_nothing(done):
    house, _ = done
    again = house.release("first")
    assert outcomes(again) == {"already_released": len(REASONS), "still_bad": len(POISON)}
    assert again.get("tiles_repaired", 0) == 0
    # A crash before the ledger was written makes all of it happen again.
    shutil.rmtree(house.quarantine / "_released")
    repeated = house.release("repeated")
    assert outcomes(repeated)["released"] == len(REASONS)
    assert house.rows("live", "first", "repeated") == house.rows("truth")
    shutil.rmtree(house.quarantine / "_released")
    house.release("first")


def test_a_late_release_neither_loses_to_a_fuller_value_nor_replaces_one(done):
    house, _ = done
    truth = house.rows("truth")
    # The live job writes all it knows once more, after the release; it knows less.
    assert house.rows("live", "first", "live") == truth
    # Somebody has replayed everything with the mended contracts, before the release.
    assert house.rows("live", "truth", "first") == truth


def test_a_release_into_another_sink_is_another_release(done):
    house, _ = done
    assert outcomes(house.release("shadow"))["released"] == len(REASONS)
    assert house.rows("shadow") == house.rows("first")


def test_poison_is_handed_in_until_its_attempts_are_spent_and_never_again(tmp_path):
    house = house_of(tmp_path, [*POISON, *around(["u1"])])
    for run in range(2):
        counters = house.release("cells", "--max_attempts=2")
        assert outcomes(counters) == {"still_bad": len(POISON)}
        assert attempts(house) == [list(range(run + 2))] * len(POISON)
    before = files(house)
    counters = house.release("cells", "--max_attempts=2")
    assert outcomes(counters) == {"exhausted": len(POISON)}
    assert files(house) == before
    assert outcomes(house.release("cells", "--max_attempts=3")) == {"still_bad": len(POISON)}


def test_a_message_that_is_refused_for_another_reason_spends_the_same_attempts(tmp_path):
    """With the contract it is known, and lacks a field: by reason it would be another record."""
    payload = event("e", "u1", NOON, "teleport").replace(b'"user_id": "u1"', b'"user_id": 5')
    house = house_of(tmp_path, [payload, *around(["u2"])])
    assert [each.reason for each in quarantined(house)] == ["unknown_event_type"]
    for chosen in ([], ["--reason=wrong_type"]):
        assert outcomes(house.release("cells", "--max_attempts=2", *chosen)) == {"still_bad": 1}
    assert attempts(house) == [[0, 1, 2]]
    assert outcomes(house.release("cells", "--max_attempts=2")) == {"exhausted": 1}
    # The record of its first reason does not count any more.
    assert outcomes(house.release("cells", "--reason=unknown_event_type")) == {}


def test_what_is_not_closed_stays_as_it_is_and_is_released_later(tmp_path):
    payloads = [*around(["u1"]), event("late", "u1", NOON, "teleport")]
    # The tile of noon ends at 13:00; with a horizon of 1h it is closed at 15:00.
    house = house_of(tmp_path, payloads, marker=NOON + 3 * HOUR - 1)
    house.truth()
    before = quarantined(house)
    counters = house.release("first")
    assert outcomes(counters) == {"not_yet": 1}
    assert counters["not_yet.2026-01-05T15:00:00Z"] == 1
    assert quarantined(house) == before
    complete(house.archive, NOON + 3 * HOUR)
    assert outcomes(house.release("first")) == {"now_good": 1, "released": 1}
    assert house.rows("live", "first") == house.rows("truth")


def test_a_message_published_after_the_marker_is_not_looked_for(tmp_path):
    late = messages([event("late", "u1", NOON, "teleport")], published=NOON + 9 * HOUR)
    house = House(tmp_path, [*messages(around(["u1"])), *late], marker=NOON + 9 * HOUR)
    house.live("live")
    assert outcomes(house.release("cells")) == {"not_yet": 1}
    complete(house.archive, NOON + 9 * HOUR + 1)
    assert outcomes(house.release("cells")) == {"now_good": 1, "released": 1}


def test_what_the_archive_does_not_hold_stays_and_none_of_its_tiles_is_touched(tmp_path):
    house = house_of(tmp_path, [*around(["u1"]), event("lost", "u1", NOON, "teleport")])
    shutil.rmtree(house.archive / "raw")
    put(house.archive, messages(around(["u1"])[:3]))
    complete(house.archive, NOON + DAY)
    before = quarantined(house)
    assert outcomes(house.release("first")) == {"now_good": 1, "not_archived": 1}
    assert quarantined(house) == before
    assert house.rows("first") == {}


def test_a_tile_that_begins_before_the_archive_does_is_not_computed_from_it(tmp_path):
    """Here the first hours of the archive are gone, as by a lifecycle rule; the message is not."""
    early = messages(around(["u1"]), published=NOON)
    late = messages([event("late", "u1", NOON, "teleport")], published=NOON + 2 * HOUR)
    house = House(tmp_path, [*early, *late])
    house.live("live")
    shutil.rmtree(house.archive / "raw/events/source=events/dt=2026-01-05/hr=12")
    before = quarantined(house)
    assert outcomes(house.release("first")) == {"not_archived": 1}
    assert quarantined(house) == before
    assert house.rows("first") == {}


def test_a_tile_that_begins_before_the_first_archived_message_is_not_computed_from_it(tmp_path):
    """The archive's job began in the middle of an hour: that hour's folder is there, and lacks."""
    early = messages(around(["u1"]), published=NOON + 60_000_000)
    late = messages([event("late", "u1", NOON, "teleport")], published=NOON + HOUR // 2)
    house = House(tmp_path, [*early, *late])
    house.live("live")
    shutil.rmtree(house.archive / "raw")
    put(house.archive, late)
    complete(house.archive, NOON + DAY)
    assert outcomes(house.release("first")) == {"not_archived": 1}
    assert house.rows("first") == {}


def test_an_id_that_belongs_to_another_event_makes_a_conflict_and_no_loop(tmp_path):
    payloads = [event("same", "u1", NOON), *around(["u1"]), event("same", "u1", NOON, "teleport")]
    house = house_of(tmp_path, payloads)
    house.truth()
    assert outcomes(house.release("first")) == {"now_good": 1, "conflict_found": 1}
    assert [(each.reason, each.step, each.attempt) for each in quarantined(house)] == [
        ("unknown_event_type", "Decode", 0),
        ("id_conflict", "Decode", 1),
    ]
    assert outcomes(house.release("first")) == {"unreleasable": 1}
    assert house.rows("live", "first") == house.rows("truth")


def test_a_message_that_came_twice_is_released_twice_and_counts_once(tmp_path):
    payload = event("twice", "u1", NOON, "teleport")
    house = house_of(tmp_path, [payload, *around(["u1"]), payload])
    house.truth()
    assert outcomes(house.release("first")) == {"now_good": 2, "released": 2}
    assert house.rows("live", "first") == house.rows("truth")


def test_an_event_that_no_feature_looks_at_is_released_without_a_look_at_the_archive(tmp_path):
    house = house_of(tmp_path, [event("e", "u1", NOON, "teleport"), *around(["u1"])])
    visits = "{name: visits, aggregate: count, where: {event_type: visit}}"
    text = f"entity: user\nkey: user_id\nfeatures:\n  - {visits}\n"
    (house.folder / "features.yaml").write_text(text)
    counters = house.release("first")
    assert outcomes(counters) == {"now_good": 1, "released": 1}
    assert counters.get("objects_planned", 0) == 0


def test_what_live_accepted_and_the_bounds_of_the_release_refuse_is_told_and_not_lost(tmp_path):
    large = event("large", "u1", NOON, page="/" + "x" * 300)
    payloads = [large, *around(["u1"]), event("new", "u1", NOON, "teleport"), POISON[0]]
    house = house_of(tmp_path, payloads)
    argv = house.release_arguments("first", "--reason=unknown_event_type")
    argv = [item for item in argv if not item.startswith("--max_event_bytes")]
    assert main([*argv, "--max_event_bytes=300", "--run_id=release"]) == 0
    found = sorted((each.reason, each.run == "release") for each in quarantined(house))
    assert found == [
        ("not_json", False),
        ("payload_too_large", True),
        ("unknown_event_type", False),
    ]


def test_bundles_that_run_twice_leave_the_same(tmp_path):
    payloads = [*around(["u1", *REASONS]), *refused().values(), *POISON]
    house = house_of(tmp_path, payloads)
    house.truth()
    house.release("first", bundle_repeat=1)
    assert house.rows("live", "first") == house.rows("truth")
    assert sorted(attempts(house)) == sorted([[0]] * len(REASONS) + [[0, 1]] * len(POISON))
    keys = list(released_keys(f"{house.quarantine}/_released"))
    assert len(keys) == len(set(keys)) == len(REASONS)


def test_filters_choose_by_time_and_reason(tmp_path):
    house = house_of(tmp_path, [*around(["u1"]), *refused().values()])
    assert outcomes(house.release("cells", "--reason=bad_value")) == {"now_good": 1, "released": 1}
    assert outcomes(house.release("cells", "--to=2026-01-05T12:00:00Z")) == {}
    assert outcomes(house.release("cells", "--step=WriteCells")) == {}
    since = house.release("cells", "--from=2026-01-05T12:00:00Z", "--to=2026-01-05T13:00:00Z")
    assert outcomes(since)["already_released"] == 1
    assert outcomes(since)["released"] == len(REASONS) - 1


def test_a_message_that_live_and_a_replay_refused_is_released_once(tmp_path):
    house = house_of(tmp_path, [*around(["u1"]), event("new", "u1", NOON, "teleport")])
    (record,) = quarantined(house)
    again = msgspec.structs.replace(record, run="replay", replayed_from="x", detail="other words")
    path = house.quarantine / "step=Decode" / "dt=2026-01-05" / "of_a_replay.avro"
    path.write_bytes(to_avro([again]))
    assert outcomes(house.release("first")) == {"now_good": 1, "released": 1}
