"""The checks of the demo: nothing is claimed that nobody looked at."""

from local import demo_checks
from local.demo_checks import checks
from local.demo_report import Archived, Findings
from schemas.bigtable_table import TableName

TABLES = (TableName("p", "i", "one"), TableName("p", "i", "two"))


def claims(found, monkeypatch):
    monkeypatch.setattr(demo_checks, "read_table", lambda _table: [])
    monkeypatch.setattr(demo_checks, "differences", lambda _truth, _cells: [])
    return [each.claim for each in checks(found, None, TABLES, [])]


def test_without_counters_and_archive_only_rows_are_checked(monkeypatch):
    assert claims(Findings({}, {}, 0), monkeypatch) == ["Every row in Bigtable is right"]


def test_an_archive_is_checked_where_there_is_one(monkeypatch):
    found = Findings({"counts": {"read": 8}}, {}, 0, None, Archived(8, 2))
    assert len(claims(found, monkeypatch)) == 2
