from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.events import RawEvent
from schemas.packs import EventPack, RawPack
from tests.transforms.event_packs import digest, pack_of
from transforms.survivors import rank, survivors

ROWS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from("xy"),
        st.sampled_from([None, 1, 2]),
        st.sampled_from(["m1", "m2"]),
        st.sampled_from([b"{}", b"{ }"]),
        st.sampled_from([{}, {"k": "v"}]),
    ),
    max_size=14,
)


def packed(rows):
    return EventPack(
        [digest(identity) for identity, *_ in rows],
        [digest(content) for _, content, *_ in rows],
        [0] * len(rows),
        RawPack.of(
            RawEvent(payload, attributes, message_id, publish_time)
            for _, _, publish_time, message_id, payload, attributes in rows
        ),
    )


def in_packs(rows, borders):
    cuts = sorted({min(border, len(rows)) for border in borders} | {0, len(rows)})
    return [packed(rows[a:b]) for a, b in pairwise(cuts)]


def sorted_out(packs):
    """Count each physical row under what it was found to be."""
    found = Counter()
    for pack, verdict in survivors(packs):
        for kind in ("unique", "duplicates", "conflicts"):
            for row in getattr(verdict, kind):
                found[kind, pack.ids[row], repr(rank(pack, row))] += 1
    return found


@given(ROWS, st.randoms(), st.lists(st.integers(0, 14)), st.lists(st.integers(0, 14)))
def test_any_order_and_split_gives_the_same_survivors(rows, random, borders, others):
    shuffled = random.sample(rows, len(rows))
    assert sorted_out(in_packs(rows, borders)) == sorted_out(in_packs(shuffled, others))


@given(ROWS, st.lists(st.integers(0, 14)))
def test_each_id_survives_once_and_each_row_is_found_once(rows, borders):
    found = sorted_out(in_packs(rows, borders))
    assert found.total() == len(rows)
    unique = Counter(identity for kind, identity, _ in found.elements() if kind == "unique")
    assert unique == Counter({digest(identity) for identity, *_ in rows})


@given(ROWS)
def test_duplicates_have_the_content_of_the_survivor_and_conflicts_do_not(rows):
    for pack, verdict in survivors([packed(rows)]):
        kept = {pack.ids[row]: pack.contents[row] for row in verdict.unique}
        assert all(pack.contents[row] == kept[pack.ids[row]] for row in verdict.duplicates)
        assert all(pack.contents[row] != kept[pack.ids[row]] for row in verdict.conflicts)


@given(ROWS, st.lists(st.integers(0, 14)))
def test_ids_with_the_same_first_half_are_told_apart(rows, borders):
    def half_alike(pack):
        return replace(pack, ids=[bytes(8) + identity[:8] for identity in pack.ids])

    def kinds(packs):
        return [verdict for _, verdict in survivors(packs)]

    packs = in_packs(rows, borders)
    assert kinds(map(half_alike, packs)) == kinds(packs)


@given(ROWS, st.lists(st.integers(0, 14)))
def test_packs_too_large_to_be_held_give_the_same_survivors(rows, borders):
    class Stored:
        def __iter__(self):
            return iter(in_packs(rows, borders))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transforms.survivors._HELD_BYTES", -1)
        stored = list(survivors(Stored()))
    assert stored == list(survivors(in_packs(rows, borders)))


def test_the_first_published_survives_and_no_publish_time_comes_last():
    pack = pack_of([("a", "x", 0), ("a", "y", 0), ("a", "x", 0)], [None, 9, 12])
    [(_, verdict)] = survivors([pack])
    assert (verdict.unique, verdict.duplicates, verdict.conflicts) == ([1], [], [0, 2])


def test_among_equal_publish_times_the_least_content_survives():
    pack = pack_of([("a", "x", 0), ("a", "y", 0)], [5, 5])
    [(_, verdict)] = survivors([pack])
    assert verdict.unique == [min((0, 1), key=pack.contents.__getitem__)]


def test_the_distance_is_that_of_the_publish_times_where_both_are_known():
    pack = pack_of([("a", "x", 0)] * 3, [40, 10, None])
    [(_, verdict)] = survivors([pack])
    assert (verdict.duplicates, verdict.distances) == ([0, 2], [30])


def test_packs_are_only_read_by_iterating_again():
    class Stored:
        """Like a group that is larger than memory: every pass makes new objects."""

        def __iter__(self):
            return (pack_of([(f"id{n % 3}", "x", 0)], [n]) for n in range(6))

    assert [bool(verdict.unique) for _, verdict in survivors(Stored())] == [True] * 3 + [False] * 3
