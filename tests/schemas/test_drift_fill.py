"""A contract that gains fields: rows are filled as if the contract had always had them."""

import json

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.bigquery_schema import has_column
from schemas.contract import load_contracts
from schemas.contract_set import Contracts
from schemas.decoder import Decoder, Refusal
from schemas.drift_fill import DriftFill
from schemas.pseudonym import Pseudonymiser, PseudonymKey
from schemas.rejected import Reason
from schemas.silver_rows import SilverTable
from tests.schemas import any_contract
from tests.schemas.any_event import a_contract, any_event, field, thing, wire, write_contract

KEY = PseudonymKey.of(any_contract.KEY)
LATER = "2026-02-01T00:00:00.000000Z"


def ending(time):
    return b',"content_digest":"ab","ingest_time":"%b"}' % time.encode()


def curated(event, contracts, time="2026-01-01T00:00:00.000000Z"):
    """Return an event's row and its drift."""
    record, drift = Decoder(contracts).reread_whole(wire(event), {})
    record = Pseudonymiser(contracts, KEY).apply(record)
    return SilverTable(contracts, "thing").row(record, ending(time), drift), drift


def filled(event, old, new):
    row, drift = curated(event, old)
    return DriftFill(new, KEY).fill(json.loads(row), drift, LATER)


def of_fields(tmp_path, name, *fields):
    return load_contracts(write_contract(tmp_path / name, a_contract(*fields)))


def without_some(draw, known, *, defaults=True):
    """Return fields of which some are gone, inside others too; what is gained has no default.

    Unless it cannot be null, and defaults are wanted.
    """
    kept = {}
    for name, one in known.items():
        settled = one.default is None or (defaults and not one.nullable)
        if settled and not one.required and draw(st.booleans()):
            continue
        kept[name] = reduced(draw, one, defaults=defaults)
    return kept


def reduced(draw, one, *, defaults):
    if one.items is not None:
        return msgspec.structs.replace(one, items=reduced(draw, one.items, defaults=defaults))
    fields = without_some(draw, one.fields, defaults=defaults)
    return msgspec.structs.replace(one, fields=fields)


def is_hollow(old, new):
    """Return whether the items of a list had no column, so that a row does not tell how many."""
    if new.items is not None:
        lost = has_column(new.items) and not has_column(old.items)
        return lost or is_hollow(old.items, new.items)
    return any(is_hollow(old.fields[name], new.fields[name]) for name in old.fields)


def told(row):
    """Return a row without records that say nothing, in the order that it has."""
    return json.dumps(without_idle(json.loads(row)))


def without_idle(value):
    if isinstance(value, dict):
        inside = {name: without_idle(each) for name, each in value.items()}
        return {name: each for name, each in inside.items() if each != {}}
    return [without_idle(each) for each in value] if isinstance(value, list) else value


@pytest.mark.engine
@settings(max_examples=100)
@given(st.data())
def test_a_filled_row_is_the_one_that_the_contract_of_now_gives(data):
    new = data.draw(any_contract.contracts())
    fields = without_some(data.draw, new.types["thing"].fields)
    old = Contracts({"thing": msgspec.structs.replace(new.types["thing"], fields=fields)},
                    new.envelope)  # fmt: skip
    details = data.draw(any_contract.wire_record(new.types["thing"].fields))
    if data.draw(st.booleans()):
        details = {**details, "never known": [1]}
    event = any_event(event_type="thing", event_details=details)
    row, drift = curated(event, old)
    wanted, _ = curated(event, new, LATER)
    if drift is not None:
        made = DriftFill(new, KEY).fill(json.loads(row), drift, LATER)
        assume(not isinstance(made, Refusal))
        if made is None:
            assert json.loads(row)["unknown_fields"] == json.loads(wanted)["unknown_fields"]
            return
        assert told(made) == told(wanted)
        # A record that had no columns, and carried nothing of what it has now, stays away.
        assert made == wanted or b"{}" in wanted


@pytest.mark.engine
@settings(max_examples=100)
@given(st.data())
def test_a_row_that_is_filled_whenever_its_contract_gains_fields_is_that_of_the_last_one(data):
    new = data.draw(any_contract.contracts())
    steps = [new]
    for _ in range(2):
        fields = without_some(data.draw, steps[-1].types["thing"].fields)
        older = {"thing": msgspec.structs.replace(new.types["thing"], fields=fields)}
        steps.append(Contracts(older, new.envelope))
    details = data.draw(any_contract.wire_record(new.types["thing"].fields))
    event = any_event(event_type="thing", event_details={**details, "never known": {"a": 1}})
    row, drift = curated(event, steps.pop())
    filled = False
    while steps:
        found = DriftFill(steps.pop(), KEY).fill(json.loads(row), drift, LATER)
        assume(not isinstance(found, Refusal))
        row, filled = (row if found is None else found), found is not None
    wanted, _ = curated(event, new, LATER)
    if filled:
        assert told(row) == told(wanted)
    assert DriftFill(new, KEY).fill(json.loads(row), drift, LATER) is None
    assert json.loads(row)["unknown_fields"] == json.loads(wanted)["unknown_fields"]


def test_a_field_that_is_personal_now_is_filled_with_its_pseudonym(tmp_path):
    email = field("email", ["null", "string"], default=None, pii="pseudonymise")
    old = of_fields(tmp_path, "old", field("n", "int"))
    new = of_fields(tmp_path, "new", field("n", "int"), email)
    row = json.loads(filled(thing(n=1, email="ana@example.com"), old, new))
    assert row["event_details"]["email"].startswith("k1.")
    assert "unknown_fields" not in row
    assert row["ingest_time"] == LATER


def test_a_field_that_is_to_be_dropped_now_reaches_no_row_and_is_unknown_no_more(tmp_path):
    secret = field("secret", ["null", "string"], default=None, pii="drop")
    old = of_fields(tmp_path, "old", field("n", "int"))
    new = of_fields(tmp_path, "new", field("n", "int"), secret)
    row = filled(thing(n=1, secret="planted", more=1), old, new)
    assert b"planted" not in row
    assert json.loads(row)["unknown_fields"] == ["event_details.more"]


def test_a_field_inside_an_array_is_filled_item_by_item(tmp_path):
    def items(*fields):
        inner = {"type": "record", "name": "Item", "fields": [field("a", "int"), *fields]}
        return field("items", {"type": "array", "items": inner})

    old = of_fields(tmp_path, "old", items())
    new = of_fields(tmp_path, "new", items(field("b", ["null", "string"], default=None)))
    event = thing(items=[{"a": 1}, {"a": 2, "b": "x"}, {"a": 3, "b": "y", "c": 1}])
    row = json.loads(filled(event, old, new))
    assert row["event_details"]["items"] == [{"a": 1}, {"a": 2, "b": "x"}, {"a": 3, "b": "y"}]
    assert row["unknown_fields"] == ["event_details.items[].c"]


@pytest.mark.parametrize("inside", [False, True])
def test_a_field_whose_name_was_masked_is_filled_too(tmp_path, inside):
    text = field("t", ["null", "string"], default=None)
    part = {"type": "record", "name": "Part", "fields": [text] if inside else []}
    new = [field("since_2024", "string", default="d"), field("in_2024", part)]
    old = of_fields(tmp_path, "old", field("in_2024", {**part, "fields": []}))
    more = of_fields(tmp_path, "new", *new)
    event = thing(in_2024={"t": "x"}, since_2024="y", **{"ana@example.com": 1})
    row = json.loads(filled(event, old, more))
    left = ["event_details.<name 1>"]
    assert row["event_details"]["since_2024"] == "y"
    assert row["event_details"].get("in_2024") == ({"t": "x"} if inside else None)
    assert row["unknown_fields"] == left + ([] if inside else ["event_details.in_2024.t"])


def test_what_is_unknown_still_leaves_the_row_as_it_is(tmp_path):
    old = of_fields(tmp_path, "old", field("n", "int"))
    assert filled(thing(n=1, more=1), old, old) is None


@pytest.mark.parametrize(("value", "reason"), [(5, Reason.WRONG_TYPE), ("x", None)])
def test_a_value_that_does_not_fit_is_refused_with_its_reason(tmp_path, value, reason):
    old = of_fields(tmp_path, "old", field("n", "int"))
    new = of_fields(
        tmp_path, "new", field("n", "int"), field("t", ["null", "string"], default=None)
    )
    found = filled(thing(n=1, t=value), old, new)
    assert (found.reason if isinstance(found, Refusal) else None) is reason


def test_items_that_had_no_column_are_not_guessed(tmp_path):
    def items(*fields):
        part = {"type": "record", "name": "Part", "fields": list(fields)}
        return field("items", {"type": "array", "items": part})

    old = of_fields(tmp_path, "old", field("n", "int"), items())
    more = field("t", ["null", "string"], default=None)
    new = of_fields(tmp_path, "new", field("n", "int"), items(more))
    refused = filled(thing(n=1, items=[{"t": "x"}, {}]), old, new)
    assert "the row lacks the items" in refused.detail


def test_half_a_character_is_refused_where_it_is_known_now_and_left_where_it_is_not(tmp_path):
    text = field("t", ["null", "string"], default=None)
    old = of_fields(tmp_path, "old", field("n", "int"))
    new = of_fields(tmp_path, "new", field("n", "int"), text)
    half = wire(thing(n=1, t="x", u="y")).replace(b'"y"', b'"\\ud800"')
    row = json.loads(filled(half, old, new))
    assert row["event_details"] == {"n": 1, "t": "x"}
    assert row["unknown_fields"] == ["event_details.u"]
    refused = filled(half.replace(b'"x"', b'"\\udc00"'), old, new)
    assert refused.reason is Reason.BAD_VALUE


def test_what_is_dropped_now_inside_a_record_without_columns_is_unknown_no_more(tmp_path):
    def part(*fields):
        return field("part", {"type": "record", "name": "Part", "fields": list(fields)})

    secret = field("secret", ["null", "string"], default=None, pii="drop")
    old = of_fields(tmp_path, "old", field("n", "int"), part())
    new = of_fields(tmp_path, "new", field("n", "int"), part(secret))
    row = filled(thing(n=1, part={"secret": "planted", "x": 1}), old, new)
    assert b"planted" not in row
    assert json.loads(row)["event_details"] == {"n": 1}
    assert json.loads(row)["unknown_fields"] == ["event_details.part.x"]
