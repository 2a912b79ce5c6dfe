import json

import apache_beam as beam
import pytest
from apache_beam.transforms.window import TimestampedValue

from schemas.changes import ChangePack
from schemas.coders import StructCoder
from schemas.contract import load_contracts
from schemas.events import MIN_MICROS
from schemas.feature_set import load_features
from schemas.late import LateEvent
from schemas.packs import EventPack, RawPack
from schemas.rejected import Reason
from schemas.times import parse_rfc3339
from tests.engine import run_batch
from tests.feature_builders import (
    BASE,
    CONTRACTS,
    FEATURES,
    HOUR,
    Table,
    View,
    expected,
    pack_of,
    shard,
)
from tests.schemas.any_event import any_event, any_view, wire
from transforms import collect_events, extract_changes
from transforms.extract_changes import ExtractChanges, row_shard
from transforms.row_cells import Tally

KEY = "k1:0123456789abcdef"


@pytest.fixture(autouse=True)
def _pseudonym_key(monkeypatch):
    monkeypatch.setenv("PENSTOCK_TEST_KEY", KEY)


def extract(shards=4, **given):
    values = {
        "contracts": CONTRACTS,
        "features": [FEATURES],
        "pseudonym_key": "env:PENSTOCK_TEST_KEY",
    }
    return ExtractChanges(**{**values, "horizon": HOUR / 1e6, "shards": shards, **given})


def _stamped(element, timestamp=beam.DoFn.TimestampParam):
    return element, timestamp.micros


def run(packs, times=None, bundle_repeat=0, **given):
    """Run packs of events as one bundle."""
    stamped = [
        TimestampedValue(p, t / 1e6) for p, t in zip(packs, times or [0] * len(packs), strict=True)
    ]

    def build(pipeline):
        source = pipeline | beam.Create([None])
        events = source | beam.FlatMap(lambda _: stamped).with_output_types(EventPack)
        extracted = events | extract(**given)
        return {
            "changes": extracted.changes | beam.Map(_stamped),
            "late": extracted.late,
            "rejected": extracted.rejected,
        }

    return run_batch(build, bundle_repeat)


def events_pack(*events, watermark=MIN_MICROS, **columns):
    times = [parse_rfc3339(event["event_timestamp"]) for event in events]
    digests = [bytes(16)] * len(events)
    raw = RawPack([wire(event) for event in events], **columns)
    return EventPack(digests, digests, times, raw, watermark)


def views(count, users=3, page="/"):
    return [View(f"e{n}", f"u{n % users}", BASE + n * 1_000, page, n) for n in range(count)]


def row_keys(outcome):
    return sorted(row.row_key for (_, pack), _ in outcome["changes"] for row in pack.rows)


def test_a_bundle_of_packs_gives_each_row_once_in_its_shard():
    outcome = run([pack_of(views(30)[:15]), pack_of(views(30)[15:])])
    assert len(row_keys(outcome)) == len(set(row_keys(outcome))) == 3
    for (number, pack), _ in outcome["changes"]:
        assert {row_shard(row.row_key, 4) for row in pack.rows} == {number}
    assert outcome.counters == {"accepted": 30, "late": 0}


def test_a_row_has_the_same_shard_for_ever():
    assert [row_shard(b"24#user#ana", shards) for shards in (1, 2, 16, 1_000)] == [0, 0, 4, 356]


def test_changes_carry_the_least_timestamp_of_what_they_came_from():
    outcome = run([pack_of(views(3)), pack_of(views(6)[3:])], times=[BASE + 7, BASE + 3])
    assert {time for _, time in outcome["changes"]} == {BASE + 3}


@pytest.mark.parametrize(
    ("module", "most", "number"),
    [
        (collect_events, "_MOST_EVENTS", 20),
        (extract_changes, "_ROWS_A_PACK", 1),
        (collect_events, "_MOST_BYTES", 3_000),
    ],
)
def test_a_large_bundle_leaves_in_parts_of_bounded_size(monkeypatch, module, most, number):
    monkeypatch.setattr(module, most, number)
    given = views(60)
    outcome = run([pack_of(given[first : first + 10]) for first in range(0, 60, 10)], shards=1)
    assert len(outcome["changes"]) == 3
    held, tally = shard(), Tally()
    for (_, part), _ in outcome["changes"]:
        held.absorb(part, MIN_MICROS, tally)
    assert Table().write(held.rows(tally)).final() == expected(given)


def test_an_event_is_late_exactly_when_it_lies_before_the_watermark_by_more_than_the_horizon():
    on_time = View("a", "ana", BASE, "/", 1)
    late = View("b", "bo", BASE - 1, "/late", 1)
    outcome = run([pack_of([on_time, late], watermark=BASE + HOUR)])
    assert outcome.counters == {"accepted": 1, "late": 1}
    rows = {row.row_key[3:]: row for (_, pack), _ in outcome["changes"] for row in pack.rows}
    assert rows[b"user#ana"].tiles
    assert rows[b"user#bo"].state
    assert not rows[b"user#bo"].tiles


def test_in_batch_nothing_is_late():
    outcome = run([pack_of([View("a", "ana", BASE - 10 * 365 * 24 * HOUR, "/", 1)])])
    assert outcome.counters == {"accepted": 1, "late": 0}


def test_a_late_event_leaves_whole_and_pseudonymised_with_the_names_of_unknown_fields():
    details = {
        "email": "ana.plant@example.com",
        "ip_address": "198.51.100.23",
        "method": "google",
        "country": "DE",
        "plan": "pro",
        "marketing_consent": True,
        "colour": "planted-secret",
    }
    event = any_event(event_type="signup", event_details=details, shade="planted-secret")
    pack = events_pack(
        event, watermark=2**62, publish_times=[BASE], message_ids=["m-1"], attributes=[{"a": "b"}]
    )
    [late] = run([pack])["late"]
    line = json.loads(late.line)
    assert late.publish_time == BASE
    assert late.event_time == parse_rfc3339(event["event_timestamp"])
    assert line.pop("event_details").keys() == {
        "email", "method", "country", "plan", "marketing_consent"
    }  # fmt: skip
    assert line == {
        "event_id": "e-1",
        "event_type": "signup",
        "user_id": "u-1",
        "session_id": "s-1",
        "event_timestamp": "2026-01-31T12:00:00.123456Z",
        "source_system": "web",
        "publish_time": "2026-01-01T00:00:00Z",
        "message_id": "m-1",
        "unknown_fields": ["event_details.colour", "shade"],
    }
    assert json.loads(late.line)["event_details"]["email"].startswith("k1.")
    assert StructCoder(LateEvent).decode(StructCoder(LateEvent).encode(late)) == late
    for planted in (b"ana.plant", b"198.51.100.23", b"planted-secret"):
        assert planted not in late.line


def test_a_late_event_without_publish_time_and_unknown_fields_says_so():
    [late] = run([events_pack(any_view(), watermark=2**62)])["late"]
    line = json.loads(late.line)
    assert "publish_time" not in line
    assert line["unknown_fields"] == []


def test_no_personal_value_is_in_the_changes():
    query = {"query": "planted-secret", "result_count": 1, "filters": {}}
    event = any_event(event_type="search", event_details=query)
    features = load_features(None, CONTRACTS)
    outcome = run([events_pack(event)], features=features)
    encoded = b"".join(StructCoder(ChangePack).encode(pack) for (_, pack), _ in outcome["changes"])
    assert b"planted-secret" not in encoded
    assert len(row_keys(outcome)) == 2


def test_an_event_that_the_contracts_no_longer_know_is_rejected_with_its_bytes():
    contracts = load_contracts()
    del contracts.types["search"]
    gone = any_event(
        event_type="search", event_details={"query": "q", "result_count": 1, "filters": {}}
    )
    pack = events_pack(any_view(), gone, message_ids=["m-1", "m-2"])
    outcome = run([pack], contracts=contracts)
    [rejected] = outcome["rejected"]
    assert (rejected.step, rejected.reason) == ("ExtractChanges", Reason.UNKNOWN_EVENT_TYPE.value)
    assert (rejected.payload, rejected.message_id) == (wire(gone), "m-2")
    assert outcome.counters == {"accepted": 1, "late": 0, "rejected.unknown_event_type": 1}


def test_a_late_event_that_the_contracts_now_refuse_in_any_field_is_rejected_and_counts_once():
    damaged = any_view(duration_ms="planted")
    pack = events_pack(
        damaged, damaged, any_view(), watermark=parse_rfc3339("2030-01-01T00:00:00Z")
    )
    outcome = run([pack], contracts=load_contracts(), horizon=60.0)
    assert len(outcome["rejected"]) == 2
    assert outcome.counters == {"accepted": 0, "late": 1, "rejected.wrong_type": 2}


def test_a_bundle_that_runs_twice_gives_the_same_changes_twice():
    outcome = run([pack_of(views(20))], bundle_repeat=1)
    once = run([pack_of(views(20))])
    assert row_keys(outcome) == sorted(row_keys(once) * 2)


@pytest.mark.parametrize("wrong", [{"horizon": 0}, {"shards": 0}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValueError, match="give"):
        extract(**wrong)


def test_no_changes_come_of_an_empty_pack():
    assert run([pack_of([])])["changes"] == []
