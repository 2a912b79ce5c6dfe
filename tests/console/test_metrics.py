"""`penstock metrics get`: wrong usage; what it reads is in tests/emulators."""

import pytest

from tests.console.test_console import run
from tests.no_credentials import forget_credentials

TABLE = "projects/p/instances/i/tables/t"
CLICKS = """
name: clicks
doc: Clicks by page and day.
where: {event_type: click}
windows: [1m, 5m]
dimensions: {page: event_details.page, at: event_timestamp}
bigtable: true
"""
NOON = "2026-01-31T12:00:00Z"


@pytest.fixture
def get(capsys, monkeypatch, tmp_path):
    """Run the command on one metric; returns status and what is said of the mistake."""
    (tmp_path / "clicks.yaml").write_text(CLICKS)
    monkeypatch.setenv("PENSTOCK_TABLE", TABLE)
    forget_credentials(monkeypatch, tmp_path)

    def asked(*argv):
        status, out, err = run(capsys, "metrics", "get", *argv, f"--metrics={tmp_path}")
        assert out == ""
        assert len(err.splitlines()) == 1
        return status, err

    return asked


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "Missing argument 'METRIC'"),
        (["clicks", "--bigtable_table="], "--bigtable_table is missing"),
        (["clicks", "--bigtable_table=t"], "write projects/PROJECT/instances"),
        (["clicks", "page=/", "at", "--window=7m"], "clicks has none of this length; there are 1m"),
        (["clicks", "page=/", "at", "--window=x"], "--window x: 'x' is no length of time"),
        (["clicks", "page=/", "at", "--last=0"], "--last"),
        (["clicks", "page=/", "at", "--at=noon"], "--at noon: write an RFC 3339 time"),
        (["clicks", "page=/", "at", "--at=9999-12-31T23:59:59Z"], "write an RFC 3339 time"),
        (["clicks", "page=/"], "name each dimension of clicks once, alone where it is null: page="),
        (["clicks", "page=/", "page=/", "at"], "name each dimension of clicks once"),
        (["clicks", "page=/", "at", "day"], "name each dimension of clicks once"),
        (["clicks", "page=/", "at=today"], "at: not an RFC 3339 time with an offset"),
        (["clics", "page=/"], "clics: no metric of this name says `bigtable: true`; those that do"),
        (["clicks", "page=/", f"at={NOON}"], f"--bigtable_table={TABLE}: no Google Cloud cred"),
    ],
)
def test_wrong_usage_is_one_line_and_status_two(get, argv, words):
    status, told = get(*argv)
    assert status == 2
    assert words in told
