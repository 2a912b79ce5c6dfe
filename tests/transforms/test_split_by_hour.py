"""Messages by hour and shard: each where it belongs, once, whatever it came with."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive_layout import HOUR, hour_folder, hour_of
from schemas.events import MAX_MICROS, MIN_MICROS, RawEvent
from schemas.packs import RawPack
from transforms.split_by_hour import HourBuffer, cut, published, size_of, split_by_hour

BASE = 1_767_225_600_000_000
TIMES = st.integers(BASE - HOUR, BASE + 2 * HOUR)
MESSAGES = st.builds(
    RawEvent,
    st.binary(max_size=5),
    st.sampled_from([{}, {"a": "1"}]),
    st.sampled_from(["", "m1", "m2", "m3"]),
    TIMES | st.none() | st.sampled_from([MIN_MICROS, MAX_MICROS]),
    st.sampled_from(["", "k"]),
)
PACKS = st.lists(st.lists(MESSAGES, max_size=6).map(RawPack.of), max_size=6)


def rows_of(packs):
    return Counter(repr(pack.row(row)) for pack in packs for row in range(len(pack)))


def stamped(packs, stamp):
    return rows_of(published(pack, stamp) for pack in packs)


@given(PACKS, st.integers(1, 3))
def test_every_message_is_split_off_to_its_hour_and_shard_once(packs, shards):
    whole = [published(pack, BASE) for pack in packs]
    split = [part for pack in whole for part in split_by_hour(pack, shards)]
    assert rows_of(part for _, part in split) == rows_of(whole)
    for (hour, shard), part in split:
        assert {hour_of(time) for time in part.publish_times} == {hour}
        assert 0 <= shard < shards


@given(MESSAGES, st.lists(MESSAGES, max_size=4), st.integers(2, 5))
def test_the_shard_of_a_message_does_not_depend_on_its_company(message, company, shards):
    alone = published(RawPack.of([message]), BASE)
    [(key, _)] = split_by_hour(alone, shards)
    together = published(RawPack.of([*company, message]), BASE)
    held = {other: rows_of([part]) for other, part in split_by_hour(together, shards)}
    assert rows_of([alone]) <= held[key]


def test_messages_are_spread_over_all_shards():
    ids = [str(10**16 + 7 * n) for n in range(200)]
    spread = list(split_by_hour(RawPack([b"x"] * 200, [BASE] * 200, ids), 16))
    assert len(spread) == 16


@pytest.mark.parametrize("time", [MIN_MICROS, -(10**17), 2_535 * 10**14, MAX_MICROS])
def test_a_year_without_folders_is_kept_in_the_first_or_the_last_and_its_time_stays(time):
    [((hour, _), part)] = split_by_hour(RawPack([b"x"], [time]), 1)
    assert part.publish_times == [time]
    assert hour_folder("a", hour) in (
        "source=a/dt=0001-01-01/hr=00",
        "source=a/dt=9999-12-31/hr=23",
    )


@pytest.mark.parametrize("time", [None, 2**63, -(2**70)])
def test_a_time_that_cannot_be_kept_is_that_of_the_element(time):
    assert published(RawPack([b"x", b"y"], [time, 3]), BASE).publish_times == [BASE, 3]
    assert published(RawPack([b"x", b"y"]), BASE).publish_times == [BASE, BASE]


@given(PACKS, st.integers(1, 400))
def test_cutting_loses_nothing_and_bounds_every_piece(packs, most):
    whole = RawPack.join(packs)
    pieces = list(cut(whole, most))
    assert [p for piece in pieces for p in piece.payloads] == whole.payloads
    for piece in pieces:
        assert len(piece) == 1 or size_of(piece.take(range(len(piece) - 1))) < most
    assert all(size_of(piece) >= most for piece in pieces[:-1])


def test_empty_messages_have_a_size_too():
    assert size_of(RawPack([b""] * 10)) >= 500
    assert (
        size_of(RawPack([b""], None, ["id"], [{"key": "value"}], ["order"]))
        > size_of(RawPack([b""])) + len("idkeyvalueorder") - 1
    )


@given(PACKS, st.integers(1, 3), st.integers(1, 300), st.integers(1, 600))
def test_a_buffer_gives_out_every_message_once_with_the_least_of_its_timestamps(
    packs, shards, most_of_key, most
):
    buffer = HourBuffer(shards, most_of_key, most)
    found = []
    for stamp, pack in enumerate(packs):
        found += buffer.add(pack, stamp)
    found += buffer.drain()
    assert list(buffer.drain()) == []
    wanted = Counter()
    for stamp, pack in enumerate(packs):
        wanted += stamped([pack], stamp)
    assert rows_of(each.pack for each in found) == wanted
    for each in found:
        assert each.size == size_of(each.pack)
        assert {hour_of(time) for time in each.pack.publish_times} == {each.key[0]}


@pytest.mark.parametrize("stamps", [(9, 4), (4, 9), (4, 4)])
def test_what_is_given_out_is_stamped_with_its_oldest_whenever_that_came(stamps):
    buffer = HourBuffer(1, 200, 10_000)
    assert list(buffer.add(RawPack([b"x" * 50], [BASE]), stamps[0])) == []
    [full] = buffer.add(RawPack([b"y" * 90], [BASE + 1]), stamps[1])
    assert full.oldest == 4
    [rest] = [*buffer.add(RawPack([b"z"], [BASE]), 8), *buffer.drain()]
    assert rest.oldest == 8


def test_many_hours_together_are_bounded():
    buffer = HourBuffer(1, 10_000, 1_000)
    given_out = [
        each for n in range(100) for each in buffer.add(RawPack([b"x"], [BASE + n * HOUR]), 0)
    ]
    assert len(given_out) > 80
