"""Audits of tables in the BigQuery emulator: its SQL says what the same rules say of files."""

import msgspec
import pytest

from console.bigquery_tables import Asked, create_tables
from local.resources import unique_name
from pipelines.audit import main
from schemas.quality import judged
from schemas.row_packs import RowPack
from schemas.table_names import Datasets
from tests.pipelines.audit_runs import archived, audit_arguments, audited, make_layers
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from tests.quality_builders import CASES, CONTRACTS, END, PURCHASE, SIGNUP, START, as_line
from transforms.audit_bigquery import AuditBigQuery

VIEWS = "silver_product.page_view"


@pytest.fixture
def datasets(bigquery_emulator, tmp_path):
    """Give fresh tables of the shipped declarations."""
    prefix = unique_name("a").replace("-", "_") + "_"
    assert list(create_tables(Asked(bigquery_emulator.project, prefix)))
    return Datasets(bigquery_emulator.project, prefix)


@pytest.fixture
def ask(bigquery_emulator, datasets):
    """Give a way to change the tables."""

    def change(sql):
        bigquery_emulator.client.query(datasets.sql(sql)).result()

    return change


def test_each_check_finds_in_tables_what_it_finds_in_rows(datasets, ask):
    tables = AuditBigQuery(datasets, CONTRACTS)
    wrong = []
    for name, case in CASES.items():
        for table, rows in case.tables().items():
            ask(f"DELETE FROM {{table:{table}}} WHERE TRUE")
            if rows:
                ids = [str(n) for n in range(len(rows))]
                tables.keep(RowPack(table, [as_line(row) for row in rows], ids))
        found = judged(case.check, tables.measure(case.check, START, END))
        value = pytest.approx(case.value) if case.value is not None else None
        if found.passed is not case.passes or found.value != value:
            wrong.append((name, found.passed, found.value))
    assert not wrong
    assert {PURCHASE, SIGNUP} == set(case.tables())


@pytest.fixture
def options(datasets, gcs_emulator, tmp_path, monkeypatch):
    """Curate and measure into the tables; give the options of their audit."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    tables = (
        f"--bigquery_project={datasets.project}",
        f"--dataset_prefix={datasets.prefix}",
    )
    make_layers(tmp_path, *tables, f"--staging=gs://{gcs_emulator.bucket()}/staging")
    return tables


def test_layers_in_tables_agree_until_a_row_is_lost_or_invented_or_doubled(
    options, datasets, ask, tmp_path, bigquery_emulator, capsys
):
    # Two rows twice: views show them once, so all that holds without them holds with them.
    ask(f"INSERT INTO {{table:{VIEWS}}} SELECT * FROM {{table:{VIEWS}}} LIMIT 2")
    doubled = audited(tmp_path, *options, "--run_id=doubled")
    assert not [each for each in doubled.values() if each.is_error]
    assert doubled["doubled", "archive/events"].value == 2
    assert doubled["explained", "archive/events"].detail.endswith("+ 0 unexplained")
    assert doubled["curated_counts", "gold.activity"].detail == "265 windows of 1m"
    first = f"SELECT MIN(event_id) FROM {{table:{VIEWS}}}"
    ask(f"DELETE FROM {{table:{VIEWS}}} WHERE event_id = ({first})")
    ask(f"UPDATE {{table:{VIEWS}}} SET event_id = 'nobody', message_id = 'none'"
        f" WHERE event_id = ({first})")  # fmt: skip
    assert main(audit_arguments(tmp_path, *options, "--run_id=broken")) == 1
    assert "ERROR" in capsys.readouterr().out
    rows = audit_rows(bigquery_emulator, datasets)
    assert {row["run"] for row in rows} >= {"doubled", "broken"}
    broken = {(row["check"], row["table"]): row for row in rows if row["run"] == "broken"}
    assert set(broken) == set(doubled)
    assert broken["invented", "archive/events"]["detail"].endswith(": nobody")
    assert broken["lost", "archive/events"]["value"] >= 2
    for table in ("gold.activity", "gold.activity/5m"):
        assert not broken["curated_counts", table]["passed"]
        assert " measured)" in broken["curated_counts", table]["detail"].partition("differing: ")[2]


def audit_rows(emulator, datasets):
    name = datasets.full("ops.audit")
    return [dict(row) for row in emulator.client.query(f"SELECT * FROM `{name}`").result()]


def test_tables_that_are_missing_are_one_line(bigquery_emulator, tmp_path, capsys):
    archived(tmp_path)
    options = ("--bigquery_project=penstock-local", "--dataset_prefix=nobody_")
    assert main(audit_arguments(tmp_path, *options)) == 2
    err = capsys.readouterr().err
    assert "no such table: penstock-local.nobody_silver_" in err
    assert "`penstock tables create --project=penstock-local --prefix=nobody_` makes it" in err
    assert err.count("\n") == 1


def test_rows_travel_as_bigquery_reads_them(bigquery_emulator, datasets):
    tables = AuditBigQuery(datasets, CONTRACTS)
    [name] = [each for each in CASES if each == "an amount above"]
    rows = CASES[name].rows
    tables.keep(RowPack(PURCHASE, list(map(as_line, rows)), ["x", "y"]))
    read = sorted(tables.curated(START, END), key=lambda each: each.event_id)
    assert [msgspec.structs.astuple(each) for each in read] == [
        (row["event_id"], row["content_digest"], row["publish_time"], None) for row in rows
    ]
