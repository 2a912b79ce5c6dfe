"""Tables as they are described: of contracts, of metrics, and of the suite itself."""

import json

import msgspec
import pytest
from google.cloud.bigquery import SchemaField

from schemas.column_rules import checked
from schemas.contract import load_contracts
from schemas.declaration_error import DeclarationError
from schemas.metric_set import load_metrics, parse_metric
from schemas.metric_tables import pane_table
from schemas.table_names import Datasets
from schemas.table_set import TableSet
from schemas.tables import Column, Table, TableError
from schemas.tables_page import tables_page
from tests.schemas.any_event import SHIPPED, a_contract, envelope_with, field, write_contract

METRICS = load_metrics(None, SHIPPED)
TABLES = TableSet.of(SHIPPED, METRICS)


def contracts_of(folder, *fields, **changed):
    return load_contracts(write_contract(folder, a_contract(*fields, **changed)))


def deep(levels):
    """A record of records, so many deep."""
    record = {"type": "record", "name": f"R{levels}", "fields": [field("leaf", "string")]}
    for level in range(levels - 1, 0, -1):
        record = {"type": "record", "name": f"R{level}", "fields": [field("down", record)]}
    return record


def test_every_type_and_metric_has_its_table_and_its_view():
    names = {table.full_name for table in TABLES.tables}
    views = {view.full_name for view in TABLES.views}
    for contract in SHIPPED.types.values():
        assert f"silver_{contract.domain}.{contract.event_type}" in names
        assert f"silver_{contract.domain}.{contract.event_type}_current" in views
    for metric in METRICS:
        assert f"ops.panes_{metric.name}" in names
        assert f"gold.{metric.name}" in views
    assert {"ops.drift", "ops.late", "ops.quarantine", "ops.recomputed"} <= names


def test_tables_come_before_the_views_of_them():
    known = {table.full_name for table in TABLES.tables}
    for view in TABLES.views:
        named = {each.split("}")[0] for each in view.sql.split("{table:")[1:]}
        assert named
        assert named <= known


@pytest.mark.parametrize("table", TABLES.tables, ids=lambda table: table.full_name)
def test_a_table_can_be_kept_by_what_it_names_and_its_key_is_never_null(table):
    columns = {column.name: column for column in table.columns}
    assert columns[table.partition].type == "TIMESTAMP"
    assert len(table.clustering) <= 4
    assert set(table.clustering) <= set(columns)
    assert table.key
    assert {columns[name].mode for name in table.key} == {"REQUIRED"}
    assert table.doc.endswith(".")
    assert all(column.description for column in table.columns if column.type != "RECORD")
    for spec in table.schema():
        assert SchemaField.from_api_repr(spec).to_api_repr()["name"] == spec["name"]
        assert Column.of(spec).json() == spec


def test_what_was_sent_is_in_a_restricted_table_only():
    restricted = {table.full_name for table in TABLES.tables if table.restricted}
    assert restricted == {"ops.drift"}
    with_drift = {t.full_name for t in TABLES.tables for each in t.columns if each.name == "drift"}
    assert with_drift == restricted


def test_a_curated_table_tells_where_its_rows_come_from():
    table = TABLES.table("silver_product.page_view")
    assert [column.name for column in table.columns] == [
        *("event_id", "event_type", "user_id", "session_id", "event_timestamp", "source_system"),
        *("event_details", "unknown_fields"),
        *("publish_time", "ingest_time", "message_id", "content_digest"),
    ]
    assert table.key == ("event_id",)
    assert table.clustering == ("user_id",)


def test_a_table_without_users_is_not_ordered_by_them(tmp_path):
    dropped = envelope_with(2, type=["null", "string"], default=None, pii="drop")
    write_contract(tmp_path, dropped, "envelope.avsc")
    table = TableSet.of(contracts_of(tmp_path, field("a", "string")), []).table("silver_shop.thing")
    assert table.clustering == ()


def test_a_pane_has_a_column_for_each_dimension_and_measure():
    text = """
name: mixed
doc: Some of each.
windows: [1m]
where: {event_type: quiz_submitted}
dimensions: {course: event_details.course_id, passed: event_details.passed}
measures:
  - {name: all, measure: count}
  - {name: points, measure: sum, field: event_details.score}
  - {name: first, measure: min, field: event_timestamp}
  - {name: users, measure: approx_distinct, field: user_id}
  - {name: mean, measure: ratio, of: [points, all]}
"""
    tables = TableSet.of(SHIPPED, [parse_metric(text, "mixed.yaml", SHIPPED)])
    kinds = {each.name: each.type for each in tables.table("ops.panes_mixed").columns}
    assert kinds == {
        **{"window": "STRING", "window_start": "TIMESTAMP", "window_end": "TIMESTAMP"},
        **{"course": "STRING", "passed": "BOOLEAN", "all": "INTEGER", "points": "NUMERIC"},
        **{"first": "TIMESTAMP", "users": "INTEGER", "users_theta": "BYTES", "mean": "FLOAT"},
        **{"event_count": "INTEGER", "pane_index": "INTEGER", "timing": "STRING"},
        **{"generation": "INTEGER", "insert_id": "STRING"},
    }


def test_a_measure_cannot_take_a_column_of_every_pane():
    text = "name: m\ndoc: d\nwindows: [1m]\nmeasures: [{name: Timing, measure: count}]\n"
    with pytest.raises(DeclarationError, match="Timing"):
        parse_metric(text, "m.yaml", SHIPPED)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([field("_TABLE_of", "string")], "keeps names that begin with _TABLE_ for itself"),
        ([field("_partitiontime", "string")], "begin with _PARTITION for itself"),
        ([field("a" * 301, "string")], "301 characters, and BigQuery takes 300"),
        ([field("top", deep(15))], "records nest 16 deep, and BigQuery takes 15"),
    ],
    ids=["prefix", "case", "long", "deep"],
)
def test_what_bigquery_would_refuse_is_refused_before_it_is_asked(tmp_path, fields, words):
    contracts = contracts_of(tmp_path, *fields)
    with pytest.raises(TableError) as caught:
        TableSet.of(contracts, [])
    told = str(caught.value)
    assert told.startswith("silver_shop.thing: ")
    assert words in told
    assert "\n" not in told
    assert len(told) < 400


def test_a_table_has_so_many_columns_at_most_and_fields_count():
    fields = tuple(Column(f"f{n}", "STRING") for n in range(9_999))
    checked(Table("ops", "thing", "A thing.", (Column("all", "RECORD", fields=fields),)))
    columns = (Column("all", "RECORD", fields=fields), Column("one", "STRING"))
    with pytest.raises(TableError, match="10001 columns, and BigQuery takes 10000; split the type"):
        checked(Table("ops", "thing", "A thing.", columns))
    one = "{name: wide, doc: Much., windows: [1m], measures: [{name: n, measure: count}]}"
    metric = parse_metric(one, "wide.yaml", load_contracts(None))
    [count] = metric.measures
    many = tuple(msgspec.structs.replace(count, name=f"n{n}") for n in range(10_000))
    with pytest.raises(TableError, match="BigQuery takes 10000; split the metric"):
        pane_table(msgspec.structs.replace(metric, measures=many))


def test_what_bigquery_would_just_take_is_taken(tmp_path):
    contracts = contracts_of(
        tmp_path,
        field("a" * 300, "string"),
        field("x_PARTITION", "string"),
        field("top", deep(14)),
        field("long", "string", doc="d" * 5_000),
    )
    table = TableSet.of(contracts, []).table("silver_shop.thing")
    details = next(column for column in table.columns if column.name == "event_details")
    assert max(len(each.description) for each in details.fields) == 1_024


@pytest.mark.parametrize(
    ("domain", "name", "words"),
    [
        ("my-shop", "thing", "'silver_my-shop' cannot name a dataset"),
        ("shop", "thing.done", "'thing.done' cannot name a table"),
    ],
)
def test_a_name_that_no_dataset_or_table_can_have_is_refused(tmp_path, domain, name, words):
    spec = a_contract(name=name, domain=domain)
    contracts = load_contracts(write_contract(tmp_path, spec, f"{domain}/{name}.avsc"))
    with pytest.raises(TableError, match=words):
        TableSet.of(contracts, [])


def test_a_type_cannot_have_the_name_of_anothers_view(tmp_path):
    for name in ("thing", "thing_current"):
        write_contract(tmp_path, a_contract(name=name), f"shop/{name}.avsc")
    with pytest.raises(TableError, match=r"silver_shop\.thing_current: two tables or views"):
        TableSet.of(load_contracts(str(tmp_path)), [])


def test_columns_differ_by_more_than_case():
    columns = (Column("first", "STRING"), Column("First", "STRING"))
    with pytest.raises(TableError, match="column First: first is there too, and BigQuery knows no"):
        checked(Table("ops", "thing", "A thing.", columns))


def test_an_undeclared_table_is_named():
    with pytest.raises(TableError, match=r"ops\.nothing: no such table is declared"):
        TABLES.table("ops.nothing")


@pytest.mark.parametrize(
    ("project", "prefix", "words"),
    [
        ("", "", "is no project"),
        ("My-Project", "", "is no project"),
        ("a`b", "", "is no project"),
        ("my-project", "dev-", "is no prefix"),
        ("my-project", "dev.", "is no prefix"),
    ],
)
def test_a_project_or_prefix_that_cannot_be_a_name_is_refused(project, prefix, words):
    with pytest.raises(TableError, match=words):
        Datasets(project, prefix)


def test_a_query_names_the_tables_of_its_environment():
    datasets = Datasets("example.com:my-project", "dev_")
    for view in TABLES.views:
        sql = datasets.sql(view.sql)
        assert "{table:" not in sql
        assert f"`example.com:my-project.dev_{view.sql.split('{table:')[1].split('}')[0]}`" in sql


def test_a_declared_text_is_never_taken_for_the_name_of_a_table():
    text = """
name: m
doc: d
windows: [1m]
where: {event_type: quiz_submitted}
dimensions: {course: event_details.course_id}
measures: [{name: all, measure: count}]
fill: {zero: [{course: "a `b` {table:ops.late} c"}]}
"""
    tables = TableSet.of(SHIPPED, [parse_metric(text, "m.yaml", SHIPPED)])
    sql = Datasets("my-project", "dev_").sql(tables.views[-1].sql)
    assert "ops.late" not in sql.replace(r"a `b` \u007btable:ops.late} c", "")
    assert sql.count("dev_ops.panes_m`") == 1


def test_the_page_names_every_table_view_and_column():
    page = tables_page(TABLES)
    for thing in (*TABLES.tables, *TABLES.views):
        assert f"### {thing.full_name}" in page
        assert thing.doc in page
    for path in ("event_details.items[].sku", "event_details.tax_rate", "users_theta"):
        assert f"| `{path}` |" in page
    assert "NUMERIC(6, 4)" in page
    assert "list of RECORD" in page
    assert "*Restricted.*" in page
    assert "Rows are kept for 365 days." in page


def test_a_text_cannot_break_the_page(tmp_path):
    contracts = contracts_of(tmp_path, field("a", "string", doc="one | two\nthree"))
    page = tables_page(TableSet.of(contracts, []))
    assert "| `event_details.a` | STRING |  | one \\| two three |" in page


def test_the_tables_are_the_same_for_the_same_declarations():
    again = TableSet.of(SHIPPED, list(reversed(METRICS)))
    assert json.dumps([each.schema() for each in again.tables]) == json.dumps(
        [each.schema() for each in TABLES.tables]
    )
    assert again == TABLES
