import json
import pickle

import pytest

from schemas.decoder import Decoder
from schemas.events import RawEvent
from schemas.refusal import Refusal
from schemas.rejected import Reason
from schemas.times import DAY, parse_rfc3339
from tests.schemas.any_event import (
    SHIPPED,
    accepted,
    any_event,
    any_view,
    read,
    refused,
    thing,
    wire,
    without,
    zipped,
)

HUGE = b"9" * 5000


def nested(levels, inside=b"1"):
    return b'{"a":' * levels + inside + b"}" * levels


def in_details(text):
    return wire(any_view(x=0)).replace(b'"x": 0', text)


@pytest.mark.parametrize(
    ("payload", "reason", "detail"),
    [
        (b"", Reason.EMPTY_PAYLOAD, "payload: no bytes"),
        (b"\xff\xfe{}", Reason.NOT_UTF8, "payload: not UTF-8"),
        (wire(any_event()).replace(b"u-1", b"u-\xff"), Reason.NOT_UTF8, "payload: not UTF-8"),
        (in_details(b'"new": "\xff"'), Reason.NOT_UTF8, "payload: not UTF-8"),
        (wire(any_event()).decode().encode("utf-16"), Reason.NOT_UTF8, "payload: not UTF-8"),
        (b"hello", Reason.NOT_JSON, "payload: not JSON"),
        (b"2026-01-31 a line of a log", Reason.NOT_JSON, "payload: not JSON"),
        (b"[1, 2", Reason.NOT_JSON, "payload: not JSON"),
        (b'"never closed', Reason.NOT_JSON, "payload: not JSON"),
        (b'[NaN, "\\ud800"]', Reason.NOT_AN_OBJECT, "payload: not an object"),
        (b" \n", Reason.NOT_JSON, "payload: not JSON"),
        (wire(any_event())[:-1], Reason.NOT_JSON, "payload: not JSON"),
        (wire(any_event()) + b"x", Reason.NOT_JSON, "payload: not JSON"),
        (wire(any_event()) * 2, Reason.NOT_JSON, "payload: not JSON"),
        (b"\xef\xbb\xbf" + wire(any_event()), Reason.NOT_JSON, "payload: not JSON"),
        (in_details(b'"duration_ms": 05'), Reason.NOT_JSON, "payload: not JSON"),
        (in_details(b'"page": "\x01"'), Reason.NOT_JSON, "payload: not JSON"),
        (in_details(b'"duration_ms": "5",'), Reason.NOT_JSON, "payload: not JSON"),
        (b"[]", Reason.NOT_AN_OBJECT, "payload: not an object"),
        (b"[" + wire(any_event()) + b"]", Reason.NOT_AN_OBJECT, "payload: not an object"),
        (b"null", Reason.NOT_AN_OBJECT, "payload: not an object"),
        (b'"text"', Reason.NOT_AN_OBJECT, "payload: not an object"),
        (b"5", Reason.NOT_AN_OBJECT, "payload: not an object"),
        (HUGE, Reason.NOT_AN_OBJECT, "payload: not an object"),
        (b"{}", Reason.MISSING_FIELD, "event_type: required"),
        (in_details(b'"duration_ms": NaN'), Reason.NUMBER_OUT_OF_RANGE, "payload: NaN or Infinity"),
        (
            in_details(b'"duration_ms": -Infinity'),
            Reason.NUMBER_OUT_OF_RANGE,
            "payload: NaN or Infinity",
        ),
        (in_details(b'"new": [Infinity]'), Reason.NUMBER_OUT_OF_RANGE, "payload: NaN or Infinity"),
        (
            in_details(b'"duration_ms": ' + HUGE),
            Reason.NUMBER_OUT_OF_RANGE,
            "event_details.duration_ms: too large or too small",
        ),
        (
            in_details(b'"duration_ms": 9223372036854775808'),
            Reason.NUMBER_OUT_OF_RANGE,
            "event_details.duration_ms: too large",
        ),
        (
            in_details(b'"duration_ms": -9223372036854775809'),
            Reason.NUMBER_OUT_OF_RANGE,
            "event_details.duration_ms: too small",
        ),
        (
            in_details(b'"page": "\\ud800"'),
            Reason.BAD_VALUE,
            "payload: half a character (lone surrogate)",
        ),
    ],
)
def test_bytes_that_are_no_event_have_their_reason(payload, reason, detail):
    found = refused(payload)
    assert (found.reason, found.detail) == (reason, detail)


@pytest.mark.parametrize(
    "name", ["event_id", "event_type", "user_id", "event_timestamp", "event_details"]
)
def test_a_missing_field_is_named(name):
    found = refused(without(any_event(), name))
    assert (found.reason, found.detail) == (Reason.MISSING_FIELD, f"{name}: required")


def test_session_and_source_may_be_absent_or_null():
    absent, null = any_event(), any_event(session_id=None, source_system=None)
    absent = without(without(absent, "session_id"), "source_system")
    for event in (absent, null):
        record = accepted(event)[0]
        assert (record.session_id, record.source_system) == (None, None)


@pytest.mark.parametrize(
    ("event", "reason", "detail"),
    [
        (any_event(event_id=5), Reason.WRONG_TYPE, "event_id: expected str, got int"),
        (any_event(user_id=None), Reason.WRONG_TYPE, "user_id: expected str, got null"),
        (any_event(event_type=None), Reason.WRONG_TYPE, "event_type: expected str"),
        (any_event(event_type=["page_view"]), Reason.WRONG_TYPE, "event_type: expected str"),
        (
            any_event(event_timestamp=5),
            Reason.WRONG_TYPE,
            "event_timestamp: expected datetime, got int",
        ),
        (
            any_event(event_details=[]),
            Reason.WRONG_TYPE,
            "event_details: expected object, got array",
        ),
        (
            any_event(event_details=None),
            Reason.WRONG_TYPE,
            "event_details: expected object, got null",
        ),
        (any_view(page=True), Reason.WRONG_TYPE, "event_details.page: expected str, got bool"),
        (
            any_view(duration_ms=1.5),
            Reason.WRONG_TYPE,
            "event_details.duration_ms: expected int | null, got float",
        ),
        (
            any_view(duration_ms=5.0),
            Reason.WRONG_TYPE,
            "event_details.duration_ms: expected int | null, got float",
        ),
        (
            any_view(duration_ms="5"),
            Reason.WRONG_TYPE,
            "event_details.duration_ms: expected int | null, got str",
        ),
        (
            any_view(campaign=[]),
            Reason.WRONG_TYPE,
            "event_details.campaign: expected object | null, got array",
        ),
        (any_view(campaign={}), Reason.MISSING_FIELD, "event_details.campaign.source: required"),
        (
            any_view(platform="fax"),
            Reason.BAD_ENUM_VALUE,
            "event_details.platform: not one of the symbols",
        ),
        (
            any_view(platform="Web"),
            Reason.BAD_ENUM_VALUE,
            "event_details.platform: not one of the symbols",
        ),
        (any_view(platform=5), Reason.WRONG_TYPE, "event_details.platform: expected str, got int"),
        (
            any_event(event_type="nothing"),
            Reason.UNKNOWN_EVENT_TYPE,
            "event_type: no such contract",
        ),
        (any_event(event_type=""), Reason.UNKNOWN_EVENT_TYPE, "event_type: no such contract"),
        (
            any_event(event_type="Page_View"),
            Reason.UNKNOWN_EVENT_TYPE,
            "event_type: no such contract",
        ),
    ],
)
def test_a_wrong_field_has_its_reason_also_beside_unknown_ones(event, reason, detail):
    for each in (event, {**event, "new": {"a": [1]}}, {"new": 1, **event}):
        found = refused(each)
        assert (found.reason, found.detail) == (reason, detail)


@pytest.mark.parametrize("name", ["event_id", "user_id", "session_id"])
def test_an_id_has_1_to_256_bytes(name):
    for good in ("x", "x" * 256, "ä" * 128, "😀" * 64, "\0"):
        assert getattr(accepted(any_event(**{name: good}))[0], name) == good
    for bad in ("", "x" * 257, "ä" * 129, "😀" * 65):
        found = refused(any_event(**{name: bad}))
        assert (found.reason, found.detail) == (
            Reason.BAD_ID,
            f"{name}: not 1 to 256 bytes of UTF-8",
        )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00:00.5",
        "12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-06-30T23:59:60Z",
        "2026-01-31T12:00Z",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00.Z",
        "1769860800",
        "2026-01-31T12:00:00.1234567Z",
        "2026-01-31T12:00:00.0000000Z",
        "2026-01-31T12:00:00.123456789+01:00",
        "2026-01-31T12:00:00 UTC",
    ],
)
def test_a_time_without_offset_or_sense_is_a_bad_timestamp(text):
    for event in (any_event(event_timestamp=text), any_event(event_timestamp=text, new=1)):
        assert refused(event).reason is Reason.BAD_TIMESTAMP


def test_escapes_do_not_hide_what_is_finer_than_microseconds():
    text = wire(any_event(event_timestamp="2026-01-31T12:00:00.1234567Z"))
    for hidden in (
        text.replace(b".1234567", b".\\u0031234567"),
        text.replace(b"event_times", b"event\\u005ftimes"),
    ):
        assert refused(hidden).reason is Reason.BAD_TIMESTAMP


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31t12:00:00z",
        "2026-01-31 12:00:00Z",
        "2026-01-31T13:00:00+01:00",
        "2026-01-31T12:00:00.0Z",
        "2026-01-31T12:00:00.000000+00:00",
        "2026-01-31T07:00:00-05:00",
        "2026-01-31T12:00:00-00:00",
        "2026-01-31T12:00:00.1+0000"[:19] + "+0000",
    ],
)
def test_rfc_3339_times_of_one_instant_are_one_time(text):
    assert accepted(any_event(event_timestamp=text))[1] == parse_rfc3339("2026-01-31T12:00:00Z")


def test_event_times_have_bounds():
    at = parse_rfc3339("2026-01-31T12:00:00Z")
    day_ahead = any_event(event_timestamp="2026-02-01T12:00:00Z")
    past_it = any_event(event_timestamp="2026-02-01T12:00:00.000001Z")
    assert read(day_ahead, at=at)[1] == at + DAY
    assert refused(past_it, at=at).reason is Reason.TIME_OUT_OF_RANGE
    assert accepted(past_it)[1] == at + DAY + 1
    assert accepted(any_event(event_timestamp="2000-01-01T00:00:00Z"))[1] == 946684800000000
    for early in (
        "1999-12-31T23:59:59.999999Z",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00+23:59",
    ):
        assert refused(any_event(event_timestamp=early)).reason is Reason.TIME_OUT_OF_RANGE
    assert (
        refused(any_event(event_timestamp="9999-12-31T23:59:59-23:59"), at=at).reason
        is Reason.TIME_OUT_OF_RANGE
    )


def test_an_event_time_that_utc_cannot_write_is_refused_where_nothing_bounds_the_future():
    assert accepted(any_event(event_timestamp="9999-12-31T23:59:59.999999Z"))
    beyond = any_event(event_timestamp="9999-12-31T23:59:59-00:01")
    assert refused(beyond).reason is Reason.TIME_OUT_OF_RANGE


def test_the_publish_time_counts_before_the_clock():
    event = any_event(event_timestamp="2026-01-31T12:00:00Z")
    at = parse_rfc3339("2026-01-31T12:00:00Z")
    decoder = Decoder(SHIPPED, max_future=0)
    for publish_time, now, fits in (
        (at, at - 1, True),
        (at - 1, at, False),
        (None, at, True),
        (None, at - 1, False),
        (None, None, True),
    ):
        result = decoder.decode(RawEvent(wire(event), publish_time=publish_time), now)
        assert isinstance(result, Refusal) is not fits


def test_a_refusal_has_the_event_time_where_it_can_be_read():
    at = parse_rfc3339("2026-01-31T12:00:00.123456Z")
    for event in (
        any_view(platform="fax"),
        any_event(event_id=""),
        any_event(event_type="x"),
        any_event(event_details=1),
    ):
        assert refused(event).event_time == at
    for event in (b"{", any_event(event_timestamp="x"), without(any_event(), "event_timestamp")):
        assert refused(event).event_time is None


def test_depth_64_is_taken_and_65_is_not_wherever_it_is():
    known = wire(any_event())[:-1]
    for levels, fits in ((63, True), (64, False)):
        payload = known + b',"new":' + nested(levels) + b"}"
        assert isinstance(read(payload), Refusal) is not fits
        assert isinstance(read(in_details(b'"new": ' + nested(levels - 1))), Refusal) is not fits
    assert refused(known + b',"new":' + nested(64) + b"}").reason is Reason.TOO_DEEP
    assert refused(nested(65)).reason is Reason.TOO_DEEP
    assert refused(nested(64)).reason is Reason.MISSING_FIELD
    assert refused(b"[" * 900_000).reason is Reason.TOO_DEEP
    assert refused(in_details(b'"page": ' + nested(64))).reason is Reason.TOO_DEEP


def test_brackets_in_strings_are_no_depth():
    text = '[{"\\' * 100
    assert json.loads(accepted(any_event(new=text))[2]) == {"new": text}
    assert refused(b'{"' + b'\\"' * 400_000 + b"[" * 100).reason is Reason.NOT_JSON


def test_the_size_is_bounded_as_received_and_inflated():
    event = wire(any_event(new="x" * 1000))
    exact, smaller = (
        Decoder(SHIPPED, max_event_bytes=len(event)),
        Decoder(SHIPPED, max_event_bytes=len(event) - 1),
    )
    for sent in (RawEvent(event), zipped(event)):
        assert accepted(sent, exact)
        assert refused(sent, smaller).reason is Reason.PAYLOAD_TOO_LARGE
    default = wire(any_event(new="")).replace(b'"new": ""', b'"new": "%b"' % (b"x" * 1_000_000))
    assert refused(default).reason is Reason.PAYLOAD_TOO_LARGE


@pytest.mark.parametrize(
    ("text", "page"),
    [
        (b'"page": "/first", "page": "/last"', "/last"),
        (b'"page": 5, "page": "/last"', "/last"),
        (b'"page": "/first", "p\\u0061ge": "/last"', "/last"),
    ],
)
def test_of_a_repeated_key_the_last_wins(text, page):
    assert accepted(in_details(text))[0].event_details.page == page


def test_of_a_repeated_event_type_or_details_the_last_wins():
    event = wire(any_event())[:-1]
    assert accepted(event + b',"event_type":"page_view"}')[0].event_id == "e-1"
    assert refused(event + b',"event_type":"nothing"}').reason is Reason.UNKNOWN_EVENT_TYPE
    other = (
        event
        + b',"event_type":"click","event_details":{"page":"/","element":"e","platform":"web"}}'
    )
    assert accepted(other)[0].event_details.element == "e"
    assert refused(event + b',"event_id":5}').reason is Reason.WRONG_TYPE


def test_a_decoder_travels_to_workers():
    decoder = pickle.loads(pickle.dumps(Decoder(SHIPPED, 5, 1000)))
    assert accepted(any_event(), decoder)[0].event_id == "e-1"
    assert refused(any_event(new="x" * 1000), decoder).reason is Reason.PAYLOAD_TOO_LARGE


def test_a_record_names_its_event_type_and_can_be_changed():
    record = Decoder(SHIPPED).decode(RawEvent(wire(any_event())), None)
    assert type(record).__struct_config__.tag == "page_view"
    record.user_id = "other"
    assert record.user_id == "other"


def test_rereading_gives_the_record_again(things):
    part = {"label": "l", "n": 1, "new": 5}
    raw = zipped(
        thing(
            decimal="1.5", parts=[part], double=-0.0, timestamp_micros="2026-01-31T13:00:00+01:00"
        )
    )
    record = accepted(raw, things)[0]
    assert things.reread(raw.payload, raw.attributes) == record
    assert Decoder(SHIPPED).reread(wire(any_event()), {}).event_id == "e-1"


def test_rereading_what_was_never_accepted_is_an_error_without_values():
    with pytest.raises(ValueError, match="never accepted: bad_enum_value") as caught:
        Decoder(SHIPPED).reread(wire(any_view(platform="planted")), {})
    assert "planted" not in str(caught.value)
