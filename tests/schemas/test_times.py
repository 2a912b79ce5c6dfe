from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import all_micros, format_rfc3339, micros, parse_rfc3339

offsets = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=offsets)


@given(moments)
def test_micros_are_exact_and_text_brings_them_back(moment):
    assert parse_rfc3339(moment.isoformat()) == micros(moment)
    assert parse_rfc3339(format_rfc3339(micros(moment))) == micros(moment)


UTC = timezone.utc
now = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))
edges = st.sampled_from(
    [
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2514, 5, 30, 1, 53, 3, 999_999, tzinfo=UTC),
        datetime(2514, 5, 30, 1, 53, 4, 1, tzinfo=UTC),
    ]
)


@given(st.lists(now | moments | edges, max_size=6) | st.lists(now, max_size=6), st.integers(1, 40))
def test_many_times_are_what_each_of_them_is(few, times):
    """Few and many, all of today and of any year, with whole seconds and without."""
    assert all_micros(few * times) == [*map(micros, few * times)]
    whole = [moment.replace(microsecond=0) for moment in few]
    assert all_micros(whole * times) == [*map(micros, whole * times)]


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
