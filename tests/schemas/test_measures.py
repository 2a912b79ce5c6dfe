import decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.aggregates import AGGREGATIONS
from schemas.contract import load_contracts
from schemas.measures import Measured, gathering, measured, merge_into, merges_of
from schemas.metric_set import parse_metric
from schemas.sketches import sketch_of
from schemas.window_parts import WindowPart
from tests.schemas.any_event import every_type, write_contract

MEASURES = ("count", "sum", "min", "max", "approx_distinct")


@pytest.fixture(scope="module")
def metric(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contracts")
    text = """
name: m
doc: d
windows: [1m]
measures:
  - {name: per_n, measure: ratio, of: [cents, n]}
  - {name: n, measure: count}
  - {name: total, measure: sum, field: event_details.long}
  - {name: cents, measure: sum, field: event_details.decimal}
  - {name: least, measure: min, field: event_details.double}
  - {name: most, measure: max, field: event_details.date}
  - {name: words, measure: approx_distinct, field: event_details.string}
  - {name: per_cent, measure: ratio, of: [n, cents]}
  - {name: per_least, measure: ratio, of: [total, least]}
"""
    return parse_metric(text, "m.yaml", load_contracts(write_contract(folder, every_type())))


def entries(n=None, total=None, cents=None, least=None, most=None, words=None):
    return [n, total, cents, least, most, words]


def values(metric, *given):
    return {name: one.value for name, one in measured(metric, *given).items()}


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30))
def test_gathering_all_at_once_gives_what_merging_one_by_one_gives(numbers):
    for measure in MEASURES:
        by = AGGREGATIONS[measure]
        entry = by.whole(numbers[:1], (0, ""))
        for number in numbers[1:]:
            entry = by.merge(entry, by.whole([number], (0, "")))
        at_once = gathering(measure)(numbers)
        assert at_once == entry
        assert by.encode(at_once) == by.encode(entry)


@pytest.mark.parametrize("count", [1, 512, 513, 5_000])
def test_gathering_any_number_of_values_gives_the_same_sketch(count):
    texts = [str(n) for n in range(count)]
    by = AGGREGATIONS["approx_distinct"]
    assert by.encode(gathering("approx_distinct")(texts)) == sketch_of(texts)


def test_what_nothing_contributed_to_is_zero_or_nothing(metric):
    assert values(metric, entries()) == {
        "per_n": None,
        "n": 0,
        "total": 0,
        "cents": 0,
        "least": None,
        "most": None,
        "words": 0,
        "per_cent": None,
        "per_least": None,
    }


def test_values_are_told_in_the_order_of_their_declaration(metric):
    found = measured(metric, entries(2, (1, 7), (2, 150), (1, 0.5), (1, 9), (2, {"a": None}, b"")))
    assert [*found] == [each.name for each in metric.measures]
    assert {name: one.value for name, one in found.items()} == {
        "per_n": 0.75,
        "n": 2,
        "total": 7,
        "cents": 150,
        "least": 0.5,
        "most": 9,
        "words": 1,
        "per_cent": 4 / 3,
        "per_least": 14.0,
    }
    assert found["words"] == Measured(1, sketch_of(["a"]))
    assert found["n"].theta is None


@given(cents=st.integers(-(10**40), 10**40), n=st.integers(1, 10**6))
def test_a_ratio_is_the_nearest_double_of_the_exact_quotient(metric, cents, n):
    by = AGGREGATIONS["sum"]
    entry = by.merge((n - 1, 0), by.whole([cents], (0, "")))
    found = values(metric, entries(n, None, entry))
    assert found["cents"] == cents
    assert found["per_n"] == float(Fraction(cents, 100 * n))


def test_a_sum_of_integers_saturates_and_a_ratio_of_it_does_not(metric):
    big = AGGREGATIONS["sum"].merge((1, 2**63 - 1), (1, 2**63 - 1))
    found = values(metric, entries(2, big, None, (1, 1.0)))
    assert found["total"] == 2**63 - 1
    assert found["per_least"] == float(2**64 - 2)


@pytest.mark.parametrize("least", [0.0, 5e-324])
def test_a_ratio_that_is_no_number_is_nothing(metric, least):
    assert values(metric, entries(1, (1, 2**62), None, (1, least)))["per_least"] is None


def test_merging_changes_one_part_and_leaves_the_other(metric):
    merges = merges_of(metric)
    part = WindowPart(metric.slot, 60, 0, b"", 2, entries(2, (1, 5), None, None, None, None))
    other = WindowPart(metric.slot, 60, 0, b"", 1, entries(1, (1, -5), (1, 3), None, None, None))
    merge_into(part, other, merges)
    assert part.events == 3
    assert part.entries == entries(3, (2, 0), (1, 3))
    assert other.entries == entries(1, (1, -5), (1, 3))


def test_decimals_stay_multiples_of_their_scale(metric):
    total = values(metric, entries(1, None, (1, 12345)))["cents"]
    scale = next(each.value.scale for each in metric.measures if each.name == "cents")
    assert decimal.Decimal(total).scaleb(-scale) == decimal.Decimal("123.45")
