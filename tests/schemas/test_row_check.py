"""What is wrong with a row is told by field and rule, never with a value."""

import json

import pytest

from schemas.row_check import row_problem

COLUMNS = [
    {"name": "id", "type": "STRING", "mode": "REQUIRED"},
    {"name": "n", "type": "INTEGER"},
    {"name": "price", "type": "NUMERIC"},
    {"name": "raw", "type": "BYTES"},
    {"name": "on", "type": "DATE"},
    {"name": "at", "type": "TIMESTAMP"},
    {"name": "ok", "type": "BOOLEAN"},
    {"name": "rate", "type": "FLOAT"},
    {"name": "tags", "type": "STRING", "mode": "REPEATED"},
    {
        "name": "items",
        "type": "RECORD",
        "mode": "REPEATED",
        "fields": [{"name": "sku", "type": "STRING", "mode": "REQUIRED"}],
    },
]
GOOD = {
    "id": "a",
    "n": "9223372036854775807",
    "price": "1.25",
    "raw": "AP9o",
    "on": "2026-01-31",
    "at": "2026-01-31T12:00:00.000001Z",
    "ok": True,
    "rate": 0.5,
    "tags": ["x"],
    "items": [{"sku": "s"}],
}


def test_in_a_row_that_fits_nothing_is_found():
    assert row_problem(json.dumps(GOOD).encode(), COLUMNS) == ""
    assert row_problem(b'{"ID":"a","n":null}', COLUMNS) == ""
    for at in (1, 1.5, "-1.5", "2026-1-1", " 0001-01-01 00:00:00.5 America/Los_Angeles"):
        assert row_problem(json.dumps({**GOOD, "at": at}).encode(), COLUMNS) == ""


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"more": 1}, "no such field: more"),
        ({"id": None}, "a required field is missing: id"),
        ({"id": 7}, "another type: id"),
        ({"n": 2**63}, "another type: n"),
        ({"n": True}, "another type: n"),
        ({"n": "1.5"}, "another type: n"),
        ({"price": "many"}, "another type: price"),
        ({"raw": "not base64"}, "another type: raw"),
        ({"on": "31.1.2026"}, "another type: on"),
        ({"at": "noon"}, "another type: at"),
        ({"at": ""}, "another type: at"),
        ({"at": True}, "another type: at"),
        ({"ok": "perhaps"}, "another type: ok"),
        ({"rate": False}, "another type: rate"),
        ({"tags": "x"}, "another type: tags"),
        ({"items": [{}]}, "a required field is missing: items.sku"),
        ({"items": [{"sku": "s", "x": 1}]}, "no such field: items.x"),
        ({"items": ["s"]}, "another type: items"),
    ],
)
def test_what_does_not_fit_is_told_by_field_and_rule(changed, told):
    assert row_problem(json.dumps({**GOOD, **changed}).encode(), COLUMNS) == told


def test_what_is_no_row_is_told_too():
    assert row_problem(b"{", COLUMNS) == "no JSON"
    assert row_problem(b"[]", COLUMNS) == "another type: row"
