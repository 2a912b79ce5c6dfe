"""Of many payloads those that decode are decoded at once, whichever of them do not."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.usual_events import decode_each


@given(st.lists(st.sampled_from([b"7", b"x", b"-3", b""]), max_size=12))
def test_what_is_refused_is_told_by_its_place_and_leaves_the_others_in_order(payloads):
    good = [payload for payload in payloads if payload in (b"7", b"-3")]
    refused = [row for row, payload in enumerate(payloads) if payload in (b"x", b"")]
    assert decode_each(int, payloads, (ValueError,)) == ([*map(int, good)], refused)


def test_an_error_that_is_told_keeps_nothing_that_was_decoded():
    told = []
    decode_each(int, [b"7", b"x"], (ValueError,), told)
    [error] = told
    assert isinstance(error, ValueError)
    assert error.__traceback__ is None
