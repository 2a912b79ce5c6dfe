"""The order of reasons holds for constants that are no JSON."""

import pytest

from schemas.decoder import Decoder
from schemas.events import RawEvent
from schemas.malformed import malformed
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
