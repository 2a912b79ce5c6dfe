"""The rows of panes, and the rule by which one of them holds."""

import base64
import json
import random

import msgspec
import pytest

from schemas.coverage import Coverage
from schemas.current_panes import current_panes
from schemas.late import LateEvent
from schemas.late_rows import late_row
from schemas.metric_set import parse_metric
from schemas.metric_tables import metric_view, pane_table
from schemas.ops_tables import LATE, RECOMPUTED
from schemas.pane_rows import PaneForm, json_value
from schemas.recomputed_rows import recomputed_rows
from schemas.row_check import row_problem
from schemas.row_sink import merge_rule
from schemas.table_set import TableSet
from schemas.values import ValueType
from schemas.window_parts import Pane, WindowPart
from tests.metric_builders import BASE, CONTRACTS, MINUTE, PLAIN, WIDE, Seen
from tests.window_builders import parts_of

FILLED = parse_metric(
    """
name: filled
doc: Clicks by platform, zero where there is none.
where: {event_type: click}
windows: [1m, 5m]
dimensions: {platform: event_details.platform, day: event_timestamp}
measures:
  - {name: clicks, measure: count}
  - {name: pages, measure: approx_distinct, field: event_details.page}
  - {name: last_page, measure: max, field: event_details.page}
fill: {zero: []}
""",
    "filled.yaml",
    CONTRACTS,
)
FILLED = msgspec.structs.replace(FILLED, dimensions=FILLED.dimensions[:1], fill=(("web",), (None,)))


def panes_of(metric, seen, index=0, timing="on_time", generation=0):
    packs = [pack for _, pack in parts_of(seen, [metric])]
    return [Pane(part, index, timing, generation) for pack in packs for part in pack.parts]


def rows_of(metric, *panes):
    form = PaneForm(metric)
    return [json.loads(form.row(pane)[0]) for group in panes for pane in group]


SEEN = [
    Seen("a", "page_view", BASE + 1, page="/a", duration=2**60, published=BASE + 5_000),
    Seen("b", "click", BASE + 2, user="bo", platform="ios"),
    Seen("c", "quiz_submitted", BASE + 3, page="maths", score="99.99"),
]


@pytest.mark.parametrize("metric", [WIDE, PLAIN, FILLED])
def test_rows_fit_the_columns_of_the_pane_table(metric):
    columns = pane_table(metric).schema()
    rows = rows_of(metric, panes_of(metric, SEEN))
    assert rows
    for row in rows:
        assert row_problem(json.dumps(row).encode(), columns) == ""
    assert merge_rule(pane_table(metric)).key == ("insert_id",)


def test_a_row_tells_window_key_measures_and_pane():
    [row] = [row for row in rows_of(WIDE, panes_of(WIDE, SEEN)) if row["window"] == "1m"
             and row["kind"] == "page_view"]  # fmt: skip
    theta = row.pop("users_theta")
    assert len(base64.b64decode(theta)) >= 8
    assert len(row.pop("insert_id")) == 32
    assert row == {
        "window": "1m",
        "window_start": "2026-01-01T00:00:00.000000Z",
        "window_end": "2026-01-01T00:01:00.000000Z",
        "kind": "page_view",
        "platform": "web",
        "all": 1,
        "timed": 1,
        "home": 0,
        "total": str(2**60),
        "least": str(2**60),
        "most": "/a",
        "users": 1,
        "points": "0.00",
        "oldest": 4,
        "mean": float(2**60),
        "points_per_user": 0.0,
        "event_count": 1,
        "pane_index": 0,
        "timing": "on_time",
        "generation": 0,
    }


def test_equal_panes_have_equal_rows_and_ids_and_others_have_other_ids():
    [pane, other, *_] = panes_of(WIDE, SEEN)
    form, copy = PaneForm(WIDE), PaneForm(msgspec.structs.replace(WIDE))
    assert form.row(pane) == copy.row(msgspec.structs.replace(pane))
    changed = [
        pane,
        other,
        msgspec.structs.replace(pane, index=1),
        msgspec.structs.replace(pane, timing="late"),
        msgspec.structs.replace(pane, generation=1),
    ]
    assert len({form.row(each)[1] for each in changed}) == len(changed)


@pytest.mark.parametrize(
    ("kind", "scale", "value", "told"),
    [
        ("date", 0, -1, "1969-12-31"),
        ("timestamp-millis", 0, 1_500, "1970-01-01T00:00:01.500000Z"),
        ("timestamp-micros", 0, 1, "1970-01-01T00:00:00.000001Z"),
        ("decimal", 9, -1, "-0.000000001"),
        ("decimal", 2, 10**40, "1" + "0" * 38 + ".00"),
        ("bytes", 0, b"\xff", "/w=="),
        ("long", 0, 2**53, "9007199254740992"),
        ("boolean", 0, False, False),
        ("string", 0, None, None),
    ],
)
def test_values_have_the_form_that_bigquery_takes(kind, scale, value, told):
    assert json_value(ValueType(kind, scale), value) == told


def test_the_pane_with_the_most_events_holds_whatever_the_order_and_the_repetition():
    growing = [panes_of(PLAIN, [one._replace(user="ana") for one in SEEN[:2]][:n], n - 1)
               for n in (1, 2)]  # fmt: skip
    rows = rows_of(PLAIN, *growing, *growing)
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        current = current_panes(PLAIN, rows)
        assert [row["event_count"] for row in current.values()] == [2, 2]


def test_an_empty_pane_of_index_zero_after_expiry_and_repeated_panes_change_nothing():
    panes = panes_of(PLAIN, SEEN)
    nothing = [
        Pane(WindowPart(PLAIN.slot, part.length, part.start, part.key, 0, []), 0, "late")
        for part in (pane.part for pane in panes)
    ]
    elsewhere = [
        Pane(
            WindowPart(PLAIN.slot, 90_000_000, BASE + 90_000_000 * 7, b"\x91\xa3zoe", 0, []),
            0,
            "late",
        )
    ]
    before = current_panes(PLAIN, rows_of(PLAIN, panes))
    assert current_panes(PLAIN, rows_of(PLAIN, nothing, panes, panes, nothing, elsewhere)) == before


def test_with_as_many_events_the_later_pane_holds():
    rows = rows_of(PLAIN, panes_of(PLAIN, SEEN, 1, "late"), panes_of(PLAIN, SEEN, 0))
    assert {row["timing"] for row in current_panes(PLAIN, rows).values()} == {"late"}


def test_a_later_generation_holds_and_once_it_is_told_nothing_older_does():
    live, anew = panes_of(PLAIN, SEEN), panes_of(PLAIN, SEEN[:1], generation=7)
    rows = rows_of(PLAIN, live, anew)

    def generations(current):
        return sorted((key[0], key[2], row["generation"]) for key, row in current.items())

    written = [("2m", "ana", 7), ("2m", "bo", 0), ("90s", "ana", 7), ("90s", "bo", 0)]
    assert generations(current_panes(PLAIN, rows)) == written
    [pack] = recomputed_rows("plain", 90_000_000, Coverage(BASE, BASE + 90_000_000), 7, "r")
    told = [json.loads(row) for row in pack.rows]
    assert generations(current_panes(PLAIN, rows, told)) == written[:3]
    assert generations(current_panes(PLAIN, rows, [{**told[0], "metric": "other"}])) == written


def test_a_pane_of_an_earlier_generation_counts_for_nothing_whatever_its_events():
    rows = rows_of(PLAIN, panes_of(PLAIN, SEEN[1:2], generation=7), panes_of(PLAIN, [
        SEEN[1], SEEN[1]._replace(event_id="z")
    ]))  # fmt: skip
    held = current_panes(PLAIN, rows).values()
    assert {(row["generation"], row["event_count"]) for row in held} == {(7, 1)}


def test_declared_zeros_stand_between_the_first_and_the_last_window_of_a_length():
    seen = [Seen("a", "click", BASE), Seen("b", "click", BASE + 2 * MINUTE, platform="ios")]
    current = current_panes(FILLED, rows_of(FILLED, panes_of(FILLED, seen)))
    minutes = {
        ((key[1] - BASE) // MINUTE, key[2]): (row["event_count"], row["clicks"], row["pages"])
        for key, row in current.items()
        if key[0] == "1m"
    }
    zero = (0, 0, 0)
    assert minutes == {
        (0, "web"): (1, 1, 1), (1, "web"): zero, (2, "web"): zero,
        (0, None): zero, (1, None): zero, (2, None): zero, (2, "ios"): (1, 1, 1),
    }  # fmt: skip
    assert "last_page" not in current["1m", BASE + MINUTE, "web"]
    assert current_panes(FILLED, []) == {}


@pytest.mark.parametrize(
    ("within", "minutes"), [(5, [5, 6, 7, 8, 9]), (5.5, [4, 5, 6, 7, 8, 9]), (60, [*range(10)])]
)
def test_one_old_event_makes_no_more_zeros_than_begin_within_the_declared_time(within, minutes):
    metric = msgspec.structs.replace(FILLED, fill_within=int(within * MINUTE))
    seen = [Seen(f"{n}", "click", BASE + n * MINUTE, platform="ios") for n in (0, 9)]
    current = current_panes(metric, rows_of(metric, panes_of(metric, seen)))
    zeros = {key for key, row in current.items() if row["event_count"] == 0}
    assert (
        sorted((key[1] - BASE) // MINUTE for key in zeros if key[:3:2] == ("1m", "web")) == minutes
    )
    assert ("1m", BASE, "ios") in current


def test_rows_of_recomputed_and_late_fit_their_columns():
    day = Coverage(BASE + 1, BASE + 1_440 * MINUTE)
    packs = list(recomputed_rows("activity", MINUTE, day, 7, "r"))
    assert [len(pack) for pack in packs] == [500, 500, 439]
    assert len({each for pack in packs for each in pack.ids}) == 1_439
    for row in packs[0].rows[:3]:
        assert row_problem(row, RECOMPUTED.schema()) == ""
    line = b'{"event_id":"e","event_type":"click","user_id":"u"}'
    late = LateEvent(BASE, BASE + 1, line, ("activity/1m",))
    row, insert_id = late_row(late)
    assert row_problem(row, LATE.schema()) == ""
    assert late_row(late) == (row, insert_id)
    assert late_row(msgspec.structs.replace(late, late_for=()))[1] != insert_id


def test_the_tables_of_the_jobs_are_those_that_are_created():
    made = {table.full_name for table in TableSet.of(CONTRACTS, [WIDE, PLAIN]).tables}
    assert {pane_table(WIDE).full_name, LATE.full_name, RECOMPUTED.full_name} <= made
    assert metric_view(WIDE).full_name == "gold.wide"
