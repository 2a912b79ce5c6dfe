"""Tables and views of BigQuery on the emulator: made, compared, added to, refused, and read."""

import itertools
import json
import random
import shutil
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from console.bigquery_tables import Asked, apply_tables, compare_tables, create_tables
from local.resources import unique_name
from schemas.contract import load_contracts
from schemas.current_panes import current_panes
from schemas.current_rows import current_rows
from schemas.metric_set import load_metrics
from schemas.table_names import Datasets
from schemas.table_set import TableSet
from schemas.tables import TableError
from schemas.times import format_rfc3339
from transforms.bigquery_connection import bigquery_client
from transforms.check_tables import check_tables

SHIPPED = Path(__file__).parents[2] / "schemas"
NOON = 1_769_860_800
ORDER = ("publish_time", "content_digest", "message_id")
TIMINGS = ("early", "on_time", "late")
FIELDS = [
    {"name": "colour", "type": ["null", "string"], "default": None, "doc": "Its colour."},
    {"name": "sizes", "type": {"type": "array", "items": "long"}, "default": []},
]


@pytest.fixture
def asked(bigquery_emulator, tmp_path):
    """An environment of its own with one event type and the metrics of purchases."""
    contracts, metrics = tmp_path / "contracts", tmp_path / "metrics"
    (contracts / "billing").mkdir(parents=True)
    for name in ("purchase", "refund"):
        shutil.copy(SHIPPED / f"contracts/billing/{name}.avsc", contracts / "billing")
    metrics.mkdir()
    shutil.copy(SHIPPED / "metrics/purchases.yaml", metrics)
    prefix = unique_name("t").replace("-", "_") + "_"
    return Asked(bigquery_emulator.project, prefix, contracts=str(contracts), metrics=str(metrics))


def evolve(asked, change):
    """Change the contract of purchases."""
    file = Path(asked.contracts) / "billing/purchase.avsc"
    contract = json.loads(file.read_text())
    change(contract["fields"])
    file.write_text(json.dumps(contract))


def declared(asked):
    contracts = load_contracts(asked.contracts)
    return TableSet.of(contracts, load_metrics(asked.metrics, contracts))


def query(asked, sql):
    client = bigquery_client(asked.project)
    job = client.query(Datasets(asked.project, asked.prefix).sql(sql), retry=None, job_retry=None)
    return [dict(row) for row in job.result(timeout=30, retry=None)]


def insert(asked, table, rows):
    client = bigquery_client(asked.project)
    full = client.get_table(Datasets(asked.project, asked.prefix).full(table))
    assert not client.insert_rows_json(full, rows, retry=None, timeout=30)


def purchase(event_id, **changed):
    return {
        "event_id": event_id,
        "event_type": "purchase",
        "user_id": "u",
        "event_timestamp": "2026-01-31T12:00:00Z",
        "event_details": {
            "order_id": "o",
            "amount_minor": 5,
            "currency": "EUR",
            "payment_method": "card",
            "items": [{"sku": "s", "quantity": 1, "unit_amount_minor": 5}],
            **changed.pop("details", {}),
        },
        "unknown_fields": [],
        "ingest_time": "2026-01-31T12:01:00Z",
        "content_digest": "d",
        **changed,
    }


def test_what_was_created_is_as_declared_and_creating_again_changes_nothing(asked):
    made = list(create_tables(asked))
    assert f"created dataset {asked.prefix}silver_billing" in made
    assert {"created silver_billing.purchase", "created gold.purchases"} <= set(made)
    assert compare_tables(asked) == (["no difference"], False)
    count = len(declared(asked).tables) + len(declared(asked).views)
    told = f"{count} of {count} tables and views were there already"
    assert list(create_tables(asked)) == [told]
    assert apply_tables(asked) == (["nothing to do"], True)


def test_a_new_field_of_a_contract_becomes_a_column_beside_the_rows_that_are_there(asked):
    list(create_tables(asked))
    insert(asked, "silver_billing.purchase", [purchase("old")])
    evolve(asked, lambda fields: fields.extend(FIELDS))
    evolve(asked, lambda fields: fields[5]["type"]["items"]["fields"].append(FIELDS[0]))
    lines, is_different = compare_tables(asked)
    assert is_different
    start = "change   silver_billing.purchase: column event_details."
    assert lines == [
        f"{start}items.colour is new, STRING",
        f"{start}colour is new, STRING",
        f"{start}sizes is new, repeated INTEGER",
    ]
    assert apply_tables(asked) == ([line.replace("change  ", "changed") for line in lines], True)
    assert compare_tables(asked) == (["no difference"], False)
    details = {"colour": "red", "sizes": [1, 2]}
    insert(asked, "silver_billing.purchase", [purchase("new", details=details)])
    sql = "SELECT event_id, event_details FROM {table:silver_billing.purchase_current}"
    found = {row["event_id"]: row["event_details"] for row in query(asked, sql)}
    assert found["new"]["colour"] == "red"
    assert found["new"]["sizes"] == [1, 2]
    assert found["old"]["colour"] is None


def test_a_new_measure_of_a_metric_becomes_a_column_and_the_view_shows_it(asked):
    list(create_tables(asked))
    file = Path(asked.metrics) / "purchases.yaml"
    more = "  - {name: orders, measure: approx_distinct, field: event_details.order_id}\n"
    file.write_text(file.read_text().replace("measures:\n", f"measures:\n{more}"))
    lines, done = apply_tables(asked)
    assert done
    assert lines == [
        "changed ops.panes_purchases: column orders is new, INTEGER",
        "changed ops.panes_purchases: column orders_theta is new, BYTES",
        "changed gold.purchases: another query",
    ]
    assert query(asked, "SELECT orders, orders_theta FROM {table:gold.purchases}") == []
    assert compare_tables(asked) == (["no difference"], False)


def test_a_changed_type_is_refused_and_then_nothing_is_applied(asked):
    list(create_tables(asked))

    def change(fields):
        fields[0] = {"name": "order_id", "type": "long"}
        fields.extend(FIELDS)

    evolve(asked, change)
    lines, done = apply_tables(asked)
    assert not done
    assert lines == [
        "refused  silver_billing.purchase: column event_details.order_id is STRING and not INTEGER;"
        " give what is new another name, or write into new tables (--prefix)"
    ]
    columns = bigquery_client(asked.project).get_table(
        Datasets(asked.project, asked.prefix).full("silver_billing.purchase")
    )
    assert "colour" not in json.dumps(columns.to_api_repr())


def test_a_job_learns_at_its_launch_what_its_tables_lack(asked):
    client, datasets = bigquery_client(asked.project), Datasets(asked.project, asked.prefix)
    with pytest.raises(TableError) as caught:
        check_tables(client, datasets, declared(asked).tables)
    command = f"--project={asked.project} --prefix={asked.prefix}`"
    assert "no such table: " in str(caught.value)
    assert f"`penstock tables create {command}" in str(caught.value)
    list(create_tables(asked))
    check_tables(client, datasets, declared(asked).tables)
    evolve(asked, lambda fields: fields.extend(FIELDS))
    with pytest.raises(TableError, match=r"event_details\.colour is new, STRING") as caught:
        check_tables(client, datasets, declared(asked).tables)
    assert f"`penstock tables apply {command}" in str(caught.value)


def test_a_view_has_one_row_for_each_event_whatever_order_rows_came_in(asked):
    list(create_tables(asked))
    stamps = ["2026-01-31T12:00:01Z", "2026-01-31T12:00:02Z", None]
    rows = [
        purchase(f"e{len(ranks)}", publish_time=stamp, content_digest=digest, message_id=number)
        for ranks in ([0, 1], [0, 1, 2], [2])
        for stamp in (stamps[rank] for rank in ranks)
        for digest, number in (("b", "1"), ("a", "2"), ("a", None))
    ]
    random.Random(7).shuffle(rows)
    insert(asked, "silver_billing.purchase", rows)
    sql = "SELECT * FROM {table:silver_billing.purchase_current}"
    found = {row["event_id"]: row for row in query(asked, sql)}
    shown = {name: [row[each] for each in ORDER] for name, row in found.items()}
    first = stamps[0].replace("Z", "+00:00")
    by_rows = current_rows(rows)
    assert {name: by_rows[name].get("message_id") for name in found} == {
        name: row["message_id"] for name, row in found.items()
    }
    assert shown["e1"] == [None, "a", "2"]
    assert shown["e2"] == shown["e3"] == [datetime.fromisoformat(first), "a", "2"]


def panes(chance):
    """Return panes of some windows and keys as an engine and its restarts may leave them."""
    number = itertools.count()
    keys = itertools.product(range(4), ("1m", "5m"), ("EUR", None))
    for start, window, currency in keys:
        length = 60 if window == "1m" else 300
        for _ in range(chance.randrange(6)):
            events = chance.choice([0, 0, 1, 2, 3])
            begins = NOON + start * length
            yield {
                "window": window,
                "window_start": begins,
                "window_end": begins + length,
                "currency": currency,
                "purchases": events,
                "event_count": events,
                "pane_index": chance.randrange(3),
                "timing": chance.choice(TIMINGS),
                "generation": chance.choice([0, 0, 0, 5, 7]),
                "insert_id": f"{next(number):03}",
            }


def stamped(row):
    """Return a row with its times as BigQuery takes them."""
    times = {name: row[name] for name in ("window_start", "window_end") if name in row}
    return {**row, **{name: format_rfc3339(at * 1_000_000) for name, at in times.items()}}


def rule(rows, recomputed):
    """Return what holds of each window and key, in plain Python."""
    best = {}
    for row in rows:
        window = (row["window"], row["window_start"])
        if row["generation"] < max(recomputed.get(window, [0])):
            continue
        rank = (row["generation"], row["event_count"], row["pane_index"], row["insert_id"])
        key = (*window, row["currency"])
        if key not in best or rank > best[key][0]:
            best[key] = (rank, row)
    return {key: row for key, (_, row) in best.items() if row["event_count"]}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_metrics_view_tells_the_last_word_on_each_window_and_zeros_where_it_is_asked(asked, seed):
    list(create_tables(asked))
    chance = random.Random(seed)
    rows = list(panes(chance))
    windows = sorted({(row["window"], row["window_start"]) for row in rows})
    recomputed = {window: [5] * 2 if chance.random() < 0.5 else [5, 7] for window in windows[::2]}
    chance.shuffle(rows)
    switches = [
        stamped({"metric": name, "window": window, "window_start": start, "generation": generation})
        for (window, start), generations in recomputed.items()
        for generation in generations
        for name in ("purchases", "other")
    ]
    told = list(map(stamped, rows))
    insert(asked, "ops.panes_purchases", told)
    insert(asked, "ops.recomputed", switches)
    held = rule(rows, recomputed)
    found = {
        (row["window"], int(row["window_start"].timestamp()), row["currency"]): row
        for row in query(asked, "SELECT * FROM {table:gold.purchases}")
    }
    (metric,) = load_metrics(asked.metrics, load_contracts(asked.contracts))
    by_rows = current_panes(metric, told, switches)
    assert {(window, start // 1_000_000, key) for window, start, key in by_rows} == found.keys()
    for key, row in held.items():
        assert found[key]["purchases"] == row["purchases"]
        assert found[key]["event_count"] == row["event_count"]
        assert found[key]["timing"] == row["timing"]
        assert found[key]["generation"] == row["generation"]
    zeros = {key: row for key, row in found.items() if key not in held}
    expected = set()
    for window, length in (("1m", 60), ("5m", 300)):
        starts = [start for name, start, _ in held if name == window]
        whole = range(min(starts), max(starts) + 1, length) if starts else []
        currencies = ("EUR", "USD", "GBP", "PLN", "BRL", "INR", "JPY")
        expected |= {(window, start, each) for start in whole for each in currencies}
    assert zeros.keys() == expected - held.keys()
    for (_, start, _), row in zeros.items():
        assert (row["purchases"], row["revenue_minor"], row["event_count"]) == (0, 0, 0)
        assert (row["largest_minor"], row["mean_minor"], row["timing"]) == (None, None, None)
        assert row["window_end"].timestamp() == start + (60 if row["window"] == "1m" else 300)


def test_zeros_stand_under_keys_of_every_kind_null_among_them(asked):
    odd = 'it\'s "odd" \\ {x} ż'
    metric = {
        "name": "quizzes",
        "doc": "Quizzes.",
        "windows": ["1h"],
        "where": {"event_type": "quiz_submitted"},
        "dimensions": {
            "course": "event_details.course_id",
            "passed": "event_details.passed",
            "score": "event_details.score",
        },
        "measures": [{"name": "n", "measure": "count"}],
        "fill": {
            "zero": [
                {"course": odd, "passed": False, "score": "12.5"},
                {"course": None, "passed": None, "score": None},
            ]
        },
    }
    file = Path(asked.metrics) / "purchases.yaml"
    file.write_text(json.dumps(metric))
    shutil.copytree(SHIPPED / "contracts/learning", Path(asked.contracts) / "learning")
    list(create_tables(asked))
    row = {
        "window": "1h",
        "window_start": NOON,
        "window_end": NOON + 3600,
        "event_count": 1,
        "n": 1,
    }
    pane = {"pane_index": 0, "timing": "on_time", "generation": 0, "insert_id": "i"}
    insert(asked, "ops.panes_quizzes", [stamped({**row, **pane})])
    sql = "SELECT course, passed, score, n, event_count FROM {table:gold.quizzes} ORDER BY n"
    assert [tuple(row.values()) for row in query(asked, sql)] == [
        (odd, False, Decimal("12.5"), 0, 0),
        (None, None, None, 1, 1),
    ]
