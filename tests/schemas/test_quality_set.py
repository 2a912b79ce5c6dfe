"""Quality files: what may be in them, and what is said of what may not."""

import pytest

from schemas.quality import Bound
from schemas.quality_error import QualityError
from schemas.quality_set import SHIPPED, load_checks, parse_checks
from tests.quality_builders import TABLES, check

USUAL = "{name: c, check: freshness, at_most: 1h}"


def parsed(tables="[silver_billing.purchase]", entry=USUAL, more=""):
    text = f"tables: {tables}\nowner: o\n{more}checks:\n  - {entry}\n"
    return parse_checks(text, "q.yaml", TABLES)


def test_the_shipped_checks_are_of_every_kind_and_of_every_curated_table():
    checks = load_checks(None, TABLES)
    assert {each.kind for each in checks} == {
        "freshness", "volume", "duplicates", "null_rate", "range", "references",
    }  # fmt: skip
    looked_at = {each.relation.table.full_name for each in checks}
    silver = {each.full_name for each in TABLES.tables if each.dataset.startswith("silver_")}
    assert looked_at == silver


def test_shipped_files_are_read_as_a_folder_and_one_by_one():
    one_by_one = [each for path in sorted(SHIPPED.glob("*.yaml"))
                  for each in load_checks(str(path), TABLES)]  # fmt: skip
    assert one_by_one == load_checks(None, TABLES)


def test_severity_is_that_of_the_check_else_of_the_file_else_error():
    assert parsed()[0].severity == "error"
    assert parsed(more="severity: warn\n")[0].severity == "warn"
    entry = USUAL.replace("}", ", severity: error}")
    assert parsed(entry=entry, more="severity: warn\n")[0].severity == "error"


def test_a_pattern_means_tables_or_views_and_never_both():
    tables = parsed("[silver_billing.*]")
    views = parsed("[silver_billing.*_current]")
    assert [each.relation.name for each in views] == [
        f"{each.relation.name}_current" for each in tables
    ]
    assert all(each.relation.once for each in views)
    assert not any(each.relation.once for each in tables)


def test_freshness_is_in_seconds_of_the_time_that_rows_are_chosen_by():
    [found] = parsed()
    assert (found.bound, found.column) == (Bound(most=3600.0), "event_timestamp")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("check: null_rate, column: session_id", "null_rate needs `at_most`"),
        ("check: freshness, at_most: 1h, to: 'a.b:c'", "`to` does nothing for freshness"),
        ("check: freshness, at_most: soon", "no length of time"),
        ("check: freshness, at_most: 1h, column: user_id", "is STRING; freshness is for TIMESTAMP"),
        ("check: null_rate, column: nobody, at_most: 0", "column nobody of silver_billing.purchase"
         " is not there"),
        ("check: null_rate, column: event_details.items, at_most: 0", "is a list"),
        ("check: null_rate, column: event_details, at_most: 0", "is RECORD; null_rate is for"),
        ("check: null_rate, column: user_id, at_most: 2", "a share from 0 to 1"),
        ("check: range, column: user_id, between: [0, 1]", "is STRING; range is for BIGNUMERIC"),
        ("check: range, column: event_details.amount_minor, between: [2, 1]", "[least, most]"),
        ("check: range, column: event_details.amount_minor, between: [null, null]", "[least"),
        (f"check: range, column: event_details.amount_minor, between: [0, {'9' * 400}]", "308 dig"),
        ("check: volume, between: [0, 1], trailing: 0", "give 1 to 366 spans"),
        ("check: duplicates, column: event_id", "by itself; name the table"),
        ("check: references, column: user_id, to: user_id", "name one table and its column"),
        ("check: references, column: user_id, to: 'silver_*.*:user_id'", "name one table"),
        ("check: references, column: user_id, to: 'silver_x.y:user_id'", "no such table"),
        ("check: guess", "Invalid enum value 'guess'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line_with_the_file_and_the_check(entry, said):
    with pytest.raises(QualityError) as raised:
        check(entry)
    assert str(raised.value).startswith("q.yaml: check 'c': ")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ("[]", "none is there"),
        ("[silver_x.*]", "silver_x.*: no such table"),
        ("[gold.activity]", "no such table with a time"),
    ],
)
def test_tables_that_are_not_there_are_refused(tables, said):
    with pytest.raises(QualityError, match=r"^q.yaml: tables: ") as raised:
        parsed(tables)
    assert said in str(raised.value)


def test_two_checks_of_one_name_for_one_table_are_refused(tmp_path):
    for name in ("a", "b"):
        text = f"tables: [silver_billing.purchase]\nowner: o\nchecks: [{USUAL}]\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(QualityError, match=r"^b.yaml: check 'c' of silver_billing.purchase is in"):
        load_checks(str(tmp_path), TABLES)


def test_a_file_without_checks_is_refused():
    with pytest.raises(QualityError, match="checks: none is there"):
        parse_checks("tables: [ops.late]\nowner: o\nchecks: []\n", "q.yaml", TABLES)
