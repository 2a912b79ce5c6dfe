"""The order of reasons holds for constants that are no JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decoder import Decoder
from schemas.events import RawEvent
from schemas.malformed import is_deeper, malformed
from schemas.rejected import Reason
from tests.schemas.any_event import SHIPPED


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_constant_refuses_an_object_for_its_range_and_anything_else_for_its_form(constant):
    decoder = Decoder(SHIPPED)

    def reason(payload):
        return decoder.decode(RawEvent(payload.encode()), None).reason

    assert reason(f'{{"event_details": {{"x": [{constant}]}}}}') is Reason.NUMBER_OUT_OF_RANGE
    assert reason(f'{{"unknown": {constant}}}') is Reason.NUMBER_OUT_OF_RANGE
    assert reason(f'{{"unknown": {constant}') is Reason.NOT_JSON
    assert reason(constant) is Reason.NOT_AN_OBJECT
    assert reason(f" [{constant}]\n") is Reason.NOT_AN_OBJECT


def test_text_that_only_names_a_constant_is_none():
    assert malformed('{"a": "NaN"}') is None


def depth_of(payload):
    """The deepest level, letter by letter; a string that is never closed is taken to the end."""
    level = deepest = 0
    quoted = escaped = False
    for letter in map(chr, payload):
        if quoted:
            quoted = escaped or letter != '"'
            escaped = letter == "\\" and not escaped
        elif letter == '"':
            quoted = True
        else:
            level += (letter in "[{") - (letter in "]}")
            deepest = max(deepest, level)
    return deepest


@given(st.text('"\\[]{}a\n', max_size=20).map(str.encode), st.integers(0, 4))
def test_of_any_bytes_it_is_known_how_deep_they_are(payload, limit):
    assert is_deeper(payload, limit) == (depth_of(payload) > limit)
