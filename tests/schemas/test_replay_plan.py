"""What a replay reads is decided by event time and by publish time."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas.manifest import ManifestEntry
from schemas.replay_plan import ReplayPlan, ReplaySpan

times = st.integers(-1_000, 1_000)
lengths = st.integers(0, 300)


def entry(published, event_times=None):
    return ManifestEntry(
        digest="0" * 32,
        events=len(published),
        size=10,
        first_publish=min(published),
        last_publish=max(published),
        first_event=min(event_times) if event_times else None,
        last_event=max(event_times) if event_times else None,
        codec="null",
    )


messages = st.lists(st.tuples(times, times), min_size=1, max_size=5)


@given(times, st.integers(1, 500), lengths, lengths, messages, st.booleans())
def test_no_object_is_left_out_that_holds_an_event_of_the_span_within_its_bounds(
    start, length, max_future, max_lateness, some, known
):
    span = ReplaySpan.of(start, start + length, max_future, max_lateness)
    found = entry([p for p, _ in some], [e for _, e in some] if known else None)
    wanted = [
        (published, event)
        for published, event in some
        if start <= event < start + length
        and published - max_lateness <= event <= published + max_future
    ]
    if wanted:
        assert span.needs(found)
        assert all(span.published_from <= published < span.published_to for published, _ in wanted)


@given(times, st.integers(1, 500), lengths, lengths, messages)
def test_an_object_is_read_as_it_is_where_all_of_it_was_published_in_the_range(
    start, length, max_future, max_lateness, some
):
    span = ReplaySpan.of(start, start + length, max_future, max_lateness)
    published = [time for time, _ in some]
    inside = all(span.published_from <= time < span.published_to for time in published)
    assert span.holds_all_of(entry(published)) == inside


def test_objects_whose_event_times_are_known_are_left_out_where_they_are_elsewhere():
    span = ReplaySpan.of(100, 200, 10, 20)
    assert span.needs(entry([150], [100, 120]))
    assert span.needs(entry([150], [0, 100]))
    assert not span.needs(entry([150], [0, 99]))
    assert not span.needs(entry([150], [200, 300]))
    assert span.needs(entry([90]))
    assert not span.needs(entry([89]))
    assert span.needs(entry([219]))
    assert not span.needs(entry([220]))


def test_a_plan_is_told_in_words_also_where_its_bounds_cannot_be_written():
    span = ReplaySpan.of(0, 253_402_300_799_999_999, 10**17, 10**17)
    plan = ReplayPlan("gs://b", "orders", span, 3, 72_000_000, 10**9)
    assert plan.lines(10_000) == [
        "archive:    gs://b, source orders",
        "event time: 1970-01-01T00:00:00Z to 9999-12-31T23:59:59.999999Z",
        "published:  0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999Z",
        "objects:    3",
        "events:     at most 72000000",
        "bytes:      1000000000",
        "estimate:   2.00 worker hours at 10000 events a second",
    ]


def test_what_was_published_in_the_span_may_be_needed_whatever_its_event_times():
    span = msgspec.structs.replace(ReplaySpan.of(100, 200, 10, 20), with_published=True)
    assert span.needs(entry([100], [0, 50]))
    assert span.needs(entry([199], [300, 400]))
    assert not span.needs(entry([99], [0, 50]))
    assert not span.needs(entry([200], [300, 400]))
    assert not span.needs(entry([220], [150, 150]))
