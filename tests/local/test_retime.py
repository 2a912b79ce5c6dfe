"""A story that is moved to another stretch of time is the same story."""

import gzip
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from local.chance import Chance
from local.faults import GZIP
from local.generate import generate
from local.plan import HOUR, MINUTE, Faults, Plan
from local.retime import Retiming, retimed
from schemas.contract import load_contracts
from schemas.times import parse_rfc3339

SECOND = 1_000_000
FAULTS = Faults(duplicate=0.2, late=0.2, conflict=0.05, broken=0.05, gzip=0.1, drift=0.1)
PLAN = Plan(400, seed=3, span=HOUR, horizon=HOUR, lines=False, clocked=True, faults=FAULTS)
STORY = list(generate(PLAN, load_contracts(None)))
BEGIN = 1_795_000_000 * SECOND


def content(message):
    zipped = message.attributes == GZIP
    return json.loads(gzip.decompress(message.payload) if zipped else message.payload)


def moved(seconds=60, delay=0):
    to = Retiming(BEGIN, BEGIN + seconds * SECOND, delay, (2 * MINUTE, 3 * MINUTE))
    return retimed(STORY, to, Chance(1))


def without_time(event):
    return {**event, "event_timestamp": ""}


@settings(max_examples=10)
@given(st.integers(10, 300), st.integers(0, 200 * SECOND))
def test_payload_content_and_note_tell_the_same_new_time(seconds, delay):
    told = moved(seconds, delay)
    assert [message.publish_time for message in (told[0], told[-1])] == [
        BEGIN,
        BEGIN + seconds * SECOND,
    ]
    for old, new in zip(STORY, told, strict=True):
        assert (old.label, old.attributes) == (new.label, new.attributes)
        if not new.event:
            assert old.payload == new.payload
            continue
        read = content(new)
        assert without_time(read) == without_time(content(old))
        assert parse_rfc3339(read["event_timestamp"]) == new.time
        assert parse_rfc3339(new.event["event_timestamp"]) == new.time


def test_what_was_published_in_order_still_is_and_nothing_happens_after_it_is_told():
    told = moved(delay=5 * SECOND)
    times = [message.publish_time for message in told]
    assert times == sorted(times)
    # To the millisecond: the rest of an event's time stays as it was.
    assert all(message.time < message.publish_time - 5 * SECOND + 1_000 for message in told)


def test_late_events_are_late_by_what_was_asked_for_and_tie_with_nothing():
    told = moved()
    late = [message for message in told if message.label == "late"]
    assert late
    for message in late:
        assert 2 * MINUTE - 2_000 <= message.publish_time - message.time <= 4 * MINUTE
    millis = [message.time // 1_000 for message in late]
    assert len(set(millis)) == len(millis)
    assert all(milli % 2 for milli in millis)
    others = [message for message in told if message.event and message.label == "event"]
    assert not any(message.time // 1_000 % 2 for message in others)


def test_copies_of_an_event_have_its_time():
    times = {}
    for message in moved():
        if message.event and not message.rival:
            times.setdefault(message.event["event_id"], set()).add(message.time)
    assert all(len(each) == 1 for each in times.values())
    assert sum(message.label == "duplicate" for message in STORY) > 20
