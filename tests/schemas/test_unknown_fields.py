import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.field_types import FieldType
from schemas.shapes import is_name
from schemas.unknown_fields import drift_names, masked_names
from tests.schemas.any_event import (
    accepted,
    any_view,
    thing,
    wire,
)

HUGE = b"9" * 5000


def in_details(text):
    return wire(any_view(x=0)).replace(b'"x": 0', text)


def test_unknown_fields_are_kept_at_every_level():
    event = any_view(new=[1], campaign={"source": "x", "extra": {"b": 2}})
    record, _, drift = accepted({**event, "top": None, "Event_id": "x"})
    assert json.loads(drift) == {
        "top": None,
        "Event_id": "x",
        "event_details": {"new": [1], "campaign": {"extra": {"b": 2}}},
    }
    assert record.event_details.campaign.source == "x"


def test_unknown_fields_are_kept_inside_arrays_and_maps(things):
    part = {"label": "l", "n": 1}
    event = thing(parts=[part, {**part, "p": 1}], by_name={"a": {**part, "m": 2}, "b": part})
    record, _, drift = accepted(event, things)
    assert json.loads(drift) == {
        "event_details": {"parts": {"1": {"p": 1}}, "by_name": {"a": {"m": 2}}}
    }
    assert [one.n for one in record.event_details.parts] == [1, 1]
    assert record.event_details.by_name["a"].label == "l"


@pytest.mark.parametrize(
    "text", [b"1e999", HUGE, b"1.10", b'"\\u00e9\\n"', b"[true, {}]", b"-0.0", b'"\\ud800 x"']
)
def test_an_unknown_value_is_kept_as_it_was_written(text):
    _, _, drift = accepted(in_details(b'"new": ' + text))
    assert drift.encode() == b'{"event_details":{"new":%b}}' % text


@given(st.dictionaries(st.text() | st.emails() | st.from_regex(r"[a-z_]{1,9}"), st.integers()))
def test_a_name_that_may_be_a_value_is_masked_in_the_same_way_in_any_order(fields):
    names = drift_names(json.dumps(fields), {})
    again = drift_names(json.dumps(dict(reversed(fields.items()))), {})
    masked = [name for name in fields if not is_name(name)]
    shown = [f"<name {n}>" for n in range(1, len(masked) + 1)]
    assert names == again == sorted([*filter(is_name, fields), *shown])
    assert masked_names(json.dumps(names).encode()) == len(masked)


def test_names_are_masked_by_place_and_a_number_is_that_of_all_items_together():
    item = FieldType(kind="record", fields={"known": FieldType(kind="int")})
    items = FieldType(kind="array", items=item)
    drift = {"items": {"0": {"b@x.org": 1, "ok": 1}, "1": {"a@x.org": 1, "b@x.org": 1}}, "c d": 1}
    assert drift_names(json.dumps(drift), {"items": items}) == [
        "<name 1>", "items[].<name 1>", "items[].<name 2>", "items[].ok",
    ]  # fmt: skip


def test_strange_names_of_unknown_fields_are_kept():
    for name in ("", ".", "$", "ä", "a\nb", '"', "__class__", "event_details", "\\ud800", "\ud800"):
        drift = accepted(any_view(**{name: 1}))[2]
        assert json.loads(drift) == {"event_details": {name: 1}}
