import gzip
import json
import math
import pickle
import zlib

import pytest

from schemas.contract import load_contracts
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
    every_type,
    read,
    refused,
    thing,
    wire,
    without,
    write_contract,
    zipped,
)

HUGE = b"9" * 5000


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    return Decoder(load_contracts(write_contract(tmp_path_factory.mktemp("c"), every_type())))


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
        (in_details(b'"duration_ms": -Infinity'), Reason.NUMBER_OUT_OF_RANGE, "payload: NaN or Infinity"),
        (in_details(b'"new": [Infinity]'), Reason.NUMBER_OUT_OF_RANGE, "payload: NaN or Infinity"),
        (in_details(b'"duration_ms": ' + HUGE), Reason.NUMBER_OUT_OF_RANGE, "event_details.duration_ms: too large or too small"),
        (in_details(b'"duration_ms": 9223372036854775808'), Reason.NUMBER_OUT_OF_RANGE, "event_details.duration_ms: too large"),
        (in_details(b'"duration_ms": -9223372036854775809'), Reason.NUMBER_OUT_OF_RANGE, "event_details.duration_ms: too small"),
        (in_details(b'"page": "\\ud800"'), Reason.BAD_VALUE, "payload: half a character (lone surrogate)"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_event_have_their_reason(payload, reason, detail):
    found = refused(payload)
    assert (found.reason, found.detail) == (reason, detail)


@pytest.mark.parametrize("name", ["event_id", "event_type", "user_id", "event_timestamp", "event_details"])
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
        (any_event(event_timestamp=5), Reason.WRONG_TYPE, "event_timestamp: expected datetime, got int"),
        (any_event(event_details=[]), Reason.WRONG_TYPE, "event_details: expected object, got array"),
        (any_event(event_details=None), Reason.WRONG_TYPE, "event_details: expected object, got null"),
        (any_view(page=True), Reason.WRONG_TYPE, "event_details.page: expected str, got bool"),
        (any_view(duration_ms=1.5), Reason.WRONG_TYPE, "event_details.duration_ms: expected int | null, got float"),
        (any_view(duration_ms=5.0), Reason.WRONG_TYPE, "event_details.duration_ms: expected int | null, got float"),
        (any_view(duration_ms="5"), Reason.WRONG_TYPE, "event_details.duration_ms: expected int | null, got str"),
        (any_view(campaign=[]), Reason.WRONG_TYPE, "event_details.campaign: expected object | null, got array"),
        (any_view(campaign={}), Reason.MISSING_FIELD, "event_details.campaign.source: required"),
        (any_view(platform="fax"), Reason.BAD_ENUM_VALUE, "event_details.platform: not one of the symbols"),
        (any_view(platform="Web"), Reason.BAD_ENUM_VALUE, "event_details.platform: not one of the symbols"),
        (any_view(platform=5), Reason.WRONG_TYPE, "event_details.platform: expected str, got int"),
        (any_event(event_type="nothing"), Reason.UNKNOWN_EVENT_TYPE, "event_type: no such contract"),
        (any_event(event_type=""), Reason.UNKNOWN_EVENT_TYPE, "event_type: no such contract"),
        (any_event(event_type="Page_View"), Reason.UNKNOWN_EVENT_TYPE, "event_type: no such contract"),
    ],
)  # fmt: skip
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
        assert (found.reason, found.detail) == (Reason.BAD_ID, f"{name}: not 1 to 256 bytes of UTF-8")


@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31T12:00:00.5", "12:00:00Z",
        "2026-02-30T12:00:00Z", "2026-01-31T24:00:00Z", "2026-06-30T23:59:60Z", "2026-01-31T12:00Z",
        "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00.Z", "1769860800", "2026-01-31T12:00:00.1234567Z",
        "2026-01-31T12:00:00.0000000Z", "2026-01-31T12:00:00.123456789+01:00", "2026-01-31T12:00:00 UTC",
    ],
)  # fmt: skip
def test_a_time_without_offset_or_sense_is_a_bad_timestamp(text):
    for event in (any_event(event_timestamp=text), any_event(event_timestamp=text, new=1)):
        assert refused(event).reason is Reason.BAD_TIMESTAMP


def test_escapes_do_not_hide_what_is_finer_than_microseconds():
    text = wire(any_event(event_timestamp="2026-01-31T12:00:00.1234567Z"))
    for hidden in (text.replace(b".1234567", b".\\u0031234567"), text.replace(b"event_times", b"event\\u005ftimes")):
        assert refused(hidden).reason is Reason.BAD_TIMESTAMP


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00Z", "2026-01-31t12:00:00z", "2026-01-31 12:00:00Z", "2026-01-31T13:00:00+01:00",
        "2026-01-31T12:00:00.0Z", "2026-01-31T12:00:00.000000+00:00", "2026-01-31T07:00:00-05:00",
        "2026-01-31T12:00:00-00:00", "2026-01-31T12:00:00.1+0000"[:19] + "+0000",
    ],
)  # fmt: skip
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
    for early in ("1999-12-31T23:59:59.999999Z", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59"):
        assert refused(any_event(event_timestamp=early)).reason is Reason.TIME_OUT_OF_RANGE
    assert refused(any_event(event_timestamp="9999-12-31T23:59:59-23:59"), at=at).reason is Reason.TIME_OUT_OF_RANGE


def test_the_publish_time_counts_before_the_clock():
    event = any_event(event_timestamp="2026-01-31T12:00:00Z")
    at = parse_rfc3339("2026-01-31T12:00:00Z")
    decoder = Decoder(SHIPPED, max_future=0)
    for publish_time, now, fits in ((at, at - 1, True), (at - 1, at, False), (None, at, True), (None, at - 1, False), (None, None, True)):
        result = decoder.decode(RawEvent(wire(event), publish_time=publish_time), now)
        assert isinstance(result, Refusal) is not fits


def test_a_refusal_has_the_event_time_where_it_can_be_read():
    at = parse_rfc3339("2026-01-31T12:00:00.123456Z")
    for event in (any_view(platform="fax"), any_event(event_id=""), any_event(event_type="x"), any_event(event_details=1)):
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
    exact, smaller = Decoder(SHIPPED, max_event_bytes=len(event)), Decoder(SHIPPED, max_event_bytes=len(event) - 1)
    for sent in (RawEvent(event), zipped(event)):
        assert accepted(sent, exact)
        assert refused(sent, smaller).reason is Reason.PAYLOAD_TOO_LARGE
    default = wire(any_event(new="")).replace(b'"new": ""', b'"new": "%b"' % (b"x" * 1_000_000))
    assert refused(default).reason is Reason.PAYLOAD_TOO_LARGE


def test_gzip_is_undone_whatever_the_case_of_its_name():
    for name in ("gzip", "GZIP", "x-gzip", " Gzip "):
        raw = RawEvent(gzip.compress(wire(any_event())), {"content-encoding": name})
        assert accepted(raw)[0].event_id == "e-1"
    for name in ("", "identity", "utf-8"):
        assert accepted(RawEvent(wire(any_event()), {"content-encoding": name}))


def test_a_bomb_is_refused_without_being_inflated():
    bomb = gzip.compress(bytes(200_000_000), compresslevel=1)
    raw = RawEvent(bomb, {"content-encoding": "gzip"})
    assert refused(raw, Decoder(SHIPPED)).reason is Reason.PAYLOAD_TOO_LARGE
    members = RawEvent(gzip.compress(b" " * 600_000) * 2, {"content-encoding": "gzip"})
    assert refused(members).reason is Reason.PAYLOAD_TOO_LARGE


def test_members_of_a_gzip_stream_are_joined():
    text = wire(any_event())
    raw = RawEvent(gzip.compress(text[:50]) + gzip.compress(text[50:]), {"content-encoding": "gzip"})
    assert accepted(raw)[0].event_id == "e-1"


@pytest.mark.parametrize(
    "broken",
    [
        gzip.compress(b"{}")[:-1],
        gzip.compress(b"{}")[:5],
        gzip.compress(b"{}") + b"rest",
        gzip.compress(b"{}")[:-8] + bytes(8),
        zlib.compress(b"{}"),
        b"{}",
        b"\0",
    ],
)
def test_a_broken_gzip_stream_is_bad_compression(broken):
    found = refused(RawEvent(broken, {"content-encoding": "gzip"}))
    assert found.reason is Reason.BAD_COMPRESSION


def test_gzip_of_nothing_is_empty():
    for payload in (b"", gzip.compress(b"")):
        assert refused(RawEvent(payload, {"content-encoding": "gzip"})).reason is Reason.EMPTY_PAYLOAD


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
    other = event + b',"event_type":"click","event_details":{"page":"/","element":"e","platform":"web"}}'
    assert accepted(other)[0].event_details.element == "e"
    assert refused(event + b',"event_id":5}').reason is Reason.WRONG_TYPE


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
    assert json.loads(drift) == {"event_details": {"parts": {"1": {"p": 1}}, "by_name": {"a": {"m": 2}}}}
    assert [one.n for one in record.event_details.parts] == [1, 1]
    assert record.event_details.by_name["a"].label == "l"


@pytest.mark.parametrize("text", [b"1e999", HUGE, b"1.10", b'"\\u00e9\\n"', b"[true, {}]", b"-0.0", b'"\\ud800 x"'])
def test_an_unknown_value_is_kept_as_it_was_written(text):
    _, _, drift = accepted(in_details(b'"new": ' + text))
    assert drift.encode() == b'{"event_details":{"new":%b}}' % text


def test_strange_names_of_unknown_fields_are_kept():
    for name in ("", ".", "$", "ä", "a\nb", '"', "__class__", "event_details", "\\ud800", "\ud800"):
        drift = accepted(any_view(**{name: 1}))[2]
        assert json.loads(drift) == {"event_details": {name: 1}}


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
    raw = zipped(thing(decimal="1.5", parts=[part], double=-0.0, timestamp_micros="2026-01-31T13:00:00+01:00"))
    record = accepted(raw, things)[0]
    assert things.reread(raw.payload, raw.attributes) == record
    assert Decoder(SHIPPED).reread(wire(any_event()), {}).event_id == "e-1"


def test_rereading_what_was_never_accepted_is_an_error_without_values():
    with pytest.raises(ValueError, match="never accepted: bad_enum_value") as caught:
        Decoder(SHIPPED).reread(wire(any_view(platform="planted")), {})
    assert "planted" not in str(caught.value)
