"""A row that BigQuery's client reads is told as it was written, and is filled alike."""

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.contract_set import Contracts
from schemas.drift_fill import DriftFill
from schemas.silver_tables import silver_table
from schemas.stored_rows import stored_line
from schemas.tables import Column
from tests.schemas import any_contract
from tests.schemas.any_event import any_event
from tests.schemas.bigquery_load import EPOCH, load
from tests.schemas.test_drift_fill import KEY, LATER, curated, told, without_some


def as_read(values, columns):
    """Return loaded values as the client has them: times, and decimals without idle digits."""
    return {each["name"]: _as_read(values[each["name"]], each) for each in columns}


def _as_read(value, column):
    if isinstance(value, list):
        return [_as_read(each, column) for each in value]
    if value is None:
        return None
    if column["type"] == "RECORD":
        return as_read(value, column["fields"])
    if column["type"] == "TIMESTAMP":
        return EPOCH + timedelta(microseconds=value)
    return value.normalize() if column["type"].endswith("NUMERIC") else value


def without_empty(value):
    if isinstance(value, dict):
        inside = {name: without_empty(each) for name, each in value.items()}
        return {name: each for name, each in inside.items() if each not in ([], {})}
    return [without_empty(each) for each in value] if isinstance(value, list) else value


def in_one_form(line):
    """Return a row as JSON; whole seconds are written in two ways."""
    return json.dumps(without_empty(json.loads(line.replace(b".000000Z", b"Z"))), sort_keys=True)


@pytest.mark.engine
@settings(max_examples=60)
@given(st.data())
def test_a_stored_row_is_told_as_it_was_written_and_filled_as_that_one(data):
    new = data.draw(any_contract.contracts())
    fields = without_some(data.draw, new.types["thing"].fields)
    thing = type(new.types["thing"])("thing", "shop", "", fields)
    old = Contracts({"thing": thing}, new.envelope)
    details = data.draw(any_contract.wire_record(new.types["thing"].fields))
    event = any_event(event_type="thing", event_details=details)
    row, drift = curated(event, old)
    table = silver_table(old, "thing")
    read = as_read(load(row, table.schema()), table.schema())
    stored = stored_line({**read, "gone": "x"}, table.columns)
    assert in_one_form(stored) == in_one_form(row)
    if drift is not None:
        fill = DriftFill(new, KEY)
        of_stored, of_row = (fill.fill(json.loads(line), drift, LATER) for line in (stored, row))
        assert (of_stored is None) == (of_row is None)
        if of_row is not None:
            assert in_one_form(of_stored) == in_one_form(of_row)
            assert told(of_row)


def test_what_is_not_declared_is_left_out_also_inside_records():
    part = Column("part", "RECORD", fields=(Column("a", "STRING"),))
    assert stored_line({"part": {"a": "x", "b": "y"}, "more": 1}, [part]) == b'{"part":{"a":"x"}}'
