"""Unique events become rows of their tables: bundles, streams, refusals, counters."""

import json
from datetime import datetime, timezone

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.window import TimestampedValue
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.content import content_digest, id_digest
from schemas.contract import load_contracts
from schemas.coverage import Coverage
from schemas.current_rows import current_rows
from schemas.decoder import Decoder
from schemas.packs import EventPack, RawPack
from schemas.rejected import Reason
from tests.engine import run_batch
from tests.schemas.any_event import (
    SHIPPED,
    a_contract,
    any_event,
    any_view,
    field,
    thing,
    wire,
    write_contract,
)
from transforms.curate import CuratePacks

pytestmark = pytest.mark.engine

KEY = "k1:0123456789abcdef"
NOW = 1_767_225_600_000_000


@pytest.fixture(autouse=True)
def _pseudonym_key(monkeypatch):
    monkeypatch.setenv("PENSTOCK_TEST_KEY", KEY)


def curate(**given):
    values = {"contracts": SHIPPED, "pseudonym_key": "env:PENSTOCK_TEST_KEY", "ingest_time": NOW}
    return CuratePacks(**{**values, **given})


def pack_of(*events, contracts=SHIPPED, **columns):
    readings = [Decoder(contracts).read(wire(event), {}, None) for event in events]
    return EventPack(
        [id_digest(record.event_id) for record, _, _ in readings],
        [content_digest(record, drift) for record, _, drift in readings],
        [time for _, time, _ in readings],
        RawPack([wire(event) for event in events], **columns),
    )


def run(*packs, bundle_repeat=0, **given):
    def build(pipeline):
        source = pipeline | beam.Create([None])
        events = source | beam.FlatMap(lambda _: packs).with_output_types(EventPack)
        curated = events | curate(**given)
        return {"rows": curated.rows, "rejected": curated.rejected}

    return run_batch(build, bundle_repeat)


def told(outcome):
    return {
        (pack.table, json.loads(row)["event_id"]): json.loads(row)
        for pack in outcome["rows"]
        for row in pack.rows
    }


def click(event_id):
    details = {"page": "/", "platform": "web", "element": "b"}
    return any_event(event_id=event_id, event_type="click", event_details=details)


def view(event_id, **details):
    return {**any_view(**details), "event_id": event_id}


def test_each_event_is_a_row_of_its_table_beside_the_message_that_it_came_from():
    outcome = run(pack_of(any_event(event_id="a"), click("b"), any_event(event_id="c")))
    packs = {pack.table: pack for pack in outcome["rows"]}
    assert packs.keys() == {"silver_product.click", "silver_product.page_view"}
    views = packs["silver_product.page_view"]
    assert [json.loads(row)["event_id"] for row in views.rows] == ["a", "c"]
    assert [json.loads(payload)["event_id"] for payload in views.raw.payloads] == ["a", "c"]
    assert outcome.counters == {"accepted": 3, "drifted": 0, "outside_span": 0}


def test_insert_ids_are_those_of_the_event_and_its_content():
    pack = pack_of(any_event())
    [rows] = run(pack)["rows"]
    assert rows.ids == [(pack.ids[0] + pack.contents[0]).hex()]


def test_values_of_unknown_fields_are_in_the_drift_table_only():
    outcome = run(pack_of(any_view(planted="planted-secret"), any_event(event_id="plain")))
    rows = told(outcome)
    assert rows.keys() == {
        ("silver_product.page_view", "e-1"),
        ("silver_product.page_view", "plain"),
        ("ops.drift", "e-1"),
    }
    assert json.loads(rows["ops.drift", "e-1"]["drift"]) == {
        "event_details": {"planted": "planted-secret"}
    }
    silver = [pack for pack in outcome["rows"] if pack.table != "ops.drift"]
    assert "planted-secret" not in str([pack.rows for pack in silver])
    assert outcome.counters["drifted"] == 1
    assert "unknown_names_masked" not in outcome.counters


def test_a_value_that_was_used_as_a_key_is_in_the_drift_table_only_and_counted():
    outcome = run(pack_of(any_view(**{"ana@example.com": "x", "b@example.com": 1, "hue": 1})))
    rows = told(outcome)
    assert "ana@example.com" in rows["ops.drift", "e-1"]["drift"]
    row = rows["silver_product.page_view", "e-1"]
    names = ["<name 1>", "<name 2>", "hue"]
    row = rows["silver_product.page_view", "e-1"]
    assert row["unknown_fields"] == [f"event_details.{name}" for name in names]
    assert outcome.counters["unknown_names_masked"] == 2


def test_a_dropped_field_is_in_no_row_not_even_in_that_of_the_drift(tmp_path):
    secret = field("secret", ["null", "string"], pii="drop", default=None)
    contracts = load_contracts(write_contract(tmp_path, a_contract(secret, field("n", "int"))))
    event = thing(secret="planted", n=1, unknown="kept")
    outcome = run(pack_of(event, contracts=contracts), contracts=contracts, pseudonym_key=None)
    rows = [row for pack in outcome["rows"] for row in pack.rows]
    assert len(rows) == 2
    assert b"planted" not in b"".join(rows)


def test_an_event_that_is_refused_now_leaves_with_its_bytes_and_its_reason():
    good, bad = any_event(event_id="good"), any_view(platform="fax")
    pack = pack_of(good)
    pack = EventPack(pack.ids * 2, pack.contents * 2, [1, 2], RawPack([wire(good), wire(bad)]))
    outcome = run(pack)
    [refused] = outcome["rejected"]
    assert (refused.step, refused.reason) == ("Curate", Reason.BAD_ENUM_VALUE.value)
    assert (refused.payload, refused.event_time) == (wire(bad), 2)
    assert len(told(outcome)) == 1
    assert outcome.counters["accepted"] == 1
    assert outcome.counters["rejected.bad_enum_value"] == 1


def test_events_outside_the_span_have_no_row_and_are_counted():
    times = ["2026-01-31T11:59:59.999999Z", "2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z"]
    events = [any_event(event_id=time, event_timestamp=time) for time in times]
    noon = 1_769_860_800_000_000
    outcome = run(pack_of(*events), span=Coverage(noon, noon + 3_600_000_000))
    assert [event_id for _, event_id in told(outcome)] == [times[1]]
    assert outcome.counters["outside_span"] == 2
    assert outcome.counters["accepted"] == 3


def test_by_a_clock_the_time_of_ingestion_is_that_of_the_pack():
    [rows] = run(pack_of(any_event()), ingest_time=None, clock=lambda: 1_767_225_600.5)["rows"]
    assert json.loads(rows.rows[0])["ingest_time"] == "2026-01-01T00:00:00.500000Z"


def test_a_bundle_that_runs_twice_gives_the_same_rows_again():
    packs = [pack_of(any_event(event_id=f"{n}"), any_view(new=n)) for n in range(3)]
    once, twice = run(*packs), run(*packs, bundle_repeat=1)
    assert told(once) == told(twice)
    assert {i for pack in once["rows"] for i in pack.ids} == {
        i for pack in twice["rows"] for i in pack.ids
    }


@settings(max_examples=10)
@given(st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_any_split_into_packs_gives_the_same_rows(split):
    events = [view(f"e{n}", **({"x": n} if n % 3 else {})) for n in range(8)]
    events[5] = click("e5")
    packs = [
        pack_of(*(event for event, place in zip(events, split, strict=True) if place == part))
        for part in sorted(set(split))
    ]
    assert told(run(*packs)) == told(run(pack_of(*events)))


def test_a_stream_gives_the_rows_that_batch_gives_also_of_events_that_are_late():
    packs = [pack_of(view(f"e{n}", new=n)) for n in range(4)]
    wanted = told(run(*packs))
    _STREAMED.clear()
    stream = TestStream()
    for n, pack in enumerate(packs):
        stream = stream.advance_watermark_to(NOW / 1e6 + n * 86_400)
        stream = stream.add_elements([TimestampedValue(pack, NOW / 1e6 - 1_000)])
    with beam.Pipeline(
        runner=BundleBasedDirectRunner(), options=PipelineOptions(["--streaming"])
    ) as pipeline:
        typed = stream.advance_watermark_to_infinity()
        events = pipeline | typed | beam.Map(lambda pack: pack).with_output_types(EventPack)
        rows = (events | curate()).rows | beam.FlatMap(lambda pack: [(pack.table, pack.rows)])
        _ = rows | beam.Map(_keep)
    assert wanted == _STREAMED


_STREAMED = {}


def _keep(given):
    table, rows = given
    for row in map(json.loads, rows):
        _STREAMED[table, row["event_id"]] = row


@given(st.permutations(range(6)), st.data())
def test_the_current_row_is_the_same_in_any_order_and_with_any_repetition(order, data):
    def row(n):
        time = datetime(2026, 1, 1, 0, 0, n % 2, tzinfo=timezone.utc).isoformat()
        published = {} if n > 3 else {"publish_time": time}
        return {
            "event_id": "e", "content_digest": f"{n % 3}", "ingest_time": time, "n": n, **published
        }  # fmt: skip

    rows = [row(n) for n in order]
    repeated = rows + data.draw(st.lists(st.sampled_from(rows)))
    assert current_rows(repeated) == current_rows(sorted(rows, key=str))
    assert current_rows(repeated)["e"]["n"] == 0


def test_of_two_rows_without_publish_time_the_lesser_digest_is_current():
    one = {"event_id": "e", "content_digest": "b", "ingest_time": "2026-01-01T00:00:00Z"}
    other = {**one, "content_digest": "a", "ingest_time": "2026-01-02T00:00:00Z"}
    published = {**one, "content_digest": "c", "publish_time": "2026-01-03T00:00:00Z"}
    assert current_rows([one, other]) == {"e": other}
    assert current_rows([one, other, published]) == {"e": published}
