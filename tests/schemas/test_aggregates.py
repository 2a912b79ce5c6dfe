import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.aggregates import AGGREGATIONS, Distinct
from schemas.sketches import sketch_of
from schemas.values import encode_value

NUMBERS = st.one_of(st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1))
EVENTS = st.lists(
    st.tuples(st.integers(0, 3), st.uuids().map(str), NUMBERS), min_size=1, max_size=30
)
CUTS = st.lists(st.integers(0, 30), max_size=6)
ORACLES = {
    "count": lambda events: encode_value(len(events)),
    "sum": lambda events: encode_value(sum(value for _, _, value in events)),
    "min": lambda events: encode_value(min(value for _, _, value in events)),
    "max": lambda events: encode_value(max(value for _, _, value in events)),
    "last": lambda events: encode_value(max(events, key=lambda e: (e[0], e[1]))[2]),
    "approx_distinct": lambda events: sketch_of(value for _, _, value in events),
}


def part_of(by, events):
    """What a bundle of events makes, after a journey."""
    gathered = by.first(events[0][2], events[0][:2])
    for event in events[1:]:
        gathered = by.add(gathered, event[2], event[:2])
    return travelled(by.gathered(gathered))


def travelled(part):
    return msgspec.msgpack.decode(msgspec.msgpack.encode(part))


@settings(max_examples=100)
@pytest.mark.parametrize("name", sorted(ORACLES))
@given(events=EVENTS, cuts=CUTS, chance=st.randoms(use_true_random=False))
def test_any_split_in_any_order_gives_the_same_bytes(name, events, cuts, chance):
    by = AGGREGATIONS[name]
    expected = ORACLES[name](events)
    shuffled = list(events)
    chance.shuffle(shuffled)
    borders = [0, *sorted({cut for cut in cuts if cut < len(events)} - {0}), len(events)]
    groups = [shuffled[a:b] for a, b in itertools.pairwise(borders)]
    kept = by.thaw(part_of(by, groups[0]))
    for group in groups[1:]:
        kept = by.merge(kept, part_of(by, group))
        if chance.random() < 0.3:
            kept = by.thaw(travelled(by.freeze(kept)))
    assert by.encode(len(events), kept) == expected


def test_a_sum_saturates_only_where_it_is_written():
    by = AGGREGATIONS["sum"]
    kept = by.thaw(travelled(by.freeze(2**63 - 1)))
    kept = by.thaw(travelled(by.freeze(by.merge(kept, 2**63 - 1))))
    assert by.encode(2, kept) == encode_value(2**63 - 1)
    kept = by.merge(by.merge(kept, -(2**63) + 1), -(2**63) + 1)
    assert by.encode(4, kept) == encode_value(0)


def test_a_large_set_of_values_is_kept_as_a_sketch_of_bounded_size():
    values = [f"value-{number}" for number in range(20_000)]
    kept = Distinct()
    for first in range(0, len(values), 100):
        kept.merge((b"", values[first : first + 100]))
    assert kept.encode() == sketch_of(values)
    assert len(msgspec.msgpack.encode(kept.part())) < 25_000


def test_a_span_folds_the_tiles_that_it_holds():
    assert AGGREGATIONS["count"].fold([1, 2]) == 3
    assert AGGREGATIONS["sum"].fold([1, -2]) == -1
    assert AGGREGATIONS["min"].fold([3, 1]) == 1
    assert AGGREGATIONS["max"].fold([3, 1]) == 3
    assert AGGREGATIONS["last"].fold(["old", "new"]) == "new"
    assert AGGREGATIONS["approx_distinct"].fold([sketch_of("ab"), sketch_of("bc")]) == 3
