"""The stream of the proof: what it must be for the proof to mean something."""

import collections
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.faults import BROKEN
from local.prove_schedule import MINUTE, SECOND, Schedule, write_features
from local.prove_stream import GHOST, LOST, ProofStream
from schemas.contract import load_contracts
from schemas.feature_set import load_features

DAY = 1_440 * MINUTE
BEGIN = 1_795_000_000 * SECOND


@given(st.integers(0, DAY), st.integers(20, 50))
def test_a_tile_closes_within_the_stream_and_soon_after_it_may_be_repaired(offset, seconds):
    begin = BEGIN + offset
    schedule = Schedule.at(begin, seconds)
    assert schedule.tile >= 5
    assert DAY % (schedule.tile * MINUTE) == 0
    assert schedule.closing % (schedule.tile * MINUTE) == 0
    # The first event after it, and the last one, and then nothing more is written.
    assert begin + 10 * SECOND < schedule.closing + schedule.delay < schedule.end < schedule.closed
    assert schedule.closed - begin < 4 * MINUTE
    # The youngest late event, with some to spare, is in a tile that is repaired.
    assert schedule.end - schedule.horizon - 75 * SECOND < schedule.closing


def test_a_repair_reads_what_a_busy_machine_published_too_late():
    schedule = Schedule.at(BEGIN, 50)
    assert schedule.closing + schedule.lateness(schedule.end) == schedule.closed
    for late in (1, 8 * SECOND):
        published = schedule.closed + late
        assert 0 <= schedule.closing + schedule.lateness(published) - published < SECOND


@pytest.fixture
def stream(tmp_path):
    schedule = Schedule.at(BEGIN, 50)
    write_features(tmp_path / "features", schedule.tile)
    return ProofStream(1_000, 4, schedule, tmp_path / "features")


def test_the_features_are_the_shipped_ones_with_short_tiles_and_every_aggregate(stream):
    sets = list(load_features(str(stream.features), load_contracts(None)))
    features = [feature for entity in sets for feature in entity.features]
    assert {feature.tile for feature in features} == {stream.schedule.tile * MINUTE}
    aggregates = {feature.aggregate for feature in features}
    assert aggregates == {"count", "sum", "min", "max", "last", "approx_distinct"}


def test_the_stream_has_every_fault_and_nothing_that_is_late_by_chance(stream):
    labels = collections.Counter(message.label for message in stream.messages)
    # Contracts decide which of them an event can have, so some may be missing.
    assert sum(f"rejected.{reason}" in labels for reason in BROKEN) >= len(BROKEN) - 2
    assert min(labels["late"], labels["duplicate"]) > 20
    assert labels["conflict"] >= 2
    late = {m.event["event_id"] for m in stream.messages if m.label == "late"}
    for message in stream.messages:
        if message.event and message.event["event_id"] in late:
            assert message.publish_time - message.time > stream.schedule.horizon + MINUTE
        elif message.event:
            assert message.publish_time - message.time < stream.schedule.horizon - 5 * SECOND


def test_what_one_job_lacks_is_lost_with_all_its_copies_before_the_tile_closes(stream):
    lost = {m.event["event_id"] for m in stream.messages if LOST in m.attributes and m.event}
    assert len(lost) > 20
    for message in stream.messages:
        if message.event:
            assert (message.event["event_id"] in lost) == (LOST in message.attributes)
            assert LOST not in message.attributes or message.time < stream.schedule.closing


def test_ghosts_are_in_a_tile_of_an_event_but_never_its_last_word(stream):
    real = {message.time: message.event for message in stream.messages if message.event}
    ids = {event["event_id"] for event in real.values()}
    tile = stream.schedule.tile * MINUTE
    assert stream.ghosts
    for ghost in stream.ghosts:
        like = real[ghost.time + 2_000]
        assert ghost.event["event_id"] not in ids
        assert {**like, "event_id": "", "event_timestamp": ""} == {
            **ghost.event,
            "event_id": "",
            "event_timestamp": "",
        }
        assert ghost.time // tile == (ghost.time + 2_000) // tile
        assert ghost.time < stream.schedule.closing
        assert set(ghost.attributes) == {GHOST}
        assert re.search(rb'"event_id":"[0-9a-f]{32}"', ghost.payload)


def test_the_two_truths_differ_in_late_events_alone(stream):
    live, full = stream.truth.document(), stream.full_truth.document()
    late = live["counts"]["late"]
    assert late
    assert full["counts"]["accepted"] == live["counts"]["accepted"] + late
    assert live["counts"]["rejected"] == full["counts"]["rejected"]
    start, end = stream.span
    assert start < stream.schedule.closing < end
