import collections
import logging
import pickle

import apache_beam as beam
import pytest
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.content import id_digest
from schemas.decoder import Decoder
from schemas.events import Event, RawEvent
from schemas.packs import EventPack, RawPack
from schemas.rejected import Rejected
from schemas.times import parse_rfc3339
from tests.engine import run_batch
from tests.schemas.any_event import SECRET_VALUES, SHIPPED, any_event, any_view, wire, zipped
from transforms.decode import Decode, DecodePacks, _DecodePacks
from transforms.key_packs import shard_of
from transforms.pack_buffer import PackBuffer

NOW = parse_rfc3339("2026-01-31T12:00:00Z")
GOOD = [
    RawEvent(wire(any_event(event_id="a")), {"k": "v"}, "m-1", NOW, "o-1"),
    RawEvent(wire(any_event(event_id="b", new=1))),
    zipped(any_event(event_id="c")),
]
BAD = [
    RawEvent(b"", {"k": "v"}, "m-2", NOW, "o-2"),
    RawEvent(b"{"),
    RawEvent(wire(any_view(platform="fax"))),
    RawEvent(wire(any_event(event_timestamp="2026-02-02T12:00:00Z")), publish_time=NOW),
]
raws = st.lists(st.sampled_from([*GOOD, *BAD]), max_size=12)


def run(messages, packs=1, **options):
    """Run both forms over the same messages; return (events, packs, rejected of each, counters)."""

    def single(pipeline):
        decoded = pipeline | beam.Create(messages, reshuffle=False) | Decode(SHIPPED, **options)
        return {"events": decoded.events, "rejected": decoded.rejected}

    def packed(pipeline):
        made = [RawPack.of(messages[at::packs]) for at in range(packs)]
        decoded = (
            pipeline
            | beam.Create(made, reshuffle=False)
            | DecodePacks(SHIPPED, shards=4, **options)
        )
        return {"packs": decoded.packs, "rejected": decoded.rejected}

    return run_batch(single), run_batch(packed)


def rows(packs):
    found = []
    for shard, pack in packs:
        for at in range(len(pack)):
            assert shard_of(pack.ids[at], 4) == shard
            found.append((pack.ids[at], pack.contents[at], pack.event_times[at], pack.raw.row(at)))
    return found


def key(row):
    return repr(row)


@pytest.mark.engine
@settings(max_examples=5)
@example([*GOOD, *BAD, *GOOD], 2)
@given(raws, st.integers(1, 3))
def test_packed_and_single_events_have_the_same_results(messages, packs):
    single, packed = run(messages, packs, now=NOW)
    expected = [(id_digest(e.event_id), e.content, e.event_time, e.raw) for e in single["events"]]
    assert sorted(rows(packed["packs"]), key=key) == sorted(expected, key=key)
    assert sorted(packed["rejected"], key=key) == sorted(single["rejected"], key=key)
    assert {name: n for name, n in packed.counters.items() if n} == {
        name: n for name, n in single.counters.items() if n
    }
    refused = sum(n for name, n in single.counters.items() if name.startswith("rejected."))
    assert single.counters.get("read", 0) == len(messages) == len(single["events"]) + refused
    assert collections.Counter(one.reason for one in single["rejected"]).total() == refused


def test_an_event_has_what_its_contract_reads():
    single, _ = run([RawEvent(wire(any_view(new=1, country=None)), {}, "m")])
    (event,) = single["events"]
    assert event.details == {"page": "/courses", "platform": "web", "duration_ms": 5}
    assert event.drift == '{"event_details":{"new":1}}'
    assert (event.event_type, event.user_id, event.session_id, event.source_system) == (
        "page_view",
        "u-1",
        "s-1",
        "web",
    )
    assert event.event_time == NOW + 123456
    assert event.raw.message_id == "m"


def test_a_rejected_message_keeps_all_it_came_with():
    single, packed = run([BAD[0]])
    for outcome in (single, packed):
        assert outcome["rejected"] == [
            Rejected(
                "Decode",
                "empty_payload",
                "payload: no bytes",
                b"",
                {"k": "v"},
                "m-2",
                "o-2",
                None,
                NOW,
            )
        ]
        assert outcome.counters["rejected.empty_payload"] == 1


def test_a_repeated_bundle_decodes_the_same():
    messages = [*GOOD, *BAD]

    def build(pipeline):
        packs = [RawPack.of(messages)]
        decoded = (
            pipeline | beam.Create(packs, reshuffle=False) | DecodePacks(SHIPPED, shards=4, now=NOW)
        )
        return {"packs": decoded.packs, "rejected": decoded.rejected}

    once, twice = run_batch(build), run_batch(build, bundle_repeat=1)
    assert set(map(key, rows(twice["packs"]))) == set(map(key, rows(once["packs"])))
    assert set(map(key, twice["rejected"])) == set(map(key, once["rejected"]))


def test_a_pack_is_stamped_with_the_least_time_of_its_rows():
    first = RawPack([wire(any_event(event_id="a"))])
    second = RawPack([wire(any_event(event_id="b"))])

    def build(pipeline):
        stamped = [TimestampedValue(first, 50), TimestampedValue(second, 20)]
        decoded = (
            pipeline
            | beam.Create([0])
            | beam.FlatMap(lambda _: stamped)
            | DecodePacks(SHIPPED, shards=1)
        )
        times = decoded.packs | beam.Map(
            lambda pack, at=beam.DoFn.TimestampParam: (len(pack[1]), at.micros)
        )
        return {"times": times}

    assert run_batch(build)["times"] == [(2, 20_000_000)]


@pytest.mark.parametrize(("spread", "packs"), [(60_000_000, [(2, 0), (1, 61)]), (None, [(3, 0)])])
def test_in_a_stream_messages_of_other_times_do_not_travel_together(spread, packs):
    decode = _DecodePacks(Decoder(SHIPPED), None, 1, spread)
    out = []
    for event_id, second in (("a", 0), ("b", 60), ("c", 61)):
        pack = RawPack([wire(any_event(event_id=event_id))])
        out += decode.process(pack, timestamp=Timestamp(second))
    out += decode.finish_bundle()
    assert [(len(each.value[1]), each.timestamp.micros // 1_000_000) for each in out] == packs


def test_outputs_have_their_types_and_so_their_coders():
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        start = pipeline | beam.Create([RawEvent(b"")])
        decoded = start | Decode(SHIPPED)
        packs = start | beam.Map(lambda raw: RawPack.of([raw])) | DecodePacks(SHIPPED)
        assert (decoded.events.element_type, decoded.rejected.element_type) == (Event, Rejected)
        assert packs.packs.element_type == beam.typehints.Tuple[int, EventPack]
        assert packs.rejected.element_type == Rejected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shards": 0}, "shards is 0; give 1 or more"),
        ({"max_future": -1}, "max_future is -1"),
        ({"max_event_bytes": 0}, "max_event_bytes is 0"),
    ],
)
def test_wrong_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        DecodePacks(SHIPPED, **options)


def test_no_planted_value_is_in_a_detail_a_counter_or_a_log_line(caplog):
    messages = [
        RawEvent(wire(event))
        for value in SECRET_VALUES
        for event in (
            any_event(event_id=value * 30),
            any_event(event_type=value),
            any_event(event_timestamp=value),
            any_event(event_details=value),
            any_event(user_id=[value]),
            any_view(platform=value),
            any_view(duration_ms=value),
            any_view(campaign={value: value}),
            value,
        )
    ]
    with caplog.at_level(logging.DEBUG):
        outcomes = run(messages)
    for outcome in outcomes:
        assert len(outcome["rejected"]) == len(messages)
        told = repr([(one.step, one.reason, one.detail) for one in outcome["rejected"]])
        for value in SECRET_VALUES:
            assert value not in told
            assert value not in repr(outcome.counters)
            assert value not in caplog.text


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=30),
    st.integers(1, 4),
    st.integers(1, 30),
    st.integers(1, 9),
)
def test_a_buffer_keeps_every_row_once_in_order_and_in_bounds(
    arrivals, max_rows, max_bytes, together
):
    buffer, packs, parts = PackBuffer(max_rows, max_bytes), [], {}
    times = [arrivals[at - at % together][1] for at in range(len(arrivals))]
    for at, (shard, _) in enumerate(arrivals):
        parts.setdefault((at // together, shard), []).append(at)
    for (_, shard), ats in parts.items():
        raws = [RawEvent(b"x" * (at % 7), {}, str(at) if at % 2 else "") for at in ats]
        ids = [b"%d" % at for at in ats]
        packs += buffer.add(shard, EventPack(ids, ids, ats, RawPack.of(raws)), times[ats[0]])
    packs += buffer.drain()
    assert buffer.drain() == []
    for wanted in range(3):
        ats = [at for shard, pack, _ in packs if shard == wanted for at in pack.event_times]
        assert ats == [at for at, (shard, _) in enumerate(arrivals) if shard == wanted]
    for shard, pack, least in packs:
        assert 1 <= len(pack) <= max_rows
        assert sum(map(len, pack.raw.payloads[:-1])) < max_bytes
        assert least == min(times[at] for at in pack.event_times)
        assert pack.ids == pack.contents == [b"%d" % at for at in pack.event_times]
        assert all(arrivals[at][0] == shard for at in pack.event_times)
        for row, at in enumerate(pack.event_times):
            assert pack.raw.row(row) == RawEvent(b"x" * (at % 7), {}, str(at) if at % 2 else "")


def test_a_decoding_step_travels_to_workers():
    step = pickle.loads(pickle.dumps(DecodePacks(SHIPPED, shards=4)))
    assert (step.contracts, step.shards) == (SHIPPED, 4)
