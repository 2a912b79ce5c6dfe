import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.event_packs import digest, pack_of
from transforms.seen_ids import Anchor, Retention, SeenIds
from transforms.seen_log import log_of, segments

SECOND = 1_000_000
HORIZON = 3_200 * SECOND
TICK = 100 * SECOND
RETENTION = Retention.of(HORIZON, max_future=24 * HORIZON)
START = 1_700_000_000 * SECOND
ROWS = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"),
        st.sampled_from(["same", "other"]),
        st.integers(-9 * HORIZON, 30 * HORIZON).map(lambda offset: START + offset),
    ),
    max_size=8,
)
STREAMS = st.lists(
    st.tuples(ROWS, st.sampled_from([0, 1, TICK // 2, TICK, HORIZON, 5 * HORIZON]), st.booleans()),
    max_size=25,
)


def admit(seen, rows, arrival):
    pack = pack_of(rows)
    return seen.admit(pack.ids, pack.contents, pack.event_times, arrival)


def held(seen):
    """All that is in memory: (slot, id and content)."""
    rows = [
        (slot, packed[begin : begin + 20])
        for entry in log_of(seen._table.rows, seen._groups)
        for slot, packed in segments(entry)
        for begin in range(0, len(packed), 20)
    ]
    return sorted(rows)


class Oracle:
    """Plain Python: when each id may be forgotten at the earliest, and must be at the latest."""

    def __init__(self):
        self.kept = {}

    def check(self, rows, verdict, watermark):
        for row, (identity, content, time) in enumerate(rows):
            first = self.kept.get(identity)
            if row in verdict.unique:
                assert first is None or watermark >= first["until"]
                anchor = max(min(time, watermark + RETENTION.max_future), watermark)
                self.kept[identity] = {"content": content, "until": anchor + HORIZON}
            else:
                assert first is not None
                assert watermark < first["until"] + 3 * TICK
                assert (row in verdict.duplicates) == (content == first["content"])


def follow(stream):
    """Sort a stream and check it against the oracle; now and then read the log back."""
    seen, log, oracle, watermark = SeenIds(RETENTION), [], Oracle(), START
    shuffle = random.Random(len(stream))
    for rows, step, restart in stream:
        watermark += step
        lower = watermark // TICK * TICK
        seen.drop(lower)
        if restart:
            shuffle.shuffle(log)
            seen = SeenIds.load(RETENTION, log, lower)
        verdict, entry = admit(seen, rows, Anchor(lower + TICK, dated=True))
        assert sorted(verdict.unique + verdict.duplicates + verdict.conflicts) == [
            *range(len(rows))
        ]
        assert len(verdict.distances) == len(verdict.duplicates)
        oracle.check(rows, verdict, watermark)
        log += [entry] if entry else []
        snapshot = seen.compact()
        log = log if snapshot is None else snapshot


@settings(max_examples=50)
@given(STREAMS)
def test_streams_are_sorted_as_plain_python_would(stream):
    follow(stream)


def test_a_thousand_long_streams_are_sorted_as_plain_python_would():
    """Reordered, repeated, late and early rows, and jumps of the watermark."""
    offsets = [-9 * HORIZON, -HORIZON - 1, -HORIZON, -TICK, -1, 0, 1, TICK, HORIZON, 30 * HORIZON]
    steps = [0, 0, 1, TICK // 2, TICK, HORIZON // 2, HORIZON, 5 * HORIZON]
    for seed in range(1_000):
        rnd = random.Random(seed)
        follow(
            [
                (
                    [
                        (
                            rnd.choice("abcdefgh"),
                            rnd.choice("xxy"),
                            START + rnd.randrange(6) * HORIZON + rnd.choice(offsets),
                        )
                        for _ in range(rnd.randrange(6))
                    ],
                    rnd.choice(steps),
                    rnd.random() < 0.1,
                )
                for _ in range(15)
            ]
        )


@settings(max_examples=50)
@given(STREAMS)
def test_the_log_read_in_any_order_gives_what_is_in_memory(stream):
    seen, log = SeenIds(RETENTION), []
    for number, (rows, _, _) in enumerate(stream):
        log.append(admit(seen, rows, Anchor(START, dated=number % 3 > 0))[1])
    shuffled = random.Random(0).sample(log, len(log))
    assert held(SeenIds.load(RETENTION, shuffled, lower=0)) == held(seen)


def test_the_first_row_of_a_pack_is_kept_and_its_conflict_stays_one():
    seen = SeenIds(RETENTION)
    rows = [("a", "x", START), ("a", "y", START), ("a", "x", START), ("a", "y", START)]
    verdict, _ = admit(seen, rows, Anchor(START, dated=True))
    assert (verdict.unique, verdict.duplicates, verdict.conflicts) == ([0], [2], [1, 3])


def test_an_id_that_comes_as_late_as_the_horizon_has_its_whole_horizon():
    seen = SeenIds(RETENTION)
    admit(seen, [("a", "x", START - HORIZON)], Anchor(START, dated=True))
    seen.drop(START + HORIZON)
    assert len(seen) == 1
    seen.drop(START + HORIZON + TICK)
    assert len(seen) == 0


def test_undated_ids_wait_for_a_date_and_then_have_their_horizon():
    seen = SeenIds(RETENTION)
    admit(seen, [("a", "x", START - 5 * HORIZON)], Anchor(START - 5 * HORIZON, dated=False))
    seen.drop(START)
    seen.date(Anchor(START, dated=True))
    seen.drop(START + HORIZON)
    assert len(seen) == 1
    reloaded = SeenIds.load(RETENTION, seen.compact(), START + HORIZON)
    assert len(reloaded) == 1
    reloaded.drop(START + HORIZON + TICK)
    assert len(reloaded) == 0


def test_undated_ids_of_an_idle_shard_are_forgotten_after_some_horizons():
    seen = SeenIds(RETENTION)
    admit(seen, [("a", "x", START)], Anchor(START, dated=False))
    seen.drop(START + 9 * HORIZON)
    assert len(seen) == 1
    seen.drop(START + 9 * HORIZON + TICK)
    assert len(seen) == 0


def test_a_wrong_clock_cannot_keep_an_id_for_longer_than_max_future():
    seen = SeenIds(Retention.of(HORIZON, max_future=HORIZON))
    admit(seen, [("a", "x", START + 900 * HORIZON)], Anchor(START, dated=True))
    admit(seen, [("b", "x", START + 900 * HORIZON)], Anchor(START, dated=False))
    seen.date(Anchor(START, dated=True))
    seen.drop(START + 2 * HORIZON)
    assert len(seen) == 2
    seen.drop(START + 2 * HORIZON + TICK)
    assert len(seen) == 0


def test_an_undated_id_of_a_wrong_clock_is_forgotten_though_it_is_never_dated():
    ahead = HORIZON // 2
    seen = SeenIds(Retention.of(HORIZON, max_future=ahead))
    admit(seen, [("a", "x", START + 900 * HORIZON)], Anchor(START, dated=False))
    seen.drop(START + 17 * HORIZON + ahead)
    assert len(seen) == 1
    seen.drop(START + 17 * HORIZON + ahead + TICK)
    assert len(seen) == 0


@given(
    st.integers(-8 * HORIZON, 0),
    st.integers(-9 * HORIZON, 40 * HORIZON),
    st.integers(0, 30 * HORIZON),
    st.integers(0, 30 * HORIZON),
)
def test_an_undated_id_has_its_horizon_whenever_it_is_dated(early, ahead, published, passed):
    """The pack is `early` against the watermark; another watermark and pack come to date it."""
    seen = SeenIds(RETENTION)
    newest = START + published
    admit(seen, [("a", "x", START + ahead)], Anchor(START + early, dated=False, newest=newest))
    latest = max(START, newest) + RETENTION.max_future
    until = max(START, min(START + ahead, latest)) + HORIZON
    seen.drop(min(START + passed, until - 1))
    seen.date(Anchor(START + passed + 1, dated=True, newest=newest))
    seen.drop(until - 1)
    assert len(seen) == 1
    seen.drop(max(START + passed, latest) + HORIZON + 2 * TICK)
    assert len(seen) == 0


def test_the_distance_of_a_copy_is_exact_to_a_tick():
    seen = SeenIds(RETENTION)
    admit(seen, [("a", "x", START)], Anchor(START, dated=True))
    verdict, _ = admit(seen, [("a", "x", START)], Anchor(START + 7 * TICK, dated=True))
    assert verdict.distances == [7 * TICK]


def traffic(pack_rows, packs_per_tick, ticks):
    """Yield (ids in memory, bytes in the log, entries) after each pack of a steady stream."""
    seen, log, number = SeenIds(RETENTION), [], 0
    for pack in range(packs_per_tick * ticks):
        now = START + pack * TICK // packs_per_tick
        lower = now // TICK * TICK
        seen.drop(lower)
        rows = [(f"id{number + n}", "x", now - n * SECOND) for n in range(pack_rows)]
        number += pack_rows
        log.append(admit(seen, rows, Anchor(lower + TICK, dated=True))[1])
        snapshot = seen.compact()
        log = log if snapshot is None else snapshot
        yield len(seen), sum(len(entry) + 3 for entry in log), len(log)


@pytest.mark.parametrize(("rows", "packs"), [(300, 3), (40, 12), (7, 40), (1, 100)])
def test_an_id_takes_at_most_28_bytes_of_state_whatever_the_packs(rows, packs):
    """100 bytes stand for nonce and clock; the DoFn's test counts the real ones."""
    for ids, size, _ in traffic(rows, packs, ticks=80):
        if ids >= 200:
            assert size + 100 <= 28 * ids


def test_the_state_is_flat_over_ten_horizons_of_event_time():
    measured = list(traffic(20, 5, ticks=10 * 32))
    first, last = measured[len(measured) // 5 :][:800], measured[-800:]
    for column in range(3):
        assert max(row[column] for row in last) <= 1.05 * max(row[column] for row in first)


def test_the_log_is_rewritten_seldom():
    seen, written = SeenIds(RETENTION), 0
    for number in range(4_000):
        written += len(admit(seen, [(f"{number}", "x", START)], Anchor(START, dated=True))[1])
        written += sum(map(len, seen.compact() or []))
    assert written < 5 * 20 * 4_000


def test_nothing_is_left_of_an_empty_shard():
    seen = SeenIds(RETENTION)
    admit(seen, [("a", "x", START)], Anchor(START, dated=True))
    seen.drop(START + 3 * HORIZON)
    assert (seen.compact(), held(seen), len(seen._table)) == ([], [], 0)
    assert seen.compact() is None


def test_times_before_1970_are_kept_as_well():
    seen = SeenIds(RETENTION)
    _, entry = admit(seen, [("a", "x", -5 * TICK + 1)], Anchor(-9 * TICK, dated=True))
    assert held(SeenIds.load(RETENTION, [entry], -9 * TICK)) == held(seen)
    seen.drop(HORIZON - 4 * TICK)
    assert len(seen) == 0


def test_an_id_takes_less_than_50_bytes_of_memory():
    tracemalloc.start()
    seen = SeenIds(RETENTION)
    for number in range(100):
        ids = [digest(f"{number} {row}") for row in range(100)]
        seen.admit(ids, ids, [START] * 100, Anchor(START, dated=True))
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(seen) == 10_000
    assert taken < 50 * len(seen)


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), max_size=130),
            st.sampled_from([0, 0, TICK, 40 * TICK]),
        ),
        max_size=8,
    )
)
def test_ids_that_look_alike_are_told_apart_in_packs_of_every_size(packs):
    """Halves of ids are the same, so that all are looked for at the same place."""
    seen, plain, now = SeenIds(RETENTION), {}, START
    for rows, step in packs:
        now += step
        seen.drop(now)
        plain = {it: (t, c) for it, (t, c) in plain.items() if t + HORIZON + TICK > now}
        ids = [bytes([head]) * 8 + bytes([tail]) * 8 for head, tail in rows]
        checks = [bytes([head % 3]) * 4 for head, _ in rows]
        verdict, _ = seen.admit(ids, checks, [now] * len(ids), Anchor(now, dated=True))
        for row, (identity, check) in enumerate(zip(ids, checks, strict=True)):
            assert (row in verdict.unique) == (identity not in plain)
            _, first = plain.setdefault(identity, (now, check))
            assert (row in verdict.conflicts) == (first != check)
        assert len(seen) == len(plain)
