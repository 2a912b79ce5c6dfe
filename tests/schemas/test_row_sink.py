"""Every table of the suite can be loaded: something tells its rows apart."""

import pytest

from schemas.contract import load_contracts
from schemas.row_order import ROW_ORDER
from schemas.row_sink import RowSink, merge_rule
from schemas.table_names import Datasets
from schemas.table_set import TableSet

TABLES = TableSet.of(load_contracts(None), []).tables


@pytest.mark.parametrize("table", TABLES, ids=[table.full_name for table in TABLES])
def test_rows_of_a_table_are_told_apart_by_columns_that_are_never_null(table):
    rule = merge_rule(table)
    modes = {column.name: column.mode for column in table.columns}
    assert {modes[name] for name in rule.key} == {"REQUIRED"}
    held = [{by} if isinstance(by, str) else set(by.columns) for by in rule.order]
    assert set().union(*held) <= modes.keys()
    assert rule.partition in (None, table.partition)


def test_rows_of_an_event_are_chosen_as_the_current_view_chooses_them():
    silver = next(table for table in TABLES if table.dataset == "silver_product")
    rule = merge_rule(silver)
    assert rule.key == ("event_id",)
    assert rule.order == ROW_ORDER
    drift = next(table for table in TABLES if table.full_name == "ops.drift")
    assert merge_rule(drift).order[:2] == ("publish_time", "content_digest")
    assert rule.partition == "event_timestamp"


def test_a_sink_knows_the_rules_of_its_tables_and_their_columns():
    datasets = Datasets("my-project", "dev_")
    loaded = RowSink.load(datasets, "gs://b/s", TABLES, run="r", expires=1)
    assert list(loaded.rules) == [table.full_name for table in TABLES]
    stored = RowSink.storage(datasets, TABLES)
    assert stored.columns[TABLES[0].full_name] == TABLES[0].schema()
