import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.aggregates import AGGREGATIONS, is_saturated
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
    ordered = sorted(events, key=lambda event: event[:2])
    return travelled(by.whole([value for _, _, value in ordered], ordered[-1][:2]))


def travelled(entry):
    return msgspec.msgpack.decode(msgspec.msgpack.encode(entry))


@settings(max_examples=60)
@pytest.mark.parametrize("name", sorted(ORACLES))
@given(events=EVENTS, cuts=CUTS, chance=st.randoms(use_true_random=False))
def test_any_split_in_any_order_gives_the_same_bytes(name, events, cuts, chance):
    by = AGGREGATIONS[name]
    shuffled = list(events)
    chance.shuffle(shuffled)
    borders = [0, *sorted({cut for cut in cuts if cut < len(events)} - {0}), len(events)]
    parts = [part_of(by, shuffled[a:b]) for a, b in itertools.pairwise(borders)]
    while len(parts) > 1:
        one, other = (parts.pop(chance.randrange(len(parts))) for _ in range(2))
        merged = by.merge(one, other)
        parts.append(travelled(merged) if chance.random() < 0.3 else merged)
    assert by.encode(parts[0]) == ORACLES[name](events)
    assert by.count(parts[0]) == len(events)


@pytest.mark.parametrize("name", sorted(ORACLES))
@given(events=EVENTS, others=EVENTS)
def test_merging_changes_neither_entry(name, events, others):
    by = AGGREGATIONS[name]
    one, other = part_of(by, events), part_of(by, others)
    before = travelled(one), travelled(other)
    by.merge(one, other)
    assert (one, other) == before


def test_a_sum_saturates_only_where_it_is_written():
    by = AGGREGATIONS["sum"]
    entry = travelled(by.merge((1, 2**63 - 1), travelled((1, 2**63 - 1))))
    assert by.encode(entry) == encode_value(2**63 - 1)
    assert is_saturated(entry)
    entry = by.merge(by.merge(entry, (1, -(2**63) + 1)), (1, -(2**63) + 1))
    assert by.encode(entry) == encode_value(0)
    assert not is_saturated(entry)
    assert not is_saturated(by.merge((1, -(2**63)), (1, 0)))


@pytest.mark.parametrize("step", [1, 100])
def test_a_large_set_of_values_is_kept_as_a_sketch_of_bounded_size(step):
    by = AGGREGATIONS["approx_distinct"]
    values = [f"value-{number}" for number in range(20_000)]
    entry, *rest = [
        part_of(by, [(0, "e", value) for value in values[first : first + step]])
        for first in range(0, len(values), step)
    ]
    for other in rest:
        entry = by.merge(entry, other)
    assert by.encode(entry) == sketch_of(values)
    assert len(msgspec.msgpack.encode(entry)) < 25_000
    assert by.count(entry) == len(values)
    assert by.encode(part_of(by, [(0, "e", value) for value in values])) == sketch_of(values)


def test_of_equal_moments_the_one_that_arrives_later_has_the_last_word():
    by = AGGREGATIONS["last"]
    moment = (5, "e")
    earlier, later = by.whole(["earlier"], moment), by.whole(["later"], moment)
    assert by.encode(by.whole(["earlier", "later"], moment)) == b"later"
    assert by.encode(by.merge(earlier, later)) == b"later"


@pytest.mark.parametrize("value", ["x", 7, True, -1.5, b"\xff\x00"])
def test_distinct_values_of_every_kind_travel(value):
    by = AGGREGATIONS["approx_distinct"]
    assert by.encode(part_of(by, [(0, "e", value)])) == sketch_of([value])


def test_a_span_folds_the_tiles_that_it_holds():
    assert AGGREGATIONS["count"].fold([1, 2]) == 3
    assert AGGREGATIONS["sum"].fold([1, -2]) == -1
    assert AGGREGATIONS["min"].fold([3, 1]) == 1
    assert AGGREGATIONS["max"].fold([3, 1]) == 3
    assert AGGREGATIONS["last"].fold(["old", "new"]) == "new"
    assert AGGREGATIONS["approx_distinct"].fold([sketch_of("ab"), sketch_of("bc")]) == 3
