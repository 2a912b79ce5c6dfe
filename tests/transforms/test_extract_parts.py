import json

import apache_beam as beam
import msgspec
import pytest
from apache_beam.transforms.window import TimestampedValue

from schemas.coders import StructCoder
from schemas.contract import load_contracts
from schemas.events import MIN_MICROS
from schemas.late import LateEvent
from schemas.metric_set import load_metrics
from schemas.packs import EventPack, RawPack
from schemas.rejected import Reason
from schemas.times import parse_rfc3339
from schemas.window_parts import PartPack
from tests.engine import run_batch
from tests.metric_builders import BASE, CONTRACTS, METRICS, MINUTE, Seen, expected, pack_of, told
from tests.schemas.any_event import any_event, any_view, wire, zipped
from transforms import collect_events
from transforms.extract_parts import ExtractParts
from transforms.pack_parts import packed_by_shard, part_shard

pytestmark = pytest.mark.engine

KEY = "k1:0123456789abcdef"


@pytest.fixture(autouse=True)
def _pseudonym_key(monkeypatch):
    monkeypatch.setenv("PENSTOCK_TEST_KEY", KEY)


def extract(shards=4, **given):
    values = {
        "contracts": CONTRACTS,
        "metrics": METRICS,
        "pseudonym_key": "env:PENSTOCK_TEST_KEY",
    }
    return ExtractParts(**{**values, "shards": shards, **given})


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
            "parts": extracted.parts | beam.Map(_stamped),
            "late": extracted.late,
            "rejected": extracted.rejected,
        }

    return run_batch(build, bundle_repeat)


def parts(outcome):
    return [part for (_, pack), _ in outcome["parts"] for part in pack.parts]


def events_pack(*events, watermark=MIN_MICROS, **columns):
    times = [parse_rfc3339(event["event_timestamp"]) for event in events]
    digests = [bytes(16)] * len(events)
    raw = RawPack([wire(event) for event in events], **columns)
    return EventPack(digests, digests, times, raw, watermark)


def clicks(count, users=3):
    return [Seen(f"e{n}", "click", BASE + n * 7_000_000, f"u{n % users}") for n in range(count)]


def test_a_bundle_of_packs_gives_each_window_once_in_the_shard_of_its_key():
    outcome = run([pack_of(clicks(40)[:15]), pack_of(clicks(40)[15:])])
    assert told(parts(outcome)) == expected(clicks(40))
    for (shard, pack), _ in outcome["parts"]:
        assert {part_shard(part.metric, part.key, 4) for part in pack.parts} == {shard}
    assert outcome.counters == {"accepted": 40, "late": 0}


def test_a_key_has_the_same_shard_for_ever():
    assert [part_shard(5, b"\x91\xa3ana", shards) for shards in (1, 2, 16, 1_000)] == [0, 0, 4, 876]


def test_parts_carry_the_least_timestamp_of_what_they_came_from():
    packs = [pack_of(clicks(3)), pack_of(clicks(6)[3:])]
    assert {time for _, time in run(packs, times=[BASE + 7, BASE + 3])["parts"]} == {BASE + 3}


@pytest.mark.parametrize(("most", "number"), [("_MOST_EVENTS", 20), ("_MOST_BYTES", 3_000)])
def test_a_large_bundle_leaves_in_parts_of_bounded_size(monkeypatch, most, number):
    monkeypatch.setattr(collect_events, most, number)
    given = clicks(60, users=1)
    outcome = run([pack_of(given[first : first + 10]) for first in range(0, 60, 10)], shards=1)
    assert len(outcome["parts"]) == 3
    assert sum(part.events for part in parts(outcome)) == 4 * 60
    assert outcome.counters == {"accepted": 60, "late": 0}


def test_inflated_events_count_by_what_they_hold(monkeypatch):
    monkeypatch.setattr(collect_events, "_MOST_BYTES", 2_000)
    raw = zipped(any_view(page="/" + "a" * 3_000))
    times = [parse_rfc3339(any_view()["event_timestamp"])]
    pack = EventPack([bytes(16)], [bytes(16)], times, RawPack.of([raw]))
    assert len(raw.payload) < 1_000
    assert {len(pack) for (_, pack), _ in run([pack, pack], shards=1)["parts"]} == {4}


def test_packs_hold_a_thousand_parts_at_most():
    outcome = run([pack_of(clicks(900, users=900))], shards=1)
    sizes = sorted(len(pack) for (_, pack), _ in outcome["parts"])
    assert sizes[-1] == 1_000
    assert told(parts(outcome)) == expected(clicks(900, users=900))
    assert list(packed_by_shard([], 3)) == []


def test_a_late_event_leaves_once_and_counts_where_it_is_not_late():
    one = Seen("a", "click", BASE + 30_000_000)
    watermark = BASE + 90_000_000 + 10 * MINUTE
    outcome = run([pack_of([one], watermark)])
    [late] = outcome["late"]
    assert late.late_for == ("plain/90s",)
    assert outcome.counters == {"accepted": 0, "late": 1}
    whole = expected([one])
    del whole["plain", 90_000_000, BASE, ("ana",)]
    assert told(parts(outcome)) == whole


def test_an_event_that_is_late_for_all_its_windows_leaves_with_all_their_names():
    outcome = run([pack_of([Seen("a", "click", BASE)], BASE + 65 * MINUTE)])
    assert outcome["late"][0].late_for == ("wide/1m", "wide/5m", "plain/90s", "plain/2m")
    assert outcome["parts"] == []


def test_an_event_that_belongs_to_no_metric_is_accepted_and_late_for_nothing():
    outcome = run([pack_of([Seen("a", "login", BASE)], BASE + 1_000 * MINUTE)])
    assert outcome.counters == {"accepted": 1, "late": 0}
    assert (outcome["late"], outcome["parts"]) == ([], [])


def test_in_batch_nothing_is_late():
    outcome = run([pack_of([Seen("a", "click", BASE - 10**15)])])
    assert outcome.counters == {"accepted": 1, "late": 0}


def test_a_late_event_is_whole_and_pseudonymised_with_the_names_of_unknown_fields():
    details = {
        "email": "ana.plant@example.com",
        "ip_address": "198.51.100.23",
        "method": "google",
        "country": "DE",
        "plan": "pro",
        "colour": "planted-secret",
    }
    event = any_event(event_type="signup", event_details=details)
    pack = events_pack(event, watermark=2**62, publish_times=[BASE], message_ids=["m-1"])
    [late] = run([pack], metrics=load_metrics(None, CONTRACTS))["late"]
    line = json.loads(late.line)
    assert line["event_details"]["email"].startswith("k1.")
    assert line["unknown_fields"] == ["event_details.colour"]
    assert (line["message_id"], late.publish_time) == ("m-1", BASE)
    assert late.late_for == ("activity/1m", "activity/5m", "event_age/1m", "event_age/5m")
    assert line["late_for"] == list(late.late_for)
    assert StructCoder(LateEvent).decode(StructCoder(LateEvent).encode(late)) == late
    for planted in (b"ana.plant", b"198.51.100.23", b"planted-secret"):
        assert planted not in late.line


def test_what_was_saved_before_late_events_named_their_windows_is_still_read():
    before = msgspec.msgpack.encode([BASE, None, b"{}"])
    assert StructCoder(LateEvent).decode(before) == LateEvent(BASE, None, b"{}")


def test_no_personal_value_is_in_the_parts():
    from schemas.metric_set import parse_metric  # noqa: PLC0415

    text = (
        "name: m\ndoc: d\nwindows: [1m]\ndimensions: [event_details.query]\n"
        "measures: [{name: q, measure: approx_distinct, field: event_details.query}]"
    )
    query = {"query": "planted-secret", "result_count": 1, "filters": {}}
    metric = parse_metric(text, "m.yaml", CONTRACTS)
    event = any_event(event_type="search", event_details=query)
    outcome = run([events_pack(event)], metrics=[metric])
    encoded = b"".join(StructCoder(PartPack).encode(pack) for (_, pack), _ in outcome["parts"])
    assert b"k1." in encoded
    assert b"planted-secret" not in encoded


def test_an_event_that_the_contracts_no_longer_know_is_rejected_with_its_bytes():
    contracts = load_contracts()
    del contracts.types["search"]
    query = {"query": "q", "result_count": 1, "filters": {}}
    gone = any_event(event_type="search", event_details=query)
    pack = events_pack(any_view(), gone, message_ids=["m-1", "m-2"])
    outcome = run([pack], contracts=contracts)
    [rejected] = outcome["rejected"]
    assert (rejected.step, rejected.reason) == ("ExtractParts", Reason.UNKNOWN_EVENT_TYPE.value)
    assert (rejected.payload, rejected.message_id) == (wire(gone), "m-2")
    assert outcome.counters == {"accepted": 1, "late": 0, "rejected.unknown_event_type": 1}


def test_a_bundle_that_runs_twice_gives_the_same_parts_twice():
    outcome = run([pack_of(clicks(20))], bundle_repeat=1)
    once = parts(run([pack_of(clicks(20))]))
    assert sorted(map(msgspec.msgpack.encode, parts(outcome))) == sorted(
        map(msgspec.msgpack.encode, once * 2)
    )


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="give"):
        extract(shards=0)


def test_no_parts_come_of_an_empty_pack():
    assert run([pack_of([])])["parts"] == []
