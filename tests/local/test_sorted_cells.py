"""Sorting in bounded memory gives what sorting in memory gives."""

import random
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from local.sorted_cells import sorted_cells

CELLS = st.lists(
    st.tuples(
        st.binary(max_size=3),
        st.sampled_from(["s", "t"]),
        st.text(max_size=2),
        st.integers(-1, 2**62),
        st.binary(max_size=9),
    ),
    max_size=60,
)


@given(CELLS, st.integers(1, 5_000))
def test_cells_come_sorted_however_many_runs_they_take(cells, run_bytes):
    assert list(sorted_cells(iter(cells), run_bytes)) == sorted(cells)


def test_memory_is_bounded_by_the_run_and_not_by_the_cells():
    def cells():
        chance = random.Random(1)
        for n in range(40_000):
            yield chance.randbytes(8), "t", "views", n, b"v" * 500

    tracemalloc.start()
    last, count = b"", 0
    for cell in sorted_cells(cells(), run_bytes=2_000_000):
        assert last <= cell[0]
        last, count = cell[0], count + 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 40_000
    assert peak < 12_000_000
