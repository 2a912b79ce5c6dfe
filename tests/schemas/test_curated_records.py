"""Rows read in place of events: whatever a program reads of one, it reads of the other."""

import pickle
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.contract import load_contracts
from schemas.curated_records import CuratedRecords, published_of, rank_of
from schemas.current_rows import row_rank
from schemas.decoder import Decoder
from schemas.pseudonym import Pseudonymiser, PseudonymKey
from schemas.silver_rows import SilverTable
from schemas.silver_tables import silver_table
from schemas.times import micros, parse_rfc3339
from tests.schemas import any_contract
from tests.schemas.any_event import (
    SHIPPED,
    a_contract,
    any_event,
    any_view,
    thing,
    wire,
    write_contract,
)
from tests.schemas.any_event import (
    field as a_field,
)
from tests.schemas.bigquery_load import EPOCH, load
from transforms.record_fields import RecordFields

_KEY = PseudonymKey.of(any_contract.KEY)
_CONTAINERS = ("array", "map", "record")


def paths_of(contracts, event_type):
    """Every path that a declaration may name: single values that are not dropped."""
    found = {"user_id", "session_id", "source_system"} & contracts.envelope.fields.keys()

    def walk(prefix, fields):
        for name, field in fields.items():
            if field.pii != "drop":
                if field.kind == "record":
                    walk(f"{prefix}.{name}", field.fields)
                elif field.kind not in _CONTAINERS:
                    found.add(f"{prefix}.{name}")

    walk("event_details", contracts.types[event_type].fields)
    return sorted(found)


ENDING = (
    b',"content_digest":"ab","ingest_time":"1970-01-01T00:00:07.000000Z","message_id":"m"'
    b',"publish_time":"1970-01-01T00:00:05.000000Z"}'
)


def record_of(event, contracts):
    record, drift = Decoder(contracts).reread_whole(wire(event), {})
    return Pseudonymiser(contracts, _KEY).apply(record), drift


def both(event, contracts):
    """The event's record as programs have it, and its row, of which a record is used up."""
    record, drift = record_of(event, contracts)
    event_type = type(record).__struct_config__.tag
    row = SilverTable(contracts, event_type).row(record, ENDING, drift)
    return record_of(event, contracts)[0], row


def as_queried(row, paths):
    """The row as BigQuery's client would give it for the query of these paths."""

    def value(path):
        inside = row
        for name in path.split("."):
            inside = None if inside is None else inside[name]
        return inside

    def moment(time):
        return EPOCH + timedelta(microseconds=time)

    told = {f"c{n}": value(path) for n, path in enumerate(paths)}
    beside = ("event_id", "content_digest", "message_id", "unknown_fields")
    times = ("event_timestamp", "ingest_time", "publish_time")
    return {
        **told,
        **{name: row[name] for name in beside},
        **{name: None if row[name] is None else moment(row[name]) for name in times},
    }


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_rows_of_any_contract_say_what_their_events_said(data):
    contracts = data.draw(any_contract.contracts())
    details = data.draw(any_contract.wire_record(contracts.types["thing"].fields))
    event = any_event(event_type="thing", event_details=details)
    paths = paths_of(contracts, "thing")
    fields = RecordFields(contracts, "thing", paths)
    record, row = both(event, contracts)
    wanted = fields.read(record, 1)
    records = pickle.loads(pickle.dumps(CuratedRecords(contracts, {"thing": paths})))
    of_line = records.of_line(row)
    [packed] = records.unpack(msgspec.msgpack.encode([of_line]))
    schema = silver_table(contracts, "thing").schema()
    loaded = load(row, schema)
    kinds = {path: contracts.field("thing", path).kind for path in paths}
    queried = as_queried(loaded, paths)
    for number, path in enumerate(paths):
        if kinds[path].startswith("timestamp") and queried[f"c{number}"] is not None:
            queried[f"c{number}"] = EPOCH + timedelta(microseconds=queried[f"c{number}"])
    for found in (of_line, packed, records.of_row("thing", queried)):
        assert fields.read(found, 1) == wanted
        assert micros(found.event_timestamp) == parse_rfc3339(event["event_timestamp"])
        assert published_of(found) == 5_000_000
        assert rank_of(found) == row_rank(msgspec.json.decode(row))


@pytest.mark.parametrize("path", ["event_details.surprise", "event_details.surprise.inside"])
def test_a_value_that_only_the_drift_has_is_told(path):
    event = any_view(surprise={"inside": 1})
    _, row = both(event, SHIPPED)
    known = CuratedRecords(SHIPPED, {"page_view": ["event_details.page"]})
    assert known.unfilled(known.of_line(row)) is None
    known._paths["page_view"] = [path]
    assert known.unfilled(known.of_line(row)) == (path, False)


@pytest.mark.parametrize(
    ("sent", "unfilled"),
    [
        ({"code12345": 7}, ("event_details.code12345", True)),
        ({"ana@example.com": 1}, ("event_details.code12345", True)),
        ({"colour": 7}, None),
    ],
)
def test_a_value_that_may_be_in_the_drift_under_a_masked_name_is_told(tmp_path, sent, unfilled):
    code = a_field("code12345", ["null", "long"], default=None)
    older, newer = (
        load_contracts(write_contract(tmp_path / name, a_contract(*fields)))
        for name, fields in [("old", [a_field("n", "int")]), ("new", [a_field("n", "int"), code])]
    )
    records = CuratedRecords(newer, {"thing": ["event_details.code12345"]})
    _, row = both(thing(n=1, **sent), older)
    assert records.unfilled(records.of_line(row)) == unfilled
    _, row = both(thing(n=1, code12345=8, **{"ana@example.com": 1}), newer)
    assert records.unfilled(records.of_line(row)) is None


def test_the_query_names_only_what_is_read():
    records = CuratedRecords(
        SHIPPED, {"page_view": ["event_type", "event_details.page", "no.such"]}
    )
    asked = records.query("page_view")
    assert "`event_details`.`page` AS c0" in asked
    assert "c1" not in asked
    assert "user_id" not in asked


def test_a_field_that_the_contract_gained_later_has_its_default_in_older_rows():
    contracts = any_contract.Contracts(
        {
            "thing": any_contract.Contract(
                "thing",
                "shop",
                "A thing.",
                {"a": any_contract.FieldType(kind="long", required=False, default=7)},
            )
        },
        SHIPPED.envelope,
    )
    line = (
        b'{"event_type":"thing","event_id":"e","event_timestamp":"2026-01-01T00:00:00Z",'
        b'"content_digest":"","ingest_time":"2026-01-01T00:00:00Z"}'
    )
    records = CuratedRecords(contracts, {"thing": ["event_details.a"]})
    assert records.of_line(line).event_details.a == 7


@pytest.mark.parametrize("line", [b"", b"{}", b"[1]", b'{"event_type":"page_view"}', b"\xff"])
def test_what_is_no_row_raises(line):
    records = CuratedRecords(SHIPPED, {"page_view": []})
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        records.of_line(line)
