"""Rows made where copies were brought together are those of the plain steps, bit for bit."""

import apache_beam as beam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.coverage import Coverage
from schemas.packs import EventPack, RawPack
from schemas.rejected import Reason
from schemas.row_packs import RowPack
from tests.engine import run_batch
from tests.schemas.any_event import SHIPPED, any_event, any_view, wire
from tests.transforms.test_curate import click
from transforms.choose_events import ChooseEvents
from transforms.choose_rows import ChooseRows
from transforms.curate import CuratePacks
from transforms.decode import DecodePacks
from transforms.deduplicate import DeduplicatePacks
from transforms.make_rows import Curation
from transforms.object_store import read_objects
from transforms.shard_messages import ShardMessages
from transforms.write_chosen_rows import WriteChosenRows

pytestmark = pytest.mark.engine

KEY = "k1:0123456789abcdef"
_ALL_TIME = Coverage()
NOW = 1_790_000_000_000_000
PERSONAL = {"changed_fields": ["plan"], "email": "ana@example.net"}
SPELLED = wire(any_view(new={"b": 1, "a": 2})).replace(b'"a": 2', b'"a":  2')
PAYLOADS = [
    wire(any_event(event_id="plain")),
    wire(any_event(event_id="plain")) + b" ",
    wire(any_event(event_id="plain", user_id="another")),
    wire(any_view(new={"b": 1, "a": 2})),
    SPELLED,
    wire(click("c")),
    wire(any_event(event_id="old", event_timestamp="2026-01-30T12:00:00+02:00")),
    wire(any_event(event_id="p", event_type="profile_updated", event_details=PERSONAL)),
    wire(any_view(platform="fax")),
    b"{",
]
MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(PAYLOADS),
        st.sampled_from([None, NOW - 5, NOW - 3]),
        st.sampled_from(["", "1", "2"]),
        st.sampled_from([{}, {"origin": "x"}]),
    ),
    max_size=25,
)


@pytest.fixture(autouse=True)
def _pseudonym_key(monkeypatch):
    monkeypatch.setenv("PENSTOCK_TEST_KEY", KEY)


def packs_of(messages, size=4, columns=True):
    for start in range(0, len(messages), size):
        part = messages[start : start + size]
        payloads, times, ids, attributes = map(list, zip(*part, strict=True))
        more = [times, ids, attributes] if columns else []
        yield RawPack(payloads, *more)


def source(pipeline, packs):
    given_packs = list(packs)
    begun = pipeline | beam.Create([None])
    return begun | beam.FlatMap(lambda _: given_packs).with_output_types(RawPack)


def curation(span=_ALL_TIME):
    return Curation(SHIPPED, "env:PENSTOCK_TEST_KEY", NOW, span=span)


def made(packs, span=_ALL_TIME, shards=3, bundle_repeat=0):
    def build(pipeline):
        shards_of = source(pipeline, packs) | "Shard" >> ShardMessages(SHIPPED, shards)
        chosen = shards_of | "Choose" >> ChooseRows(curation(span))
        return chosen._asdict()

    return run_batch(build, bundle_repeat)


def made_plainly(packs, span=_ALL_TIME):
    def build(pipeline):
        decoded = source(pipeline, packs) | "Decode" >> DecodePacks(SHIPPED, now=NOW, shards=5)
        unique = decoded.packs | "Deduplicate" >> DeduplicatePacks(60, 5)
        curating = CuratePacks(SHIPPED, "env:PENSTOCK_TEST_KEY", ingest_time=NOW, span=span)
        curated = unique.unique | "Curate" >> curating
        return {
            "rows": curated.rows,
            "conflicts": unique.conflicts,
            "rejected": decoded.rejected,
        }

    return run_batch(build)


def told(outcome):
    rows = [
        (pack.table, row, pack.ids[place], pack.raw.row(place))
        for pack in outcome["rows"]
        for place, row in enumerate(pack.rows)
    ]
    conflicts = [
        (pack.ids[place], pack.contents[place], time, pack.raw.row(place))
        for pack in outcome["conflicts"]
        for place, time in enumerate(pack.event_times)
    ]
    counted = {name: count for name, count in outcome.counters.items() if count}
    return sorted(rows, key=str), sorted(conflicts, key=str), shown(outcome), counted


def shown(outcome):
    return sorted(outcome["rejected"], key=str)


@settings(max_examples=18)
@given(
    MESSAGES,
    st.integers(1, 9),
    st.booleans(),
    st.sampled_from([0, 1_769_817_600_000_000]),
    st.sampled_from([0, 1_000, 64_000_000]),
)
def test_rows_conflicts_rejected_and_counters_are_those_of_the_plain_steps(
    messages, size, columns, start, held_bytes
):
    span = Coverage(start) if start else _ALL_TIME
    plain = made_plainly(packs_of(messages, columns=columns), span)
    with pytest.MonkeyPatch.context() as patch:
        # Of none to all events that may be copies are held; the others are decoded again.
        patch.setattr(ChooseEvents, "held_bytes", held_bytes)
        assert told(made(packs_of(messages, size, columns), span)) == told(plain)


def test_a_span_leaves_events_without_rows_that_dedupe_has_seen():
    noon = 1_769_860_800_000_000
    outcome = made(packs_of([(PAYLOADS[6], None, "", {})] * 2), Coverage(noon))
    assert not outcome["rows"]
    assert outcome.counters["outside_span"] == outcome.counters["duplicate"] == 1


def test_what_is_refused_keeps_its_bytes_and_is_named_by_the_step_that_decodes():
    messages = [(PAYLOADS[-1], 5, "7", {"a": "b"}), (PAYLOADS[0], NOW, "8", {})]
    outcome = made(packs_of(messages))
    [refused] = outcome["rejected"]
    assert (refused.step, refused.reason) == ("Decode", Reason.NOT_JSON.value)
    assert (refused.payload, refused.message_id, refused.attributes) == (b"{", "7", {"a": "b"})
    assert outcome.counters["read"] == 2


def test_a_conflict_leaves_as_the_message_that_it_came_in():
    outcome = made(packs_of([(PAYLOADS[0], NOW, "1", {}), (PAYLOADS[2], NOW + 1, "2", {})]))
    [conflict] = outcome["conflicts"]
    assert isinstance(conflict, EventPack)
    assert conflict.raw.payloads == [PAYLOADS[2]]
    assert outcome.counters["conflict"] == 1


def test_a_bundle_that_runs_twice_gives_the_same_rows():
    messages = [(payload, None, "", {}) for payload in PAYLOADS]
    once, twice = made(packs_of(messages)), made(packs_of(messages), bundle_repeat=1)
    # Both runs of the bundle are kept.
    rows, conflicts = told(once)[:2]
    again = told(twice)[:2]
    assert all(row in rows for row in again[0])
    assert len(again[0]) == 2 * len(rows)
    assert again[1] == sorted(conflicts * 2, key=str)


def test_many_events_of_a_shard_leave_in_packs_of_bounded_size():
    payloads = [wire(any_event(event_id=f"e{n}")) for n in range(1_203)]
    outcome = made([RawPack(payloads)], shards=1)
    assert sorted(map(len, outcome["rows"])) == [203, 500, 500]
    assert outcome.counters["accepted"] == 1_203


@pytest.mark.parametrize("wrong", [{"max_future": -1}, {"max_event_bytes": 0}])
def test_a_bound_that_cannot_be_is_refused_by_name(wrong):
    [name] = wrong
    with pytest.raises(ValueError, match=name):
        Curation(SHIPPED, None, NOW, **wrong)


@pytest.mark.parametrize("wrong", [{"shards": 0}, {"max_event_bytes": 0}])
def test_a_constant_of_sharding_that_cannot_be_is_refused_by_name(wrong):
    [name] = wrong
    with pytest.raises(ValueError, match=name):
        ShardMessages(SHIPPED, **wrong)


def written(messages, folder, size=4, bundle_repeat=0, max_bytes=64_000_000):
    def build(pipeline):
        shards = source(pipeline, packs_of(messages, size)) | "Shard" >> ShardMessages(SHIPPED, 3)
        done = shards | "Write" >> WriteChosenRows(curation(), str(folder), max_bytes)
        return {"written": done.written, "conflicts": done.conflicts}

    outcome = run_batch(build, bundle_repeat)
    return outcome, dict(read_objects(str(folder), ".ndjson"))


def lines_of(objects):
    tables = [(name.rsplit("/", 2)[1], content) for name, content in objects.items()]
    return sorted((table, line) for table, content in tables for line in content.splitlines())


@settings(max_examples=10)
@given(st.data())
def test_objects_are_the_same_for_any_order_and_bundles_and_hold_the_chosen_rows(
    tmp_path_factory, data
):
    messages = [(payload, None, "", {}) for payload in PAYLOADS]
    mixed, size = data.draw(st.permutations(messages)), data.draw(st.integers(1, 9))
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "other")]
    [one, other] = [
        written(given, folder, cut)[1]
        for given, folder, cut in zip([messages, mixed], folders, [4, size], strict=True)
    ]
    relative = [
        {name.removeprefix(str(folder)): content for name, content in objects.items()}
        for folder, objects in zip(folders, (one, other), strict=True)
    ]
    assert relative[0] == relative[1]
    rows = made(packs_of(messages))["rows"]
    assert lines_of(one) == sorted((pack.table, row) for pack in rows for row in pack.rows)


def test_a_bundle_that_runs_twice_finds_its_objects_there(tmp_path):
    messages = [(payload, None, "", {}) for payload in PAYLOADS]
    _, once = written(messages, tmp_path / "rows")
    outcome, twice = written(messages, tmp_path / "rows", bundle_repeat=1)
    assert once == twice
    names = {f"{tmp_path}/rows/{name}" for name in outcome["written"]}
    assert names == set(twice)
    assert outcome["conflicts"]


def test_rows_beyond_the_size_of_an_object_go_into_more_of_them_and_none_is_lost(tmp_path):
    messages = [(wire(any_event(event_id=f"e{n}")), None, "", {}) for n in range(1_600)]
    outcome, objects = written(messages, tmp_path, 100, max_bytes=100_000)
    assert len(objects) == len(outcome["written"]) > 3
    assert len(lines_of(objects)) == outcome.counters["rows_written"] == 1_600


def test_rows_are_packs_of_one_table():
    rows = made(packs_of([(payload, None, "", {}) for payload in PAYLOADS]))["rows"]
    assert all(isinstance(pack, RowPack) for pack in rows)
    assert {pack.table for pack in rows} == {
        "silver_product.page_view",
        "silver_product.click",
        "silver_identity.profile_updated",
        "ops.drift",
    }
