"""Curated events in tables of the BigQuery emulator: loaded or inserted, as they are in files."""

from datetime import datetime

import pytest

from console.bigquery_tables import Asked, create_tables
from local.generate import generate, write_lines
from local.plan import Plan
from local.resources import unique_name
from pipelines.curate_events import main
from schemas.contract import load_contracts
from schemas.current_rows import current_rows
from schemas.ops_tables import DRIFT
from schemas.silver_tables import silver_table
from schemas.table_names import Datasets
from tests.pipelines.curate_runs import lines_of, rows_of
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from tests.schemas.bigquery_load import load, micros

SHIPPED = load_contracts(None)
TABLES = [*(silver_table(SHIPPED, name) for name in SHIPPED.types), DRIFT]


class Warehouse:
    """Fresh tables of the shipped contracts, and the same events for each run."""

    def __init__(self, bigquery, storage, folder):
        self.folder, self.client = folder, bigquery.client
        self.prefix = unique_name("c").replace("-", "_") + "_"
        self.datasets = Datasets(bigquery.project, self.prefix)
        assert list(create_tables(Asked(bigquery.project, self.prefix)))
        self.staging = f"gs://{storage.bucket()}/staging"
        self.events = folder / "events.ndjson"
        write_lines(generate(Plan(events=400, seed=3, lines=True), SHIPPED), self.events)

    def curate(self, *sink, now="2026-01-06T00:00:00Z"):
        return main(
            [
                f"--input_files={self.events}",
                f"--quarantine_output={self.folder / 'quarantine'}",
                f"--pseudonym_key=env:{KEY_VARIABLE}",
                f"--now={now}",
                *sink,
            ]
        )

    def into_tables(self, *more, **when):
        project = f"--bigquery_project={self.datasets.project}"
        return self.curate(project, f"--dataset_prefix={self.prefix}", *more, **when)

    def rows(self, suffix=""):
        """Return the rows of all tables, or of their views, as they read."""
        found = {}
        for table in TABLES:
            if table is not DRIFT or not suffix:
                name = self.datasets.full(table.full_name + suffix)
                query = self.client.query(f"SELECT * FROM `{name}` ORDER BY event_id")
                found[table.full_name] = [plain(dict(row)) for row in query.result()]
        return found


@pytest.fixture
def warehouse(bigquery_emulator, gcs_emulator, tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    return Warehouse(bigquery_emulator, gcs_emulator, tmp_path)


def plain(value):
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return micros(value) if isinstance(value, datetime) else value


def as_loaded(folder):
    """Return the rows of files as BigQuery must read them."""
    lines = lines_of(folder)
    found = {}
    for table in TABLES:
        own = [line.split(" ", 1)[1] for line in lines if line.startswith(f"{table.full_name} ")]
        rows = [plain(load(line.encode(), table.schema())) for line in own]
        found[table.full_name] = sorted(rows, key=lambda row: row["event_id"])
    return found


def test_loaded_rows_are_those_in_files_and_the_same_day_again_changes_nothing(warehouse):
    files = warehouse.folder / "rows"
    assert warehouse.curate(f"--rows_output={files}") == 0
    wanted = as_loaded(files)
    assert sum(map(len, wanted.values())) > 300
    assert len(wanted["ops.drift"]) > 0
    assert warehouse.into_tables(f"--staging={warehouse.staging}") == 0
    assert warehouse.rows() == wanted
    again = "2026-01-07T00:00:00Z"
    assert warehouse.into_tables(f"--staging={warehouse.staging}", now=again) == 0
    assert warehouse.rows() == wanted


def test_rows_that_were_inserted_twice_are_one_in_the_view_by_the_rule_of_plain_python(warehouse):
    files = warehouse.folder / "rows"
    for now in ("2026-01-06T00:00:00Z", "2026-01-07T00:00:00Z"):
        assert warehouse.curate(f"--rows_output={files}", now=now) == 0
        assert warehouse.into_tables("--write_method=inserts", now=now) == 0
    lines, viewed = lines_of(files), warehouse.rows("_current")
    assert sum(map(len, viewed.values())) * 2 == len(lines) - len(rows_of(lines, "ops.drift"))
    for table in TABLES[:-1]:
        current = current_rows(rows_of(lines, table.full_name))
        assert [row["event_id"] for row in viewed[table.full_name]] == sorted(current)
        assert {row["ingest_time"] for row in viewed[table.full_name]} <= {1_767_657_600_000_000}
