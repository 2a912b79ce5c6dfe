"""Which changes of a row may stand in one request, whose entries are applied in any order."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.cells import Cell, Clear, RowChange
from transforms.request_order import RequestOrder

times = st.integers(0, 4).map(lambda n: n * 1_000)
cells = st.builds(
    Cell,
    family=st.just("t"),
    qualifier=st.sampled_from(["a", "b"]),
    timestamp=times,
    value=st.sampled_from([b"x", b"y"]),
)
spans = st.builds(Clear, st.just("t"), st.sampled_from(["a", "b"]), times, times)
changes = st.builds(
    RowChange,
    row_key=st.sampled_from([b"r", b"s"]),
    cells=st.lists(cells, max_size=2, unique_by=lambda cell: (cell.qualifier, cell.timestamp)),
    clears=st.lists(spans, max_size=1).map(tuple),
)


def table_after(order):
    table = {}
    for change in order:
        for clear in change.clears:
            for row, qualifier, time in list(table):
                ours = (row, qualifier) == (change.row_key, clear.qualifier)
                if ours and clear.start <= time < clear.end:
                    del table[row, qualifier, time]
        for cell in change.cells:
            table[change.row_key, cell.qualifier, cell.timestamp] = cell.value
    return table


@settings(max_examples=120)
@given(st.lists(changes, min_size=2, max_size=4))
def test_what_may_share_a_request_ends_the_same_in_every_order(given_changes):
    order, joined = RequestOrder(), []
    for change in given_changes:
        if order.allows(change):
            order.add(change)
            joined.append(change)
    outcomes = [table_after(some) for some in itertools.permutations(joined)]
    assert all(outcome == outcomes[0] for outcome in outcomes)


def allowed_beside(first, *others):
    order = RequestOrder()
    order.add(first)
    return [order.allows(other) for other in others]


def test_a_cell_in_a_span_that_another_change_clears_waits_whichever_comes_first():
    repair = RowChange(b"r", [Cell("t", "a", 2_000, b"x")], (Clear("t", "a", 1_000, 5_000),))
    inside = RowChange(b"r", [Cell("t", "a", 4_000, b"x")])
    assert allowed_beside(repair, inside) == allowed_beside(inside, repair) == [False]


def test_a_span_of_another_row_column_or_time_does_not_count():
    repair = RowChange(b"r", [], (Clear("t", "a", 1_000, 5_000),))
    others = [
        RowChange(b"other", [Cell("t", "a", 2_000, b"x")]),
        RowChange(b"r", [Cell("s", "a", 2_000, b"x")]),
        RowChange(b"r", [Cell("t", "b", 2_000, b"x")]),
        RowChange(b"r", [Cell("t", "a", 5_000, b"x"), Cell("t", "a", 0, b"x")]),
    ]
    assert allowed_beside(repair, *others) == [True] * 4
    assert [allowed_beside(other, repair) for other in others] == [[True]] * 4
