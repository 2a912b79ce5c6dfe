import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.sketches import estimate, sketch_of, union

VALUES = st.one_of(st.lists(st.text(max_size=4)), st.lists(st.integers(-(2**63), 2**63 - 1)))


def test_the_bytes_are_the_documented_ones():
    assert sketch_of([]).hex() == "01030300001ecc93"
    assert sketch_of(["a"]).hex() == "01030300001acc9317c11d528507017b"
    two = "02030300001acc930200000000000000857f40b689c7e53417c11d528507017b"
    assert sketch_of(["a", "b"]).hex() == two


@given(VALUES, st.randoms(use_true_random=False))
def test_order_and_repetition_leave_no_trace_in_the_bytes(values, chance):
    shuffled = values + values[: len(values) // 2]
    chance.shuffle(shuffled)
    assert sketch_of(shuffled) == sketch_of(values)


@given(VALUES, st.integers(0, 50))
def test_split_and_union_leave_no_trace_in_the_bytes(values, cut):
    assert union(sketch_of(values[cut:]), sketch_of(values[:cut])) == sketch_of(values)


@pytest.mark.parametrize("count", [2_047, 2_048, 2_049, 2_200, 4_100, 30_000])
@pytest.mark.parametrize("parts", [2, 7])
def test_large_sets_have_the_same_bytes_however_they_are_split(count, parts):
    values = [f"v{number}" for number in range(count)]
    whole = sketch_of(values)
    random.Random(count).shuffle(values)
    assert union(*(sketch_of(values[part::parts]) for part in range(parts))) == whole
    assert len(whole) <= 24 + 8 * 2_048


def test_the_count_is_exact_up_to_k_and_close_above():
    assert estimate(sketch_of(range(2_048))) == 2_048
    assert abs(estimate(sketch_of(range(50_000))) - 50_000) < 50_000 * 0.08


def test_the_empty_string_counts_as_a_value():
    assert estimate(sketch_of(["", "a"])) == 2
    assert estimate(sketch_of([0, False, ""])) == 2


def test_no_bytes_count_as_a_value():
    assert estimate(sketch_of([b""])) == 1
    assert estimate(sketch_of([b"", b"\x00"])) == 2


def test_bytes_are_fed_as_hexadecimal_text():
    assert sketch_of([b"\x00\xff"]) == sketch_of(["00ff"])


@given(st.lists(st.text(min_size=1, max_size=4), max_size=30))
def test_the_documented_layout_is_enough_to_count_a_sketch(values):
    encoded = sketch_of(values)
    words, version, family = encoded[:3]
    hashes = struct.unpack(f"<{(len(encoded) - 8 * words) // 8}Q", encoded[8 * words :])
    assert (version, family, encoded[6:8]) == (3, 3, b"\xcc\x93")
    assert len(hashes) == len(set(values))
    assert list(hashes) == sorted(hashes)
    if words > 1:
        assert struct.unpack("<I", encoded[8:12]) == (len(hashes),)
