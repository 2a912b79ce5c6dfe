"""Values of dimensions as text: reversible, and one text for one value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dimension_text import key_text, parse_key, parse_value, value_text
from schemas.metric import Dimension
from schemas.values import INT64_MAX, INT64_MIN, ValueType

LAST_MICRO = 253_402_300_799_999_999  # of the year 9999
FIRST_MICRO = -62_135_596_800_000_000
TYPES = {
    ValueType("string"): st.text("%#25 3é\0/", max_size=6) | st.text(max_size=4),
    ValueType("long"): st.integers(INT64_MIN, INT64_MAX),
    ValueType("boolean"): st.booleans(),
    ValueType("date"): st.integers(-719_162, 2_932_896),
    ValueType("timestamp-micros"): st.integers(FIRST_MICRO, LAST_MICRO),
    ValueType("timestamp-millis"): st.integers(FIRST_MICRO // 1_000, LAST_MICRO // 1_000),
    ValueType("decimal", 2): st.integers(-(10**18), 10**18),
    ValueType("decimal", 9): st.integers(-(10**38), 10**38),
}


def keys():
    one = st.sampled_from([*TYPES]).flatmap(
        lambda kind: st.tuples(st.just(kind), st.none() | TYPES[kind])
    )
    return st.lists(one, max_size=4)


@given(keys())
def test_a_key_is_read_back_from_its_text(key):
    dimensions = [Dimension(f"d{n}", "x", kind) for n, (kind, _) in enumerate(key)]
    values = [value for _, value in key]
    text = key_text(dimensions, values)
    assert parse_key(dimensions, text) == values
    assert text.encode().count(b"#") == max(0, len(key) - 1)


TEXTS = [Dimension("a", "a", ValueType("string")), Dimension("b", "b", ValueType("string"))]


@given(st.lists(st.tuples(*[st.none() | st.text("%#25 3", max_size=4)] * 2), unique=True))
def test_other_values_have_another_text(keys):
    assert len({key_text(TEXTS, key) for key in keys}) == len(keys)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (["", ""], "#"),
        ([None, ""], "%#"),
        (["%", "#"], "%25#%23"),
        (["%23", "a#b%"], "%2523#a%23b%25"),
        (["Zoë", "a b"], "Zoë#a b"),
    ],
)
def test_texts_are_the_documented_ones(values, text):
    assert key_text(TEXTS, values) == text
    assert parse_key(TEXTS, text) == values


@pytest.mark.parametrize(
    ("kind", "scale", "value", "text"),
    [
        ("long", 0, -7, "-7"),
        ("long", 0, 2**53 + 1, "9007199254740993"),
        ("boolean", 0, False, "false"),
        ("date", 0, 20_484, "2026-01-31"),
        ("timestamp-millis", 0, 1_500, "1970-01-01T00:00:01.500000Z"),
        ("timestamp-micros", 0, 1, "1970-01-01T00:00:00.000001Z"),
        ("decimal", 2, 1_990, "19.90"),
        ("decimal", 9, 1, "0.000000001"),
    ],
)
def test_a_value_has_the_text_that_rows_show(kind, scale, value, text):
    assert value_text(ValueType(kind, scale), value) == text
    assert parse_value(ValueType(kind, scale), text) == value


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("long", "1.5", "write digits"),
        ("long", "9223372036854775808", "64 bits"),
        ("long", "٣", "write digits"),
        ("boolean", "True", "true or false"),
        ("date", "31.1.2026", "like 2026-01-31"),
        ("timestamp-micros", "2026-01-30", "with an offset"),
        ("timestamp-millis", "noon", "with an offset"),
        ("decimal", "1.999", "at most 2 digits"),
        ("decimal", "NaN", "at most 2 digits"),
        ("decimal", "Infinity", "at most 2 digits"),
        ("decimal", "x", "at most 2 digits"),
    ],
)
def test_what_is_no_value_is_told_without_it(kind, text, words):
    with pytest.raises(ValueError, match=words) as caught:
        parse_value(ValueType(kind, 2 if kind == "decimal" else 0), text)
    assert text not in str(caught.value)


@pytest.mark.parametrize(("dimensions", "text"), [(TEXTS, "a"), (TEXTS, "a#b#c"), ([], "a")])
def test_a_text_of_another_number_of_values_is_refused(dimensions, text):
    with pytest.raises(ValueError, match="dimensions"):
        parse_key(dimensions, text)
