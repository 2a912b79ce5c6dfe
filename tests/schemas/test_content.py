"""What of an event's content counts when copies are compared."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.content import content_digest
from tests.schemas.any_event import accepted, any_event

UNKNOWN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def reordered(value):
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@pytest.mark.engine
@given(st.dictionaries(st.text(max_size=3), UNKNOWN, min_size=1))
def test_order_and_white_space_of_unknown_fields_do_not_count(fields):
    record, _, _ = accepted(any_event())
    spread = json.dumps(reordered(fields), indent=3, ensure_ascii=False)
    assert content_digest(record, json.dumps(fields)) == content_digest(record, spread)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1}', None),
        ('{"a": 1}', '{"a": 2}'),
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": 1}', '{"b": 1}'),
        ('{"a": [1, 2]}', '{"a": [2, 1]}'),
        ('{"a": "\\ud800"}', '{"a": "\\ud801"}'),
        ('{"a": %s}' % ("9" * 5_000), '{"a": %s}' % ("9" * 4_999 + "8")),
    ],
)
def test_other_unknown_fields_are_other_content(one, other):
    record, _, _ = accepted(any_event())
    assert content_digest(record, one) != content_digest(record, other)


@pytest.mark.parametrize(("one", "other"), [("1.50", "15e-1"), ("-0", "0"), ("1e400", "2e400")])
def test_the_spelling_of_an_unknown_number_does_not_count(one, other):
    record, _, _ = accepted(any_event())
    assert content_digest(record, f'{{"a": {one}}}') == content_digest(record, f'{{"a": {other}}}')
