"""Claims over all inputs: never raises, both ways of reading agree, equal content is equal."""

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.content import content_digest
from schemas.contract import load_contracts
from schemas.decoder import Decoder
from schemas.events import RawEvent
from schemas.refusal import Refusal
from schemas.rejected import Reason
from schemas.unknown_fields import drift_names
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
    write_contract,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3)
    ),
    max_leaves=6,
)
numbers = st.integers(-(10**6), 10**6)
parts = st.fixed_dictionaries({"label": st.text(max_size=5), "n": st.integers(-5, 5)})
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(2001, 1, 1), datetime(2025, 1, 1), timezones=offsets)
details = st.fixed_dictionaries(
    {},
    optional={
        "boolean": st.none() | st.booleans(),
        "long": st.none() | st.integers(-(2**63), 2**63 - 1),
        "double": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "string": st.none() | st.text(max_size=8),
        "timestamp_micros": times.map(datetime.isoformat),
        "decimal": numbers.map(lambda n: f"{n / 100:.2f}" if abs(n) < 10**6 else "1"),
        "colour": st.none() | st.sampled_from(["red", "green"]),
        "part": st.none() | parts,
        "parts": st.lists(parts, max_size=2),
        "by_name": st.dictionaries(st.text(max_size=3), parts, max_size=2),
        "class": st.text(max_size=3),
        "from": st.text(max_size=3),
    },
)


def outcome(result):
    if isinstance(result, Refusal):
        return result.reason
    record, event_time, drift = result
    return record, event_time, drift and json.loads(drift)


@given(st.binary(max_size=60), st.sampled_from([{}, {"content-encoding": "gzip"}]))
def test_arbitrary_bytes_never_raise(payload, attributes):
    assert isinstance(Decoder(SHIPPED).decode(RawEvent(payload, attributes), 0), Refusal)


@given(st.data())
def test_mutated_events_never_raise(data):
    payload = bytearray(wire(any_view(new=[{"a": 1}])))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(payload) - 1))
        end = min(len(payload), start + data.draw(st.integers(0, 6)))
        inserted = data.draw(
            st.binary(max_size=3)
            | st.sampled_from([b'"', b"{", b"\\u", b"\\ud83d", b"1e9", b"NaN", b"9" * 30])
        )
        payload[start:end] = inserted
        if not payload:
            break
    result = read(bytes(payload))
    if not isinstance(result, Refusal):
        _, event_time, drift = result
        assert Decoder(SHIPPED).read(bytes(payload), {}, None)[1] == event_time
        assert drift is None or isinstance(json.loads(drift), dict)


@given(
    st.dictionaries(st.sampled_from([*any_event(), "x"]), json_values),
    st.dictionaries(st.sampled_from(["page", "platform", "campaign", "country", "y"]), json_values),
)
def test_any_json_in_any_field_never_raises(envelope, inner):
    event = any_event(**{"event_details": {**any_event()["event_details"], **inner}, **envelope})
    result = read(event)
    assert result == read(wire(event))
    assert not isinstance(result, Refusal) or result.detail.isascii()


@given(details, json_values, st.data())
def test_both_ways_of_reading_agree(things, inner, unknown, data):
    """An unknown field sends a payload the slower way, and changes nothing of what is known."""
    broken = data.draw(
        st.none()
        | st.sampled_from(
            [("long", "5"), ("colour", "blue"), ("decimal", "1.001"), ("part", {}), ("string", 5)]
        )
    )
    if broken is not None:
        inner = {**inner, broken[0]: broken[1]}
    event = thing(**inner)
    unknown_text = msgspec.json.decode(msgspec.json.encode(unknown)) if unknown == unknown else None
    plain = outcome(read(event, things))
    drifting = outcome(read({**event, "unknown": unknown_text}, things))
    if isinstance(plain, Reason):
        assert drifting is plain
    else:
        assert drifting[:2] == plain[:2]
        assert drifting[2] == {"unknown": unknown_text}


def respelled(value, data):
    """Write JSON differently: key order, white space, escapes, spelling of numbers, offsets."""
    space = data.draw(st.sampled_from(["", " ", "\n\t"]))
    if isinstance(value, dict):
        keys = data.draw(st.permutations(list(value)))
        members = [
            f"{respelled(key, data)}{space}:{space}{respelled(value[key], data)}" for key in keys
        ]
        return "{" + f",{space}".join(members) + space + "}"
    if isinstance(value, list):
        return "[" + f"{space},".join(respelled(one, data) for one in value) + "]"
    if isinstance(value, str):
        return data.draw(
            st.sampled_from(
                [json.dumps(value), json.dumps(value, ensure_ascii=False), escaped(value)]
            )
        )
    if isinstance(value, float):
        return data.draw(st.sampled_from([repr(value), f"{Decimal(repr(value)):E}"]))
    return json.dumps(value)


def escaped(text):
    units = text.encode("utf-16-be")
    return (
        '"'
        + "".join(f"\\u{units[at] * 256 + units[at + 1]:04x}" for at in range(0, len(units), 2))
        + '"'
    )


def moved(text, minutes):
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat()


@given(details, st.data())
def test_the_digest_is_that_of_the_content_not_of_its_spelling(things, inner, data):
    event = thing(**inner)
    other = json.loads(json.dumps(event))
    other["event_timestamp"] = moved(other["event_timestamp"], data.draw(st.integers(-600, 600)))
    changed = other["event_details"]
    if "timestamp_micros" in changed:
        changed["timestamp_micros"] = moved(
            changed["timestamp_micros"], data.draw(st.integers(-600, 600))
        )
    if "decimal" in changed:
        changed["decimal"] = data.draw(
            st.sampled_from([changed["decimal"], float(changed["decimal"])])
        )
    for name in [name for name, value in changed.items() if value is None]:
        if data.draw(st.booleans()):
            del changed[name]
    if data.draw(st.booleans()):
        changed.setdefault("from", "here")
    if data.draw(st.booleans()):
        other["unknown"] = {"new": 1}
    one = accepted(event, things)[0]
    again = accepted(respelled(other, data).encode(), things)[0]
    assert content_digest(again) == content_digest(one)


@given(details, details)
def test_other_content_has_another_digest(things, first, second):
    one, two = (accepted(thing(**inner), things)[0] for inner in (first, second))
    assert (content_digest(one) == content_digest(two)) is (one == two)


@pytest.mark.parametrize("name", ["event_id", "user_id", "session_id", "source_system"])
def test_the_digest_covers_the_envelope(name):
    assert content_digest(accepted(any_event(**{name: "other"}))[0]) != content_digest(
        accepted(any_event())[0]
    )


def test_the_digest_does_not_change_when_a_contract_gains_a_nullable_field(tmp_path):
    old, new = every_type(), every_type()
    new["fields"] = [
        {"name": "added", "type": ["null", "string"], "default": None},
        *reversed(new["fields"][:8]),
        *new["fields"][8:],
    ]
    digests = []
    for at, spec in enumerate((old, new)):
        decoder = Decoder(load_contracts(write_contract(tmp_path / str(at), spec)))
        digests.append(content_digest(accepted(thing(string="x", long=5), decoder)[0]))
    assert digests[0] == digests[1]
    assert digests[0].hex() == "3f92a6e0d508d9c57b31590fdb07a07a"


def test_names_of_unknown_fields_hold_neither_values_nor_keys_nor_positions(things, tmp_path):
    contracts = load_contracts(write_contract(tmp_path, every_type()))
    part = {"label": "l", "n": 1, "planted": {"planted-value": 1}}
    event = {**thing(parts=[part, part], by_name={"planted-key": part}, part=part, new=1), "top": 1}
    drift = accepted(event, things)[2]
    assert drift_names(drift, contracts.event("thing").fields) == [
        "event_details.by_name[].planted",
        "event_details.new",
        "event_details.part.planted",
        "event_details.parts[].planted",
        "top",
    ]


@pytest.mark.parametrize("value", ["ana.plant@example.com", "planted-secret", "198.51.100.23"])
def test_no_refusal_repeats_a_value(things, value):
    for name in ("event_id", "event_type", "user_id", "session_id", "event_timestamp"):
        for planted in (value, [value], {value: value}, value * 90):
            result = read(any_event(**{name: planted}))
            if isinstance(result, Refusal):
                assert "plant" not in result.detail
                assert value not in result.detail
    for name in every_type()["fields"]:
        for planted in (
            value,
            [value],
            {value: {"label": value}},
            {value: value},
            [{"label": [value]}],
        ):
            result = read(thing(**{name["name"]: planted}, unknown=value), things)
            if isinstance(result, Refusal):
                assert value not in result.detail
    assert value not in refused(any_view(platform=f"x - at `$.{value}`")).detail


@given(st.data())
def test_of_members_repeated_anywhere_the_last_wins(data):
    """Repeating members changes nothing but which of them count."""
    pool = [
        ("event_id", '"e"'), ("event_id", "5"),
        ("event_type", '"click"'), ("event_type", '"page_view"'),
        ("event_type", "5"), ("user_id", '""'), ("new", "[1]"),
        ("event_details", '{"page":"/","platform":"web"}'),
        ("event_details", '{"page":5,"page":"/","platform":"fax","platform":"web"}'),
        ("event_details", '{"page":"/","platform":"web","element":"b","x":1}'),
        ("event_details", '{"page":"/","platform":"fax"}'),
    ]  # fmt: skip
    drawn = data.draw(st.lists(st.sampled_from(pool), max_size=6))
    members = [(name, json.dumps(value)) for name, value in any_event().items()]
    members = data.draw(st.permutations([*members, *drawn]))
    last = dict(members)
    repeated, once = (
        read(("{" + ",".join(f'"{name}":{value}' for name, value in each) + "}").encode())
        for each in (members, last.items())
    )
    assert outcome(repeated) == outcome(once)
