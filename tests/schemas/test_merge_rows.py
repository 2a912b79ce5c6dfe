"""Ranges of partitions hold the given days; a statement joins by equality within its range."""

import datetime

from hypothesis import given
from hypothesis import strategies as st

from schemas.merge_rows import MergeRule, merge_statement, spans_of

RULE = MergeRule(("id",), ("publish_time", "content_digest"), "at")
DAYS = st.lists(st.dates(datetime.date(2024, 2, 1), datetime.date(2024, 4, 30)), max_size=40)


@given(DAYS, st.integers(1, 40))
def test_each_day_is_in_one_range_and_ranges_hold_no_other_days(days, most):
    spans = spans_of([day.isoformat() for day in days], most)
    held = []
    for start, end in spans:
        first, last = map(datetime.date.fromisoformat, (start, end))
        assert 0 < (last - first).days <= most
        held += [first + datetime.timedelta(n) for n in range((last - first).days)]
    assert held == sorted(set(days))


def test_a_statement_joins_by_equality_and_stays_within_its_range():
    sql = merge_statement("p.d.t", "p.d.s", ["id", "at", "n"], RULE, ("2026-01-01", "2026-01-03"))
    assert (
        "ON T.`id` = S.`id` AND T.`at` >= TIMESTAMP '2026-01-01 00:00:00+00'"
        " AND T.`at` < TIMESTAMP '2026-01-03 00:00:00+00'"
    ) in sql
    assert "UPDATE SET `id` = S.`id`, `at` = S.`at`, `n` = S.`n`" in sql


def test_without_an_order_rows_that_are_there_stay():
    sql = merge_statement("p.d.t", "p.d.s", ["id"], MergeRule(("id",)), None)
    assert "WHEN MATCHED" not in sql
    assert "WHERE TRUE" in sql
    assert "`at` IS NULL" in merge_statement("p.d.t", "p.d.s", ["id", "at"], RULE, None)
