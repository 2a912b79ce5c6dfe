"""Rows of curated events: any event of any contract, loaded strictly, against an oracle."""

import json
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.bigquery_json import compile_form
from schemas.bigquery_schema import bigquery_schema
from schemas.contract import load_contracts
from schemas.decoder import Decoder, Refusal
from schemas.ops_tables import DRIFT
from schemas.packs import RawPack
from schemas.pseudonym import Pseudonymiser, PseudonymKey
from schemas.silver_rows import SilverTable, drift_row, endings_of, stamp
from schemas.silver_tables import silver_table
from tests.schemas import any_contract
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
from tests.schemas.bigquery_load import NotLoadedError, load

ENDING = b',"content_digest":"ab","ingest_time":"1970-01-01T00:00:00.000005Z"}'
_KEY = PseudonymKey.of(any_contract.KEY)


def schema_of(contracts, event_type="thing"):
    return silver_table(contracts, event_type).schema()


def row_of(event, contracts=SHIPPED, ending=ENDING):
    record, drift = Decoder(contracts).reread_whole(wire(event), {})
    event_type = type(record).__struct_config__.tag
    record = Pseudonymiser(contracts, _KEY).apply(record)
    return SilverTable(contracts, event_type).row(record, ending, drift)


def of_fields(tmp_path, *fields):
    return load_contracts(write_contract(tmp_path, a_contract(*fields)))


@pytest.mark.engine
@settings(max_examples=100)
@given(st.data())
def test_the_row_of_any_event_of_any_contract_loads_and_says_what_the_event_said(data):
    contracts = data.draw(any_contract.contracts())
    details = data.draw(any_contract.wire_record(contracts.types["thing"].fields))
    time = data.draw(any_contract.TIMES.filter(lambda moment: moment.year > 2000))
    event = any_event(event_type="thing", event_details=details, event_timestamp=time.isoformat())
    schema = schema_of(contracts)
    row = load(row_of(event, contracts), schema)
    wanted = any_contract.expected(event, bigquery_schema(contracts, "thing")[:-1], contracts)
    assert {name: row[name] for name in wanted} == wanted
    assert row["unknown_fields"] == []
    assert row["content_digest"] == "ab"
    assert row["ingest_time"] == 5


@given(st.data())
def test_equal_events_have_equal_bytes_however_they_are_spelled(data):
    contracts = data.draw(any_contract.contracts())
    details = data.draw(any_contract.wire_record(contracts.types["thing"].fields))
    event = any_event(event_type="thing", event_details=details)
    order = data.draw(st.permutations(list(event)))
    moved = {name: event[name] for name in order} | {
        "event_details": dict(reversed(details.items())),
        "event_timestamp": "2026-01-31T13:00:00.123456+01:00",
    }
    assert row_of(moved, contracts) == row_of(event, contracts)


def test_a_row_tells_where_its_event_came_from_and_names_what_its_contract_does_not_know():
    raw = RawPack([b"", b""], [1_000_000, None], ["", 'm"1'])
    known, unknown = endings_of([b"c"] * 2, raw, ingest_time=5)
    event = {**any_view(colour="red"), "top": {"planted": "planted"}}
    row = json.loads(row_of(event, ending=unknown))
    assert (row["content_digest"], row["message_id"]) == ("63", 'm"1')
    assert row["ingest_time"] == "1970-01-01T00:00:00.000005Z"
    assert "publish_time" not in row
    assert row["unknown_fields"] == ["event_details.colour", "top"]
    assert "planted" not in str(row)
    row = load(row_of(event, ending=known), schema_of(SHIPPED, "page_view"))
    assert (row["publish_time"], row["message_id"]) == (1_000_000, None)


@pytest.mark.parametrize(("number", "written"), [(2**53 - 1, 2**53 - 1), (2**53, str(2**53))])
def test_an_integer_that_json_readers_would_round_is_a_string(tmp_path, number, written):
    items = {"type": "record", "name": "Item", "fields": [field("n", "long")]}
    contracts = of_fields(tmp_path, field("items", {"type": "array", "items": items}))
    row = json.loads(row_of(thing(items=[{"n": 0}, {"n": number}]), contracts))
    assert row["event_details"]["items"] == [{"n": 0}, {"n": written}]


def test_a_small_decimal_is_written_without_an_exponent(tmp_path):
    tiny = {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 10}
    contracts = of_fields(tmp_path, field("rate", tiny))
    row = json.loads(row_of(thing(rate="0.0000000001"), contracts))
    assert row["event_details"] == {"rate": "0.0000000001"}


def test_a_dropped_field_is_in_no_row_whatever_its_default(tmp_path):
    contracts = of_fields(
        tmp_path,
        field("open", "string"),
        field("secret", ["null", "string"], pii="drop", default=None),
        field("other", ["string", "null"], pii="drop", default="planted"),
    )
    for details in ({"open": "o"}, {"open": "o", "secret": "planted", "other": "planted"}):
        row = row_of(thing(**details), contracts)
        assert b"planted" not in row
        assert json.loads(row)["event_details"] == {"open": "o"}


def test_details_of_which_nothing_is_left_have_no_place_in_the_row(tmp_path):
    contracts = of_fields(tmp_path, field("secret", ["null", "string"], pii="drop", default=None))
    row = row_of(thing(secret="planted"), contracts)
    assert "event_details" not in load(row, schema_of(contracts))


def test_what_the_encoder_writes_right_by_itself_costs_nothing():
    details = {name: SHIPPED.field(name, "event_details") for name in SHIPPED.types}
    helped = {name for name, field in details.items() if compile_form(field) is not None}
    assert not helped & {"click", "lesson_completed", "lesson_started", "login", "signup"}


def test_the_drift_row_holds_the_unknown_fields_as_they_were_received():
    record, drift = Decoder(SHIPPED).reread_whole(
        wire({**any_view(page="/secret"), "top": 1.50}).replace(b"1.5", b"1.50"), {}
    )
    row = json.loads(drift_row("page_view", record, ENDING, drift))
    assert row == {
        "event_id": "e-1",
        "event_type": "page_view",
        "event_timestamp": "2026-01-31T12:00:00.123456Z",
        "drift": '{"top":1.50}',
        "content_digest": "ab",
        "ingest_time": "1970-01-01T00:00:00.000005Z",
    }


@pytest.mark.engine
@settings(max_examples=120)
@given(st.data())
def test_whatever_is_accepted_has_a_row_that_loads(data):
    payload = bytearray(wire(any_view(new=[{"a": "\ud83d"}], more={"b": 1})))
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, len(payload) - 1))
        end = min(len(payload), start + data.draw(st.integers(0, 4)))
        payload[start:end] = data.draw(
            st.binary(max_size=2)
            | st.sampled_from([b'"', b"\\u", b"\\ud83d", b"\\u0000", b"1e9", b"9" * 30, b":{}"])
        )
    if isinstance(Decoder(SHIPPED).read(bytes(payload), {}, None), Refusal):
        return
    record, drift = Decoder(SHIPPED).reread_whole(bytes(payload), {})
    event_type = type(record).__struct_config__.tag
    row = SilverTable(SHIPPED, event_type).row(record, ENDING, drift)
    assert bool(load(row, schema_of(SHIPPED, event_type))["unknown_fields"]) is bool(drift)
    if drift:
        load(drift_row(event_type, record, ENDING, drift), DRIFT.schema())


@pytest.mark.parametrize(
    ("unknown", "name"),
    [
        (b'"x":"\\ud800"', "x"),
        (b'"x\\ud800":1', "<name 1>"),
        (b'"x":{"a":["\\udc00"],"\\udc00":1}', "x"),
    ],
)
def test_half_a_character_in_an_unknown_field_costs_no_event(unknown, name):
    payload = wire(any_view()).replace(b'"page"', unknown + b',"page"', 1)
    record, drift = Decoder(SHIPPED).reread_whole(payload, {})
    row = SilverTable(SHIPPED, "page_view").row(record, ENDING, drift)
    assert json.loads(row)["unknown_fields"] == [f"event_details.{name}"]
    kept = json.loads(drift_row("page_view", record, ENDING, drift))["drift"]
    assert unknown in kept.encode()


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))
def test_times_are_written_with_microseconds(moment):
    micros = any_contract.micros(moment.replace(tzinfo=timezone.utc))
    written = json.loads(stamp(micros))
    assert len(written) == len("2026-01-31T12:00:00.000000Z")
    assert datetime.fromisoformat(written[:-1]) == moment


@pytest.mark.parametrize(
    "changed",
    [{"a": None}, {"a": [None]}, {"b": 1}, {"a": {"x": 1}}, {"a": [2**60]}, {"a": ["1e3"]}],
)
def test_the_checker_of_these_tests_refuses_what_bigquery_would(changed):
    schema = [{"name": "a", "type": "INTEGER", "mode": "REPEATED"}]
    assert load(b'{"a":[1,"9007199254740993"]}', schema) == {"a": [1, 9007199254740993]}
    with pytest.raises(NotLoadedError):
        load(json.dumps(changed).encode(), schema)
