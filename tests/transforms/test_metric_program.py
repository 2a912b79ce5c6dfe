import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.coders import StructCoder
from schemas.contract import load_contracts
from schemas.decoder import Decoder
from schemas.measures import merge_into, merges_of
from schemas.metric_set import load_metrics, parse_metric
from schemas.rejected import Rejected
from schemas.times import parse_rfc3339
from schemas.window_parts import PartPack
from tests.metric_builders import (
    BASE,
    CONTRACTS,
    DECODER,
    METRICS,
    MINUTE,
    PLAIN,
    WIDE,
    Seen,
    expected,
    told,
)
from tests.schemas.any_event import every_type, thing, wire, write_contract
from transforms.metric_program import MetricProgram, RejectProgram

CODER = StructCoder(PartPack)
KINDS = st.sampled_from(["page_view", "click", "quiz_submitted", "login"])
SEEN = st.builds(
    Seen,
    event_id=st.integers(0, 60).map(str),
    kind=KINDS,
    time=st.integers(BASE, BASE + 11 * MINUTE),
    user=st.sampled_from(["ana", "bo", "cy"]),
    platform=st.sampled_from(["web", "ios", "android"]),
    page=st.sampled_from(["/", "/a", "/b"]),
    duration=st.none() | st.sampled_from([0, 1, 5, 2**62, 2**63 - 1]),
    score=st.sampled_from(["0", "1.5", "99.99"]),
    published=st.none() | st.integers(BASE - MINUTE, BASE + MINUTE),
)


def record_of(one):
    return DECODER.reread(json.dumps(one.line()).encode(), {})


def parts_of(seen, metrics=METRICS):
    """What a bundle of these events adds, as it travels."""
    program = MetricProgram(CONTRACTS, metrics)
    for one in seen:
        program.add(record_of(one), one.time, one.published)
    pack = PartPack(list(program.take()))
    return CODER.decode(CODER.encode(pack)).parts


def merged(parts, metrics=METRICS):
    merges = {metric.slot: merges_of(metric) for metric in metrics}
    held = {}
    for part in parts:
        place = part.metric, part.length, part.start, part.key
        if place in held:
            merge_into(held[place], part, merges[part.metric])
        else:
            held[place] = part
    return list(held.values())


def unique(seen):
    return [*{one.event_id: one for one in seen}.values()]


@settings(max_examples=80, deadline=None)
@given(seen=st.lists(SEEN, max_size=40))
def test_a_bundle_adds_what_plain_words_say(seen):
    assert told(parts_of(unique(seen))) == expected(seen)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), seen=st.lists(SEEN, max_size=40))
def test_any_split_into_bundles_and_any_order_of_merging_give_the_same_values_and_bytes(data, seen):
    events = data.draw(st.permutations(unique(seen)))
    bundles = [[], [], []]
    for one in events:
        data.draw(st.sampled_from(bundles)).append(one)
    parts = [part for bundle in bundles for part in parts_of(bundle)]
    assert told(merged(data.draw(st.permutations(parts)))) == expected(seen)


def test_sketches_of_many_values_do_not_depend_on_how_they_came():
    text = (
        "name: many\ndoc: d\nwindows: [1m, 1h]\n"
        "measures: [{name: ids, measure: approx_distinct, field: event_id}]"
    )
    metric = parse_metric(text, "many.yaml", CONTRACTS)
    seen = [Seen(str(n), "click", BASE + n * MINUTE // 100) for n in range(4_000)]
    once = told(parts_of(seen, [metric]), [metric])
    for size, step in ((3, 1), (999, 1), (1_700, -1)):
        order = seen[::step]
        bundles = [order[first : first + size] for first in range(0, len(order), size)]
        parts = [part for bundle in bundles for part in parts_of(bundle, [metric])]
        assert told(merged(parts, [metric]), [metric]) == once
    [hour] = [values for (_, length, _, _), (_, values) in once.items() if length == 60 * MINUTE]
    assert abs(hour["ids"] - 4_000) < 400


@settings(max_examples=80, deadline=None)
@given(seen=st.lists(SEEN, max_size=30), watermark=st.integers(BASE - MINUTE, BASE + 90 * MINUTE))
def test_an_event_counts_in_exactly_the_windows_that_it_is_not_late_for(seen, watermark):
    program = MetricProgram(CONTRACTS, METRICS)
    late = {}
    lateness = {"wide": 60 * MINUTE, "plain": 10 * MINUTE}
    for one in unique(seen):
        late[one.event_id] = program.add_late(record_of(one), one.time, one.published, watermark)
        windows = {(name, length) for name, length, _, _ in expected([one])}
        assert late[one.event_id] == [
            f"{name}/{({60: '1m', 300: '5m', 90: '90s', 120: '2m'})[length // 1_000_000]}"
            for name in ("wide", "plain")
            for length in sorted(length for other, length in windows if other == name)
            if one.time // length * length + length + lateness[name] <= watermark
        ]
    open_windows = {
        place: value
        for place, value in expected(seen).items()
        if place[2] + place[1] + lateness[place[0]] > watermark
    }
    assert told(program.take()) == open_windows


def test_an_event_at_the_watermark_less_the_least_lateness_is_late_for_nothing():
    program = MetricProgram(CONTRACTS, METRICS)
    assert program.least_lateness == 10 * MINUTE
    one = Seen("a", "click", BASE)
    watermark = BASE + program.least_lateness
    assert program.add_late(record_of(one), one.time, None, watermark) == []
    edge = BASE + 90_000_000 + program.least_lateness
    assert program.add_late(record_of(one), one.time, None, edge - 1) == []
    assert program.add_late(record_of(one), one.time, None, edge) == ["plain/90s"]


def test_on_time_and_late_events_of_one_window_are_merged():
    program = MetricProgram(CONTRACTS, [PLAIN])
    first, second = Seen("a", "click", BASE + 100_000_000), Seen("b", "click", BASE + 100_000_001)
    program.add(record_of(first), first.time, None)
    watermark = BASE + 120_000_000 + 10 * MINUTE
    assert program.add_late(record_of(second), second.time, None, watermark) == ["plain/2m"]
    found = told(program.take())
    assert found["plain", 120_000_000, BASE, ("ana",)] == (1, {})
    assert found["plain", 90_000_000, BASE + 90_000_000, ("ana",)] == (2, {})


def test_what_was_taken_is_not_taken_again_and_what_was_forgotten_never():
    program = MetricProgram(CONTRACTS, METRICS)
    one = Seen("a", "click", BASE)
    program.add(record_of(one), one.time, None)
    assert list(program.take())
    assert list(program.take()) == []
    program.add(record_of(one), one.time, None)
    program.add_late(record_of(one), one.time, None, BASE)
    program.clear()
    assert list(program.take()) == []


def test_a_key_of_every_kind_is_kept_in_its_plain_form(tmp_path):
    contracts = load_contracts(write_contract(tmp_path, every_type()))
    values = {
        "boolean": (True, True),
        "long": (-7, -7),
        "date": ("1970-01-03", 2),
        "timestamp_millis": ("1970-01-01T00:00:01.005Z", 1_005),
        "timestamp_micros": ("1970-01-01T00:00:01.000005+00:00", 1_000_005),
        "decimal": ("1.5", 150),
        "uuid": ("12345678-1234-5678-1234-567812345678",) * 2,
        "colour": ("red", "red"),
    }
    text = "name: m\ndoc: d\nwindows: [1m]\ndimensions:\n" + "".join(
        f"  - event_details.{name}\n" for name in values
    )
    metric = parse_metric(text, "m.yaml", contracts)
    program = MetricProgram(contracts, [metric])
    decoder = Decoder(contracts)
    for details in ({name: sent for name, (sent, _) in values.items()}, {}):
        program.add(decoder.reread(wire(thing(**details)), {}), BASE, None)
    keys = {key for _, _, _, key in told(program.take(), [metric])}
    assert keys == {tuple(kept for _, kept in values.values()), (None,) * len(values)}


def test_a_field_below_a_record_that_may_be_null_is_a_dimension():
    text = "name: m\ndoc: d\nwindows: [1m]\ndimensions: [event_details.campaign.source]"
    metric = parse_metric(text, "m.yaml", CONTRACTS)
    program = MetricProgram(CONTRACTS, [metric])
    for campaign in (None, {"source": "ads"}):
        details = {"page": "/", "platform": "web", "campaign": campaign}
        line = {**Seen("a", "page_view", BASE).line(), "event_details": details}
        program.add(DECODER.reread(json.dumps(line).encode(), {}), BASE, None)
    assert {key for _, _, _, key in told(program.take(), [metric])} == {(None,), ("ads",)}


def test_the_shipped_metrics_measure_a_quiz_and_a_purchase():
    metrics = load_metrics(None, CONTRACTS)
    program = MetricProgram(CONTRACTS, metrics)
    quiz = Seen("q", "quiz_submitted", BASE, page="sql-201", published=BASE + 5_999)
    program.add(record_of(quiz), quiz.time, quiz.published)
    purchase = {
        **Seen("p", "purchase", BASE).line(),
        "event_details": {
            "order_id": "o",
            "amount_minor": 250,
            "currency": "EUR",
            "payment_method": "card",
            "items": [],
            "country": "DE",
        },
    }
    program.add(DECODER.reread(json.dumps(purchase).encode(), {}), BASE, None)
    found = told(program.take(), metrics)
    _, funnel = found["lesson_funnel", MINUTE, BASE, ("sql-201",)]
    assert (funnel["quizzes"], funnel["passed"], funnel["started"]) == (1, 1, 0)
    assert (funnel["points"], funnel["mean_points"]) == (150, 1.5)
    assert funnel["completed_per_started"] is None
    _, sales = found["purchases", 5 * MINUTE, BASE, ("EUR",)]
    assert (sales["purchases"], sales["revenue_minor"], sales["refunded_minor"]) == (1, 250, 0)
    assert ("activity", MINUTE, BASE, ("purchase", "DE")) in found
    assert ("activity", MINUTE, BASE, ("quiz_submitted", None)) in found
    _, age = found["event_age", MINUTE, BASE, ("quiz_submitted",)]
    assert (age["aged"], age["mean_age_ms"]) == (1, 5.0)
    _, age = found["event_age", MINUTE, BASE, ("purchase",)]
    assert (age["aged"], age["total_age_ms"], age["mean_age_ms"]) == (0, 0, None)


def rejected(reason="not_json", step="Decode", published=BASE):
    return Rejected(step, reason, "", b"", {}, "", "", None, published)


def test_rejects_are_counted_by_reason_and_step_in_windows_of_their_publish_time():
    metrics = load_metrics(None, CONTRACTS)
    program = RejectProgram([*metrics, WIDE])
    program.add(rejected(), BASE + 1)
    program.add(rejected(), BASE + MINUTE)
    program.add(rejected(reason="bad_id"), parse_rfc3339("2026-01-01T00:00:59.999999Z"))
    found = told(program.take(), metrics)
    assert found == {
        ("rejects", MINUTE, BASE, ("not_json", "Decode")): (1, {"messages": 1}),
        ("rejects", MINUTE, BASE + MINUTE, ("not_json", "Decode")): (1, {"messages": 1}),
        ("rejects", 5 * MINUTE, BASE, ("not_json", "Decode")): (2, {"messages": 2}),
        ("rejects", MINUTE, BASE, ("bad_id", "Decode")): (1, {"messages": 1}),
        ("rejects", 5 * MINUTE, BASE, ("bad_id", "Decode")): (1, {"messages": 1}),
    }
    program.add(rejected(), BASE)
    program.clear()
    assert list(program.take()) == []


@pytest.mark.parametrize("reason", ["bad_id", "not_json"])
def test_conditions_hold_for_rejects_too(reason):
    text = f"name: m\ndoc: d\nsource: rejects\nwindows: [1m]\nwhere: {{reason: {reason}}}"
    metric = parse_metric(text, "m.yaml", CONTRACTS)
    program = RejectProgram([metric])
    for each in ("bad_id", "not_json", "not_json"):
        program.add(rejected(reason=each), BASE)
    [(events, _)] = told(program.take(), [metric]).values()
    assert events == {"bad_id": 1, "not_json": 2}[reason]
