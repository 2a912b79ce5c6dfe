import math

import pytest

from schemas.rejected import Reason
from tests.schemas.any_event import (
    accepted,
    refused,
    thing,
    wire,
)


@pytest.mark.parametrize(
    ("field", "written", "value"),
    [
        ("boolean", True, True),
        ("int", -(2**31), -(2**31)),
        ("long", 2**63 - 1, 2**63 - 1),
        ("float", 1, 1.0),
        ("double", 1e300, 1e300),
        ("bytes", "aGk=", b"hi"),
        ("string", "", ""),
        ("uuid", "5B0B9C0E64A54B1C8A5E1C1F7F0F3F11", "5b0b9c0e-64a5-4b1c-8a5e-1c1f7f0f3f11"),
        ("date", "2026-02-28", "2026-02-28"),
        ("timestamp_micros", "2026-01-31T13:00:00.5+01:00", "2026-01-31 12:00:00.500000+00:00"),
        ("decimal", "1.5", "1.50"),
        ("decimal", 1.5, "1.50"),
        ("decimal", 9999.99, "9999.99"),
        ("decimal", "-0", "0.00"),
        ("colour", "red", "red"),
        ("words", ["a", None], ["a", None]),
        ("grid", [[1], []], [[1], []]),
        ("class", "x", "x"),
        ("from", "x", "x"),
        ("double", None, None),
    ],
)
def test_each_type_has_one_form(things, field, written, value):
    found = getattr(accepted(thing(**{field: written}), things)[0].event_details, field)
    assert value in (found, str(found))


@pytest.mark.parametrize(
    ("field", "written", "reason"),
    [
        ("int", 2**31, Reason.NUMBER_OUT_OF_RANGE),
        ("int", -(2**31) - 1, Reason.NUMBER_OUT_OF_RANGE),
        ("float", 1e39, Reason.NUMBER_OUT_OF_RANGE),
        ("double", int("9" * 400), Reason.NUMBER_OUT_OF_RANGE),
        ("double", "1", Reason.WRONG_TYPE),
        ("bytes", "aGk", Reason.BAD_VALUE),
        ("uuid", "x", Reason.BAD_VALUE),
        ("date", "2026-02-30", Reason.BAD_TIMESTAMP),
        ("timestamp_micros", "2026-01-31T13:00:00", Reason.BAD_TIMESTAMP),
        ("timestamp_millis", 1769860800000, Reason.WRONG_TYPE),
        ("timestamp_millis", "0001-01-01T00:00:00+23:59", Reason.BAD_TIMESTAMP),
        ("decimal", "1.005", Reason.BAD_VALUE),
        ("decimal", "10000", Reason.NUMBER_OUT_OF_RANGE),
        ("decimal", "1e999999999", Reason.NUMBER_OUT_OF_RANGE),
        ("decimal", "1e-999999999", Reason.BAD_VALUE),
        ("decimal", "NaN", Reason.NUMBER_OUT_OF_RANGE),
        ("decimal", "-Infinity", Reason.NUMBER_OUT_OF_RANGE),
        ("decimal", "x", Reason.BAD_VALUE),
        ("decimal", True, Reason.WRONG_TYPE),
        ("colour", "blue", Reason.BAD_ENUM_VALUE),
        ("words", [1], Reason.WRONG_TYPE),
        ("parts", [{"label": "l"}], Reason.MISSING_FIELD),
        ("by_name", {"planted": {"label": 5, "n": 1}}, Reason.WRONG_TYPE),
        ("from", None, Reason.WRONG_TYPE),
    ],
)
def test_a_value_beyond_its_type_has_its_reason(things, field, written, reason):
    for event in (thing(**{field: written}), thing(**{field: written}, new=1)):
        found = refused(event, things)
        assert found.reason is reason
        assert found.detail.startswith(f"event_details.{field}")
        assert "planted" not in found.detail


def test_a_number_beyond_a_double_is_out_of_range(things):
    event = wire(thing(double=0)).replace(b'"double": 0', b'"double": -1e400')
    assert refused(event, things).reason is Reason.NUMBER_OUT_OF_RANGE
    tiny = wire(thing(double=0)).replace(b'"double": 0', b'"double": 1e-400')
    assert accepted(tiny, things)[0].event_details.double == 0.0
    minus = accepted(thing(double=-0.0), things)[0].event_details.double
    assert math.copysign(1, minus) == 1


def test_an_absent_field_takes_its_default(things):
    assert getattr(accepted(thing(), things)[0].event_details, "from") == "here"
