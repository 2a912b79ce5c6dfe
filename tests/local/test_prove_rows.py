"""What the proof compares of rows: each check finds what it is there for."""

import json

import pytest

from local.generate import Message
from local.prove_rows import (
    Rows,
    late_ids,
    late_places,
    rival_places,
    row_problems,
    unlike_rows,
    write_metrics,
)
from local.prove_schedule import SECOND
from schemas.contract import load_contracts
from schemas.metric_set import load_metrics

NOON = "2026-01-31T12:00:07.000000Z"
START = 1_769_860_805 * SECOND


@pytest.fixture
def metrics(tmp_path):
    write_metrics(tmp_path / "metrics", 18 * SECOND)
    return load_metrics(str(tmp_path / "metrics"), load_contracts(None))


def event(**changed):
    details = {"currency": "EUR", "country": "PL"}
    return {
        "event_id": "e", "event_type": "purchase", "event_timestamp": NOON,
        "event_details": details, **changed,
    }  # fmt: skip


def told(label, **changed):
    return Message(b"{}", {}, 0, label, event(), 0, **changed)


def test_the_metrics_need_no_more_than_the_horizon_of_the_proof(metrics):
    assert {metric.least_horizon for metric in metrics} == {18 * SECOND}
    assert {metric.name for metric in metrics} == {"activity", "lesson_funnel", "purchases"}


def test_rows_of_several_runs_are_those_of_readers(tmp_path):
    pane = {"window": "5s", "window_start": NOON, "currency": "EUR", "insert_id": "i"}
    panes = [
        {**pane, "event_count": n, "purchases": n, "pane_index": 9 - n, "generation": 0}
        for n in (1, 2, 0)
    ]
    row = {"event_id": "e", "content_digest": "d", "ingest_time": NOON, "user_id": "u"}
    rows = [
        {**row, "publish_time": f"2026-01-31T12:00:0{n}Z", "message_id": f"{n}"} for n in (2, 1)
    ]
    for run, (one, other) in enumerate(zip(rows, panes, strict=False)):
        for table, line in (("silver_billing.purchase", one), ("ops.panes_purchases", other)):
            folder = tmp_path / str(run) / table
            folder.mkdir(parents=True)
            (folder / "x.ndjson").write_text(json.dumps(line) + "\n")
    read = Rows.read([str(tmp_path / "0"), str(tmp_path / "1"), str(tmp_path / "none")])
    exact = read.curated(copies=True)["silver_billing.purchase", "e"]
    assert (exact["message_id"], "ingest_time" in exact) == ("1", False)
    loose = read.curated(copies=False)["silver_billing.purchase", "e"]
    assert loose == {"event_id": "e", "content_digest": "d", "user_id": "u"}
    assert read.late == []


def test_one_value_or_one_row_more_is_a_difference_but_not_in_a_place_apart():
    held = {("purchases", "5s", START, "EUR"): {"purchases": 1}}
    [place] = held
    for other in ({place: {"purchases": 2}}, {}):
        assert unlike_rows(held, other, set()) == {place}
        assert unlike_rows(held, other, {place}) == set()
    assert unlike_rows(held, held, set()) == set()


def test_late_events_and_rivals_are_in_windows_of_their_key(metrics):
    late = {"late_for": ["purchases/5s", "activity/10s"], "event": json.dumps(event())}
    assert late_places([late], metrics) == {
        ("purchases", "5s", START, "EUR"),
        ("activity", "10s", START - 5 * SECOND, "purchase", "PL"),
    }
    found = rival_places([told("event", rival=True), told("event")], metrics)
    assert len(found) == len(metrics) * 2
    assert ("lesson_funnel", "5s", START, None) in found
    assert late_ids([told("late"), told("event")]) == {"e"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, []),
        ({"duplicate": 2}, ["read 9, and 10 in its parts"]),
        ({"rows": 8}, ["rows are not written + refused"]),
        ({"rows_written": 6, "rows_refused": 1}, ["1 rows refused"]),
    ],
)
def test_what_does_not_add_up_is_said(changed, words):
    counted = {
        "read": 9, "accepted": 6, "duplicate": 1, "conflict": 0, "late": 1,
        "rejected": {"not_json": 1}, "rows": 7, "rows_written": 7, "rows_refused": 0, **changed,
    }  # fmt: skip
    problems = [*row_problems("live", counted)]
    assert [problem.removeprefix("live: ") for problem in problems] == words
