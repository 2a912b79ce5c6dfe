import base64
import gzip
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cell_lines import change_json
from schemas.cells import Cell, RowChange
from schemas.contract import load_contracts
from schemas.events import RawEvent
from schemas.masking import Masking
from schemas.rejected import Reason, reject
from tests.schemas.any_event import (
    SHIPPED,
    a_contract,
    any_event,
    any_view,
    field,
    wire,
    without,
    write_contract,
)

SECRET = "sEcReT"
NUMBER = 491701234567
OPEN = "open"
PERSON = {
    "type": "record",
    "name": "Person",
    "fields": [
        field("mail", ["null", "string"], default=None, pii="pseudonymise"),
        field("plan", ["null", "string"], default=None),
        field("age", ["null", "int"], default=None),
    ],
}
THING = a_contract(
    field("label", "string"),
    field("count", "long"),
    field("colour", {"type": "enum", "name": "Colour", "symbols": ["red", "green"]}),
    field("born", {"type": "int", "logicalType": "date"}),
    field("price", {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}),
    field("names", {"type": "array", "items": "string"}, pii="pseudonymise"),
    field("tags", {"type": "array", "items": "string"}),
    field("by_name", {"type": "map", "values": PERSON}),
    field("owner", "Person"),
    field("address", ["null", "Person"], default=None, pii="drop"),
)


@pytest.fixture(scope="module")
def masking(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contracts")
    return Masking(load_contracts(write_contract(folder, THING)))


def refused(payload, reason=Reason.WRONG_TYPE, **given):
    return reject(RawEvent(payload, **given), "Decode", reason, "x")


def shown(event, masking=None, **given):
    return (masking or Masking(SHIPPED)).payload(refused(wire(event), **given))


_encode = msgspec.json.Encoder(decimal_format="number").encode


def printed(record, masking):
    told = (masking.payload(record), masking.attributes(record), masking.ordering_key(record))
    return _encode(told).decode()


def assert_hidden(line):
    assert SECRET not in line
    assert str(NUMBER) not in line


secret_texts = st.text(max_size=5).map(lambda text: SECRET + text)
# What a key must not look like to be shown: a name. Secrets as keys are what maps are made of.
secret_keys = st.text(max_size=5).map(lambda text: f"{SECRET}@{text}")
open_names = st.sampled_from(["a", "b", "label", "mail", "owner", "n1"])
hidden = st.recursive(
    st.one_of(
        secret_texts,
        st.just(NUMBER),
        st.just(NUMBER + 0.5),
        st.none(),
        st.booleans(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(open_names, secret_keys), inner, max_size=3),
    ),
    max_leaves=6,
)
unlike = hidden.filter(lambda value: not isinstance(value, (str, int, float)))
open_texts = st.text("xyz", max_size=4).map(lambda text: OPEN + text)


def optional(**fields):
    return st.fixed_dictionaries({}, optional=fields)


def with_unknown(known):
    """Known fields, and others whose names are not among them."""
    more = st.dictionaries(st.sampled_from(["x", "mail2", "e-mail"]) | secret_keys, hidden)
    return st.builds(lambda one, other: {**other, **one}, known, more)


people = with_unknown(optional(mail=hidden, plan=open_texts | unlike, age=secret_texts | unlike))
details = with_unknown(
    optional(
        label=open_texts | unlike,
        count=secret_texts | unlike,
        colour=secret_texts | unlike,
        born=secret_texts | unlike,
        price=secret_texts | unlike,
        names=hidden,
        tags=st.lists(open_texts | unlike, max_size=3) | secret_texts,
        by_name=st.dictionaries(secret_texts, people, max_size=3) | secret_texts,
        owner=people | secret_texts,
        address=people | hidden,
    )
)
things = with_unknown(
    st.fixed_dictionaries(
        {"event_type": st.just("thing"), "event_details": details | secret_texts},
        optional={
            "user_id": hidden,
            "session_id": hidden,
            "event_id": open_texts | unlike,
            "event_timestamp": secret_texts | unlike,
            "source_system": unlike,
        },
    )
)
strangers = st.fixed_dictionaries(
    {}, optional={"event_type": secret_keys | unlike, "event_id": hidden, "event_details": hidden}
)


@given(things, st.dictionaries(st.just("a"), secret_texts), st.just("") | secret_texts)
def test_no_value_that_is_personal_unknown_or_of_another_type_is_ever_shown(
    masking, event, attributes, ordering_key
):
    record = refused(wire(event), attributes=attributes, ordering_key=ordering_key)
    assert_hidden(printed(record, masking))


@given(strangers | hidden, st.booleans())
def test_no_value_of_an_unknown_event_type_or_of_other_json_is_ever_shown(masking, value, zipped):
    payload = gzip.compress(wire(value)) if zipped else wire(value)
    attributes = {"content-encoding": "gzip"} if zipped else {}
    assert_hidden(printed(refused(payload, attributes=attributes), masking))


@given(things, st.integers(0, 400), st.binary(max_size=3))
def test_no_byte_of_a_payload_that_cannot_be_parsed_is_ever_shown(masking, event, cut, tail):
    payload = wire(event)[:-1][:cut] + SECRET.encode() + tail
    assert masking.payload(refused(payload)).startswith("<unreadable: begins with ")


@given(st.binary(max_size=40), st.sampled_from(Reason))
def test_whatever_bytes_come_something_is_shown(masking, payload, reason):
    for attributes in ({}, {"content-encoding": "gzip"}):
        record = refused(payload, reason, attributes=attributes)
        assert isinstance(printed(record, masking), str)


@given(st.text(max_size=5), st.binary(min_size=1, max_size=9), st.integers(0, 2**50))
def test_neither_row_key_nor_value_of_a_refused_change_is_ever_shown(masking, text, value, time):
    key = f"ab#user#{SECRET}{text}".encode()
    value = SECRET.encode() + value
    payload = change_json(RowChange(key, [Cell("t", "views", time, value, clear_from=0)]))
    record = refused(payload, Reason.MUTATION_REFUSED)
    line = printed(record, masking)
    assert SECRET not in line
    assert base64.b64encode(value).decode() not in line
    (cell,) = masking.payload(record)["cells"]
    assert cell == {
        "family": "t",
        "qualifier": "views",
        "timestamp_micros": time,
        "value": "<string>",
        "clear_from_micros": 0,
    }


def test_values_that_a_contract_knows_and_does_not_call_personal_are_shown(masking):
    event = any_event(
        event_type="thing",
        event_details={
            "label": "a label",
            "count": 5,
            "colour": "red",
            "born": "2026-01-31",
            "price": "19.90",
            "names": ["ana"],
            "tags": ["a", None],
            "by_name": {"ana": {"mail": "a@b", "plan": "pro"}, "bo": {"age": 7}},
            "owner": {"mail": None, "plan": "free", "extra": {"x": [1, 2.5, True]}},
            "address": {"plan": "free"},
        },
        more=[{"a": 1}, {"a": 2}],
    )
    assert shown(event, masking) == {
        **without(event, "more"),
        "user_id": "<string>",
        "session_id": "<string>",
        "event_details": {
            "label": "a label",
            "count": 5,
            "colour": "red",
            "born": "2026-01-31",
            "price": "19.90",
            "names": "<array>",
            "tags": ["a", None],
            "by_name": {
                "<key 1>": {"mail": "<string>", "plan": "pro"},
                "<key 2>": {"age": 7},
            },
            "owner": {
                "mail": None,
                "plan": "free",
                "extra": {"x": ["<integer>", "<number>", "<boolean>"]},
            },
            "address": "<object>",
        },
        "more": [{"a": "<integer>"}],
    }


def test_a_value_of_another_type_than_its_field_is_not_shown():
    view = shown(any_view(duration_ms="ana@example.com", platform="my mother's"))
    assert view["event_details"] == {
        "page": "/courses",
        "platform": "<string>",
        "duration_ms": "<string>",
    }


def test_the_persons_of_the_envelope_are_not_shown_whatever_the_contract_says():
    view = shown(any_event(user_id=7, session_id=None))
    assert (view["user_id"], view["session_id"]) == ("<integer>", None)


@pytest.mark.parametrize(
    ("event_type", "told"),
    [("new_thing", "new_thing"), ("ana@example.com", "<string>"), ("t20260131", "<string>")],
)
def test_an_unknown_event_type_is_named_where_it_looks_like_a_name(event_type, told):
    assert shown(any_event(event_type=event_type)) == {
        "event_id": "<string>",
        "event_type": told,
        "user_id": "<string>",
        "session_id": "<string>",
        "event_timestamp": "<string>",
        "source_system": "<string>",
        "event_details": {"page": "<string>", "platform": "<string>", "duration_ms": "<integer>"},
    }


def test_of_a_repeated_key_the_last_counts_and_the_others_are_not_shown():
    payload = b'{"event_type": "ana@x", "event_type": "page_view", "event_id": "e", "event_id": 5}'
    assert shown(payload) == {"event_type": "page_view", "event_id": "<integer>"}


def test_numbers_keep_their_spelling_where_they_are_shown():
    payload = wire(any_event(event_type="quiz_submitted", event_details={})).replace(
        b"{}", b'{"score": 1.50, "other": 1e400}'
    )
    details = shown(payload)["event_details"]
    assert _encode(details) == b'{"score":1.50,"other":"<number>"}'


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b"", "nothing"),
        (b'{"a": ', "a brace"),
        (b"[1", "a bracket"),
        (b'"a', "a quote"),
        (b"ana", "a letter"),
        (b"12 34", "a digit"),
        (b" x", "a space"),
        (b"\x1f\x8b", "a control byte"),
        (b"\x7f", "a control byte"),
        (b"\xff", "a byte above 0x7f"),
        (b"<a>", "a sign"),
        (b"[" * 70 + b"]" * 70, "a bracket"),
        (b'{"a": "\\ud800"}', "a brace"),
        (b'{"a": NaN}', "a brace"),
        (b'{"a": "\xff"}', "a brace"),
        (b'{"a": 1e99999999999999999999}', "a brace"),
    ],
)
def test_of_what_cannot_be_parsed_only_the_class_of_the_first_byte_is_told(payload, told):
    assert shown(payload) == f"<unreadable: begins with {told}>"


def test_a_broken_stream_of_gzip_is_unreadable():
    record = refused(gzip.compress(b"{}")[:-1], attributes={"content-encoding": "gzip"})
    assert Masking(SHIPPED).payload(record) == "<unreadable: begins with a control byte>"


def test_attributes_keep_their_names_and_an_ordering_key_is_only_said_to_be_there():
    record = refused(b"", attributes={"origin": "ana", "x": ""}, ordering_key="ana")
    masking = Masking(SHIPPED)
    assert masking.attributes(record) == {"origin": "<string>", "x": "<string>"}
    assert masking.ordering_key(record) == "<string>"
    assert masking.ordering_key(refused(b"")) == ""


def test_a_change_that_clears_ranges_is_shown_without_its_row_key():
    change = {
        "row_key_base64": "YW5h",
        "cells": [],
        "clears": [{"family": "t", "qualifier": "views", "start_micros": 5, "other": 7}],
        "family": "ana@example.com",
    }
    assert shown(json.dumps(change).encode(), reason=Reason.MUTATION_REFUSED) == {
        "row_key_base64": "<string>",
        "cells": [],
        "clears": [{"family": "t", "qualifier": "views", "start_micros": 5, "other": "<integer>"}],
        "family": "<string>",
    }


def test_a_bad_object_of_the_archive_is_named_by_its_path_and_by_nothing_else():
    path = f"gs://b/raw/events/source=web/dt=2026-01-31/hr=12/{'a1' * 16}.avro"
    assert shown(path.encode(), reason=Reason.OBJECT_DAMAGED) == path
    assert shown(b"ana@example.com", reason=Reason.OBJECT_DAMAGED).startswith("<unreadable")
    assert shown(path.encode(), reason=Reason.NOT_JSON).startswith("<unreadable")
