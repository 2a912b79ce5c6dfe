"""What differs between a declared table and the one that is there, and what is done about it."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.column_changes import Kind, compare_columns
from schemas.table_changes import declared_json, table_change, unwritable, view_change, view_json
from schemas.tables import Column, Table, View

TABLE = Table(
    "ops",
    "thing",
    "Things.",
    (
        Column("id", "STRING", "REQUIRED", "Which."),
        Column("at", "TIMESTAMP", "REQUIRED"),
        Column("price", "NUMERIC", precision=6, scale=2),
        Column("parts", "RECORD", "REPEATED", fields=(Column("label", "STRING", "REQUIRED"),)),
    ),
    partition="at",
    clustering=("id",),
    key=("id",),
    retention_days=30,
    restricted=True,
)
VIEW = View("gold", "thing", "Things.", "SELECT * FROM {table:ops.thing}")


def there(**changed):
    """What BigQuery says of the table when it was just made."""
    return {**copy.deepcopy(declared_json(TABLE)), "type": "TABLE", "etag": "x", **changed}


def with_columns(*columns):
    return there(schema={"fields": [column.json() for column in columns]})


def change(actual):
    return table_change(TABLE, actual)


def test_a_table_that_was_just_made_differs_in_nothing():
    found = change(there())
    assert (found.additions, found.leftovers, found.refusals, found.patch) == ((), (), (), {})
    assert unwritable(TABLE, there()) == []


def test_a_table_is_made_with_all_that_is_declared():
    body = declared_json(TABLE, primary_key=True)
    assert body["description"] == "Things. Key: id. Restricted: personal values may be in it."
    assert body["timePartitioning"] == {
        "type": "DAY",
        "field": "at",
        "expirationMs": str(30 * 86_400_000),
    }
    assert body["clustering"] == {"fields": ["id"]}
    assert body["tableConstraints"] == {"primaryKey": {"columns": ["id"]}}
    assert body["schema"]["fields"][2] == {
        **{"name": "price", "type": "NUMERIC", "mode": "NULLABLE"},
        **{"precision": "6", "scale": "2"},
    }
    assert "tableConstraints" not in declared_json(TABLE)


def test_new_columns_and_fields_come_after_those_that_are_there():
    identity, at, *_ = TABLE.columns
    bare = Column("parts", "RECORD", "REPEATED", fields=(Column("other", "STRING"),))
    found = change(with_columns(bare, at, identity))
    assert found.additions == ("column price is new, NUMERIC(6, 2)",)
    assert found.refusals == (
        "column parts.label is new and required, and older rows have none; let it be null, or give"
        " it a default",
    )
    assert [each["name"] for each in found.patch["schema"]["fields"]] == [
        *("parts", "at", "id"),
        "price",
    ]


def test_what_only_the_table_has_is_left_unless_rows_need_it():
    more = Column("more", "STRING")
    found = change(with_columns(*TABLE.columns, more))
    assert found.leftovers == (
        "column more is there and not declared; declare it, ALTER TABLE ... DROP COLUMN, or leave"
        " it",
    )
    assert (found.additions, found.refusals, found.patch) == ((), (), {})
    assert unwritable(TABLE, with_columns(*TABLE.columns, more)) == []
    needed = with_columns(*TABLE.columns, Column("more", "STRING", "REQUIRED"))
    assert change(needed).refusals == tuple(unwritable(TABLE, needed))
    assert "is required there and not declared" in change(needed).refusals[0]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (Column("price", "STRING"), "is STRING and not NUMERIC(6, 2)"),
        (Column("price", "NUMERIC", "REPEATED"), "is repeated NUMERIC and not NUMERIC(6, 2)"),
        (Column("price", "NUMERIC", precision=5, scale=2), "is NUMERIC(5, 2) and not"),
        (Column("price", "NUMERIC", precision=7, scale=1), "is NUMERIC(7, 1) and not"),
        (Column("price", "BIGNUMERIC", precision=6, scale=2), "is BIGNUMERIC(6, 2) and not"),
        (Column("price", "RECORD", fields=(Column("a", "STRING"),)), "is RECORD and not"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_type_is_refused_with_the_remedy(column, words):
    identity, at, _, parts = TABLE.columns
    actual = with_columns(identity, at, column, parts)
    (refusal,) = change(actual).refusals
    assert refusal.startswith(f"column price {words}")
    assert refusal.endswith("give what is new another name, or write into new tables (--prefix)")
    assert unwritable(TABLE, actual) == [refusal]


@pytest.mark.parametrize(
    "column",
    [
        Column("price", "NUMERIC"),
        Column("price", "NUMERIC", precision=8, scale=3),
        Column("PRICE", "NUMERIC", precision=6, scale=2),
        Column("price", "DECIMAL", precision=6, scale=2),
    ],
    ids=["unbounded", "wider", "case", "alias"],
)
def test_a_column_that_takes_all_that_is_declared_is_no_difference(column):
    identity, at, _, parts = TABLE.columns
    found = change(with_columns(identity, at, column, parts))
    assert (found.additions, found.leftovers, found.refusals) == ((), (), ())


def test_a_column_may_become_null_and_never_required():
    identity, at, price, parts = TABLE.columns
    strict = Column("price", "NUMERIC", "REQUIRED", precision=6, scale=2)
    found = change(with_columns(identity, at, strict, parts))
    assert found.additions == ("column price may be null from now on",)
    assert found.patch["schema"]["fields"][2]["mode"] == "NULLABLE"
    assert unwritable(TABLE, with_columns(identity, at, strict, parts)) == list(found.additions)
    lax = Column("at", "TIMESTAMP", "NULLABLE")
    assert change(with_columns(identity, lax, price, parts)).additions == ()


def test_descriptions_are_brought_and_keep_no_row_out():
    _, *others = TABLE.columns
    actual = {**with_columns(Column("id", "STRING", "REQUIRED"), *others), "description": "Old."}
    found = change(actual)
    assert found.additions == ("column id has another description", "another description")
    assert found.patch["description"].startswith("Things.")
    assert found.patch["schema"]["fields"][0]["description"] == "Which."
    assert unwritable(TABLE, actual) == []


def test_what_else_is_said_of_a_column_stays_when_one_is_added():
    tags = {"policyTags": {"names": ["projects/p/locations/eu/taxonomies/1/policyTags/2"]}}
    identity, at, price, parts = TABLE.schema()
    parts["fields"][0] |= {"maxLength": "10"}
    actual = there(schema={"fields": [identity | tags, at, parts]})
    assert change(actual).patch["schema"]["fields"] == [identity | tags, at, parts, price]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"timePartitioning": {"type": "HOUR", "field": "at"}}, "not partitioned by the DAY of at"),
        ({"timePartitioning": {"type": "DAY"}}, "not partitioned by the DAY of at"),
        ({"timePartitioning": None}, "not partitioned by the DAY of at"),
        ({"rangePartitioning": {"field": "id"}}, "not partitioned by the DAY of at"),
        ({"clustering": {"fields": ["at"]}}, "bq update --clustering_fields=id"),
        ({"clustering": None}, "not clustered by id"),
        ({"timePartitioning": {"type": "DAY", "field": "at"}}, "partition_expiration_days = 30"),
        ({"tableConstraints": {"primaryKey": {"columns": ["at"]}}}, "DROP PRIMARY KEY"),
        ({"type": "VIEW"}, "is a view and no table; rename or drop it"),
        ({"type": "MATERIALIZED_VIEW"}, "is a materialized_view and no table"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_how_a_table_is_kept_is_never_changed(changed, words):
    found = change(there(**changed))
    assert any(words in refusal for refusal in found.refusals)
    assert found.patch == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"tableConstraints": {"primaryKey": {"columns": ["id"]}}},
        {"timePartitioning": {"type": "DAY", "field": "at", "expirationMs": "86400000"}},
    ],
    ids=["its key is declared", "rows are kept for less"],
)
def test_what_an_operator_may_choose_is_no_difference(changed):
    found = change(there(**changed))
    assert (found.additions, found.refusals) == ((), ())


def test_a_view_differs_by_its_query_and_its_description():
    actual = {**view_json(VIEW, "SELECT 1"), "type": "VIEW"}
    assert view_change(VIEW, "SELECT 1", actual).additions == ()
    found = view_change(VIEW, "SELECT 2", {**actual, "description": "Old."})
    assert found.additions == ("another query", "another description")
    assert found.patch == view_json(VIEW, "SELECT 2")
    assert view_change(VIEW, "SELECT 1", there()).refusals == (
        "is a table and no view; rename or drop it",
    )


NAMES = st.sampled_from(["a", "b", "c", "B"])
MODES = st.sampled_from(["NULLABLE", "REQUIRED", "REPEATED"])


def columns(fields):
    plain = st.builds(Column, NAMES, st.sampled_from(["STRING", "DATE"]), MODES)
    record = st.builds(Column, NAMES, st.just("RECORD"), MODES, st.just(""), fields)
    return st.lists(plain | record, max_size=3, unique_by=lambda each: each.name.lower()).map(tuple)


TREES = columns(columns(st.just((Column("leaf", "DATE"),))))


@given(TREES, TREES)
def test_what_was_added_is_there_and_nothing_else_is_changed(declared, actual):
    found = compare_columns(declared, actual)
    again = compare_columns(declared, found.merged)
    assert not [each for each in again.differences if each.kind is Kind.ADDITION]
    blocked = {each.text for each in found.differences if each.kind is Kind.REFUSAL}
    assert {each.text for each in again.differences if each.kind is Kind.REFUSAL} <= blocked
    kept = compare_columns(actual, found.merged)
    assert not [each for each in kept.differences if each.keeps_rows_out and "new" in each.text]
    assert [each.name for each in found.merged][: len(actual)] == [each.name for each in actual]


@given(TREES)
def test_columns_differ_in_nothing_from_themselves_in_any_order(declared):
    assert compare_columns(declared, tuple(reversed(declared))).differences == []
