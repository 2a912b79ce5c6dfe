"""What differs between two sides of rows, against the same question asked plainly."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.compare_rows import ColumnDifference, Folding, RowsOnly, compare_rows
from tests.feature_builders import BASE, FEATURES, HOUR

KEYS = [b"00#user#a", b"00#user#b", b"01#session#a", b"no key of ours"]
CELLS = st.lists(
    st.tuples(
        st.sampled_from(["s", "t"]),
        st.sampled_from(["views", "total", "strange", "clicks/5m"]),
        st.sampled_from([0, 1_000, HOUR // 12, HOUR // 12 + 2_000, HOUR]).map(BASE.__add__),
        st.sampled_from([b"", b"x", b"y"]),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda cell: cell[:3],
)
SIDES = st.dictionaries(st.sampled_from(KEYS), CELLS)


def compare(a, b, sample=5):
    return compare_rows(sorted(a.items()), sorted(b.items()), Folding([FEATURES]), sample)


def read_plainly(key, cells):
    """What a reader takes, by family, qualifier and tile."""
    lengths = {"views": HOUR, "total": HOUR // 12} if b"#user#" in key else {}
    lengths["clicks/5m"] = HOUR // 12
    found = {}
    for family, qualifier, timestamp, value in sorted(cells, key=lambda cell: cell[2]):
        tile = "newest" if family == "s" else timestamp // lengths.get(qualifier, 1)
        found[f"{family}:{qualifier}", tile] = (timestamp, value)
    return found


@pytest.mark.engine
@settings(max_examples=120)
@given(SIDES, SIDES)
def test_what_is_found_is_what_a_plain_comparison_finds(a, b):
    found = compare(a, b)
    assert (found.rows_a, found.rows_b) == (len(a), len(b))
    assert found.only_a.sample == sorted(a.keys() - b.keys())
    assert found.only_b == RowsOnly(len(b.keys() - a.keys()), sorted(b.keys() - a.keys()))
    wanted = {}
    for key in sorted(a.keys() & b.keys()):
        left, right = read_plainly(key, a[key]), read_plainly(key, b[key])
        for place in left.keys() | right.keys():
            if left.get(place) != right.get(place):
                column = wanted.setdefault(place[0], ColumnDifference())
                column.only_a += place not in right
                column.only_b += place not in left
                column.differing += place in left and place in right
                column.sample = sorted({*column.sample, key})
    assert found.columns == wanted
    assert found.is_different == (bool(wanted) or a.keys() != b.keys())


@given(SIDES, st.randoms(use_true_random=False))
def test_older_versions_and_the_order_of_cells_are_no_difference(side, chance):
    other = {}
    for key, cells in side.items():
        newest = read_plainly(key, cells).values()
        other[key] = [cell for cell in cells if (cell[2], cell[3]) in newest]
        chance.shuffle(other[key])
    assert not compare(side, other).is_different


def test_no_more_row_keys_are_shown_than_asked_for():
    side = {b"00#user#%d" % n: [("s", "page", 0, b"x")] for n in range(9)}
    other = {key: [("s", "page", 0, b"y"), ("s", "plan", 0, b"y")] for key in side}
    found = compare(side, other, sample=2)
    assert {name: column.sample for name, column in found.columns.items()} == {
        "s:page": [b"00#user#0", b"00#user#1"],
        "s:plan": [b"00#user#0", b"00#user#1"],
    }
    assert compare(side, {}, sample=0).only_a == RowsOnly(9, [])


def test_features_that_are_not_declared_are_named_and_compared_version_by_version():
    folding = Folding([FEATURES])
    row = (b"00#user#a", [("t", "strange", BASE, b"x"), ("t", "strange", BASE + 1_000, b"y")])
    assert len(folding.fold(row)) == 2
    assert folding.unknown == {"t:strange"}


def test_sides_are_read_row_by_row():
    read = []

    def rows(side):
        for n in range(5):
            read.append((side, n))
            yield b"00#user#%d" % n, [("s", "page", 0, b"x")]

    assert not compare_rows(rows("a"), rows("b"), Folding([FEATURES])).is_different
    assert read == [(side, n) for n in range(5) for side in "ab"]
