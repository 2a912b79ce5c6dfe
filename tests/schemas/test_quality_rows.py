"""Checks over rows: each passes, and each fails."""

import pytest

from tests.quality_builders import CASES, found_by_rows


@pytest.mark.parametrize("name", CASES)
def test_a_check_finds_what_is_there(name):
    case = CASES[name]
    found = found_by_rows(case)
    assert (found.passed, found.value) == (case.passes, case.value)


def test_a_finding_names_table_owner_and_bound_and_no_value():
    found = found_by_rows(CASES["an amount above"])
    assert (found.check, found.table, found.owner) == ("c", "silver_billing.purchase_current",
                                                       "somebody")  # fmt: skip
    assert found.bound == "at most 0"
    assert found.is_error
    assert "11" not in found.detail
