from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import format_rfc3339, micros, parse_rfc3339

offsets = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=offsets)


@given(moments)
def test_micros_are_exact_and_text_brings_them_back(moment):
    assert parse_rfc3339(moment.isoformat()) == micros(moment)
    assert parse_rfc3339(format_rfc3339(micros(moment))) == micros(moment)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "2026-13-01T00:00:00Z"]
)
def test_what_is_no_time_is_refused_without_being_repeated(text):
    with pytest.raises(ValueError, match="offset") as caught:
        parse_rfc3339(text)
    assert "yesterday" not in str(caught.value)


def test_text_has_a_fraction_only_where_there_is_one():
    assert format_rfc3339(0) == "1970-01-01T00:00:00Z"
    assert format_rfc3339(1_000_001) == "1970-01-01T00:00:01.000001Z"
