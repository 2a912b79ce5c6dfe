import json

import pytest

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


def test_strange_names_of_unknown_fields_are_kept():
    for name in ("", ".", "$", "ä", "a\nb", '"', "__class__", "event_details", "\\ud800", "\ud800"):
        drift = accepted(any_view(**{name: 1}))[2]
        assert json.loads(drift) == {"event_details": {name: 1}}
