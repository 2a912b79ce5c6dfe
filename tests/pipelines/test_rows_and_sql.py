"""Batch jobs over an archive with all faults: rows in files are what plain SQL says they are."""

import json
import random

import pytest

from local.generate import generate
from local.plan import DAY, Faults, Plan
from schemas.contract import load_contracts
from schemas.current_panes import current_panes
from schemas.current_rows import current_rows
from schemas.events import RawEvent
from schemas.metric_set import load_metrics
from schemas.row_check import row_problem
from schemas.table_set import TableSet
from schemas.times import format_rfc3339
from tests.archive_builders import complete, put_overlapping
from tests.pipelines import curate_runs, window_runs
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from tests.schemas.bigquery_load import load
from tests.sql_oracle import METRICS, Oracle, Raw, plain, write_raw

pytestmark = pytest.mark.engine

FAULTS = Faults(duplicate=0.05, conflict=0.02, broken=0.06, drift=0.1, gzip=0.1)
WINDOWS = {"1m": 60_000_000, "5m": 300_000_000}
CONTRACTS = load_contracts(None)
DECLARED = load_metrics(None, CONTRACTS)
TABLES = {table.full_name: table for table in TableSet.of(CONTRACTS, DECLARED).tables}


def listed(rows, names):
    told = ({name: row[name] for name in names if name in row} for row in rows)
    return sorted(json.dumps(row, sort_keys=True) for row in told)


def members(rows):
    return sorted({name for row in rows for name in row})


def typed(line):
    """Return table and row of a line, in the types of its columns; fail where it does not fit."""
    name, row = line.split(" ", 1)
    assert row_problem(row.encode(), TABLES[name].schema()) == ""
    return name, load(row.encode(), columns_of(name))


def columns_of(table, **changed):
    """Return the columns with what BigQuery supposes of a NUMERIC."""
    return [{"precision": 38, "scale": 9, **each, **changed} for each in TABLES[table].schema()]


@pytest.mark.parametrize("seed", [2, 3])
def test_any_split_order_and_repetition_gives_the_rows_of_plain_sql(tmp_path, monkeypatch, seed):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    plan = Plan(events=300, seed=seed, lines=False, clocked=True, faults=FAULTS)
    messages = [
        RawEvent(each.payload, each.attributes, f"m{n:04}", each.publish_time)
        for n, each in enumerate(generate(plan, CONTRACTS))
    ]
    raw = write_raw(
        (Raw(one.message_id, one.publish_time, one.payload, one.attributes) for one in messages),
        tmp_path / "raw.ndjson",
    )
    oracle = Oracle(raw, KEY, WINDOWS)
    random.Random(seed).shuffle(messages)
    put_overlapping(tmp_path / "archive", messages, seed)
    complete(tmp_path / "archive", plan.start + 30 * DAY)
    argv = [
        f"--input_archive={tmp_path / 'archive'}",
        f"--from={format_rfc3339(plan.start - 15 * DAY)}",
        f"--to={format_rfc3339(plan.start + 6 * DAY)}",
        "--max_lateness=3d",
        f"--now={format_rfc3339(plan.start + 20 * DAY)}",
        f"--shards={1 + 4 * seed}",
        *window_runs.sinks(tmp_path),
    ]
    curate_runs.run(argv, tmp_path, bundle_repeat=seed % 2)
    done = window_runs.run(argv, tmp_path, bundle_repeat=seed % 2)
    rows = {}
    for table, row in map(typed, done.rows):
        rows.setdefault(table, []).append(plain(row))
    check_curated(done, rows, oracle)
    for metric in DECLARED:
        table = f"ops.panes_{metric.name}"
        # Rows of zeros are the view's: they lack what tells panes apart.
        columns = columns_of(table, mode="NULLABLE")
        kept = current_panes(metric, done.of(table)).values()
        found = [plain(load(json.dumps(row).encode(), columns)) for row in kept]
        wanted = oracle.rows(metric.name)
        assert listed(found, members(wanted)) == listed(wanted, members(wanted))


def check_curated(done, rows, oracle):
    for name in CONTRACTS.types:
        table = f"silver_{CONTRACTS.types[name].domain}.{name}"
        wanted = [row for row in oracle.rows("silver") if row["table"] == table]
        found = [{"table": table, **row} for row in rows.get(table, [])]
        assert listed(found, members(wanted)) == listed(wanted, members(wanted))
        assert len(current_rows(done.of(table))) == len(found)
    found, wanted = rows["ops.drift"], oracle.rows("drift")
    for row in (*found, *wanted):
        row["drift"] = json.loads(row["drift"])
    assert listed(found, members(wanted)) == listed(wanted, members(wanted))
    refused = {(row["message_id"], row["reason"]) for row in oracle.rows("refused")}
    assert {(one.message_id, one.reason) for one in done.rejected} == refused
    assert set(METRICS) == {metric.name for metric in DECLARED}
