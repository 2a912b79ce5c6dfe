"""View, merge, compaction and plain Python choose the same row of an event, a filled one first."""

import re

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.contract import load_contracts
from schemas.current_rows import current_rows, row_rank
from schemas.merge_rows import compact_statement, merge_statement
from schemas.row_order import known_of
from schemas.row_sink import merge_rule
from schemas.silver_tables import current_view, silver_table

TABLE = silver_table(load_contracts(None), "click")
RULE = merge_rule(TABLE)
COLUMNS = {
    "event_id": "TEXT",
    "event_timestamp": "TIMESTAMPTZ",
    "unknown_fields": "TEXT[]",
    "publish_time": "TIMESTAMPTZ",
    "ingest_time": "TIMESTAMPTZ",
    "message_id": "TEXT",
    "content_digest": "TEXT",
}
AT, SPAN = "2026-01-31T12:00:00Z", ("2026-01-31", "2026-02-01")
TIMES = st.sampled_from(["2026-01-31T12:00:00.000001Z", "2026-02-01T00:00:00Z"])
_NAMES = ["d.a", "d.a.x", "d.a[].x", "d.a b", "d.b", "d.aż", "~", "ż", "d.a.x.y"]
UNKNOWN = st.lists(st.sampled_from(_NAMES), max_size=4, unique=True).map(sorted)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "event_id": st.sampled_from(["e1", "e2"]),
            "event_timestamp": st.just(AT),
            "unknown_fields": st.none() | UNKNOWN,
            "publish_time": st.none() | TIMES,
            "ingest_time": TIMES,
            "message_id": st.none() | st.sampled_from(["1", "2"]),
            "content_digest": st.sampled_from(["a", "b"]),
        }
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def duck():
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone='UTC'")
        connection.execute("CREATE MACRO to_json_string(it) AS CAST(to_json(it) AS TEXT)")
        yield connection


def spoken(sql):
    """Return BigQuery's SQL as DuckDB has it."""
    sql = sql.replace("MERGE ", "MERGE INTO ")
    sql = re.sub(r"\{table:[^}]+\}", "held", sql).replace("TIMESTAMP '", "TIMESTAMPTZ '")
    return re.sub(r"STRUCT\(([^)]*)\)", r"ROW(\1)", sql).replace("`", '"')


def fill(duck, name, rows):
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    duck.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")
    if rows:
        marks = ", ".join("?" * len(COLUMNS))
        values = [[row[name] for name in COLUMNS] for row in rows]
        duck.executemany(f"INSERT INTO {name} VALUES ({marks})", values)


def read(duck, sql):
    """Return the rows; a list that is null is an empty one, as BigQuery keeps it."""
    found = [dict(zip(COLUMNS, row, strict=True)) for row in duck.execute(sql).fetchall()]
    told = [{**row, "unknown_fields": row["unknown_fields"] or []} for row in found]
    return sorted(told, key=lambda row: row["event_id"])


@settings(max_examples=25)
@given(ROWS, st.randoms(use_true_random=False), st.integers(1, 3))
def test_every_place_chooses_the_same_row_whatever_the_order_and_the_split(duck, rows, chance, n):
    names = list(COLUMNS)
    fill(duck, "wanted", list(current_rows(rows).values()))
    wanted = read(duck, "FROM wanted")
    chance.shuffle(rows)
    fill(duck, "held", rows)
    view = spoken(current_view(TABLE).sql)
    assert read(duck, view) == wanted
    duck.execute(spoken(compact_statement("held", names, RULE, SPAN)))
    assert read(duck, "FROM held") == wanted
    fill(duck, "held", [])
    for part in range(n):
        fill(duck, "staged", rows[part::n])
        duck.execute(spoken(merge_statement("held", "staged", names, RULE, SPAN)))
    assert read(duck, "FROM held") == wanted
    duck.execute(spoken(merge_statement("held", "staged", names, RULE, SPAN)))
    assert read(duck, view) == read(duck, "FROM held") == wanted


@given(st.data(), UNKNOWN.filter(bool))
def test_what_was_filled_comes_before_what_it_fills_though_more_fields_are_unknown_inside(
    data, names
):
    fields = [name for name in names if re.fullmatch(r"[a-z.\[\]]+", name)]
    known = data.draw(st.sets(st.sampled_from(fields)) if fields else st.just(set()))
    inside = st.sets(st.sampled_from([".p", ".p q", ".ż", "[].p", "[].x.y"]))
    left = {name + more for name in known for more in data.draw(inside)}
    filled = sorted(left | (set(names) - known))
    if known:
        assert known_of(filled) > known_of(names)
    row = {"publish_time": AT, "content_digest": "b", "ingest_time": AT, "unknown_fields": names}
    later = {**row, "unknown_fields": filled, "ingest_time": "2027-01-01T00:00:00Z"}
    assert (row_rank(later) < row_rank(row)) == (filled != names)


def test_a_row_without_a_list_of_unknown_fields_knows_as_much_as_one_with_an_empty_list():
    row = {"content_digest": "b", "ingest_time": AT}
    ranks = {row_rank({**row, **more}) for more in ({}, {"unknown_fields": []})}
    assert ranks == {row_rank({**row, "unknown_fields": None})}
