"""Ranges are read as all commands read them, and a wrong one names its option."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.time_range import time_range
from schemas.times import format_rfc3339

MOMENTS = st.none() | st.integers(0, 10**15)


@given(MOMENTS, MOMENTS)
def test_a_range_is_its_ends_and_one_that_holds_nothing_is_refused(first, last):
    ends = [None if end is None else format_rfc3339(end) for end in (first, last)]
    if first is not None and last is not None and first >= last:
        with pytest.raises(ValueError, match="give a range that holds something"):
            time_range(*ends)
    else:
        assert time_range(*ends) == (first, last)


@pytest.mark.parametrize(
    ("ends", "words"),
    [(("noon", None), "--from noon: not an RFC"), ((None, "2026-01-31"), "--to 2026-01-31: not")],
)
def test_what_is_no_time_is_named_with_its_option(ends, words):
    with pytest.raises(ValueError, match=words):
        time_range(*ends)
