import datetime
import decimal
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.values import ValueType, decode_value, encode_value, to_plain

UTC = datetime.timezone.utc
INT64 = st.integers(-(2**63), 2**63 - 1)
TIMES = st.datetimes(timezones=st.just(UTC))
VALUES = {
    "int": INT64,
    "long": INT64,
    "float": st.floats(allow_nan=False),
    "double": st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "string": st.text(),
    "enum": st.text(),
    "uuid": st.uuids(),
    "bytes": st.binary(),
    "date": st.dates(),
    "timestamp-micros": TIMES,
    "timestamp-millis": TIMES.map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)),
}


@pytest.mark.parametrize(
    ("kind", "value", "encoded"),
    [
        ("long", 0, "0000000000000000"),
        ("long", -2, "fffffffffffffffe"),
        ("int", 258, "0000000000000102"),
        ("string", "Zoë", "5a6fc3ab"),
        ("enum", "EUR", "455552"),
        ("boolean", True, "01"),
        ("boolean", False, "00"),
        ("double", 1.5, "3ff8000000000000"),
        ("float", -0.0, "0000000000000000"),
        ("bytes", b"\x00\xff", "00ff"),
        ("date", datetime.date(1970, 1, 3), "0000000000000002"),
        ("timestamp-micros", datetime.datetime(1970, 1, 1, 0, 0, 1, 5, UTC), "00000000000f4245"),
        ("timestamp-millis", datetime.datetime(1970, 1, 1, 0, 0, 1, 5999, UTC), "00000000000003ed"),
        (
            "uuid",
            uuid.UUID("12345678-1234-5678-1234-567812345678"),
            b"12345678-1234-5678-1234-567812345678".hex(),
        ),
    ],
)
def test_each_kind_has_its_documented_bytes(kind, value, encoded):
    assert encode_value(to_plain(ValueType(kind), value)).hex() == encoded


def test_a_decimal_is_its_scaled_integer():
    value_type = ValueType("decimal", 2)
    assert encode_value(to_plain(value_type, decimal.Decimal("-19.9"))).hex() == "fffffffffffff83a"
    assert decode_value(value_type, bytes.fromhex("fffffffffffff83a")) == decimal.Decimal("-19.90")


@given(st.sampled_from(sorted(VALUES)).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind])))
def test_what_is_encoded_is_decoded_to_the_same(pair):
    kind, value = pair
    value_type = ValueType(kind)
    assert decode_value(value_type, encode_value(to_plain(value_type, value))) == value


@given(st.decimals(-(10**15), 10**15, places=3))
def test_decimals_survive_at_their_scale(value):
    value_type = ValueType("decimal", 3)
    assert decode_value(value_type, encode_value(to_plain(value_type, value))) == value


@pytest.mark.parametrize(("value", "kept"), [(2**70, 2**63 - 1), (-(2**70), -(2**63))])
def test_integers_beyond_64_bits_saturate(value, kept):
    assert decode_value(ValueType("long"), encode_value(value)) == kept


@pytest.mark.parametrize(
    ("kind", "encoded"),
    [("long", b"abc"), ("double", b""), ("boolean", b"ab"), ("string", b"\xff")],
)
def test_bytes_of_another_kind_are_a_value_error(kind, encoded):
    with pytest.raises(ValueError):
        decode_value(ValueType(kind), encoded)
