"""Facts of the report come from what was counted, told and timed, and from nothing else."""

import random

import pytest

from local.demo_windows import Second, seconds_of, sums_of, unlike_truth
from local.generate import Message
from local.report_facts import AGE_EDGES, ages_of, jobs_of
from schemas.contract import load_contracts
from schemas.metric_set import parse_metric

SECOND = 1_000_000
AT = ("2026-01-31T12:00:00Z", "2026-01-31T12:00:01Z")
STARTS = (1_769_860_800 * SECOND, 1_769_860_801 * SECOND)
METRIC = """
name: sales
doc: Sales.
where: {event_type: purchase}
windows: [1s, 5s]
dimensions: {currency: event_details.currency}
measures:
  - {name: purchases, measure: count}
  - {name: revenue, measure: sum, field: event_details.amount_minor}
"""


@pytest.fixture(scope="module")
def metric():
    return parse_metric(METRIC, "sales.yaml", load_contracts(None))


def pane(at, currency, count, timing="on_time", index=0, generation=0, window="1s"):
    return {
        **{"window": window, "window_start": at, "currency": currency, "event_count": count},
        **{"timing": timing, "pane_index": index, "generation": generation},
        **{"purchases": count, "revenue": 10 * count},
    }


def late(event_id, at, *names):
    return {"event_id": event_id, "event_timestamp": at, "late_for": list(names)}


PANES = [
    pane(AT[0], "EUR", 2, "early", 0),
    pane(AT[0], "EUR", 5, "on_time", 1),
    pane(AT[0], "EUR", 7, "late", 2),
    pane(AT[0], "EUR", 7, "late", 2),
    pane(AT[0], None, 3),
    pane(AT[1], "EUR", 1, "late", 0),
    pane(AT[0], "EUR", 99, window="5s"),
    pane(AT[0], "EUR", 8, generation=17),
]
LATE = [
    late("a", "2026-01-31T12:00:00.5Z", "sales/1s", "sales/5s"),
    late("a", "2026-01-31T12:00:00.5Z", "sales/1s", "sales/5s"),
    late("b", "2026-01-31T12:00:01.999999Z", "sales/5s"),
]


def test_events_are_on_time_up_to_the_pane_that_closed_their_window_late_after_it_and_else_too_late(
    metric,
):
    before = [pane(AT[0], "EUR", 7), pane(AT[0], None, 3), pane(AT[1], "EUR", 1)]
    after = [pane(AT[0], "EUR", 8), pane(AT[0], None, 3), pane(AT[1], "EUR", 1)]
    for seed in range(20):
        panes, told = PANES.copy(), LATE.copy()
        random.Random(seed).shuffle(panes)
        random.Random(seed).shuffle(told)
        assert seconds_of(metric, panes, told, before, after) == [
            Second(STARTS[0], 8, 2, 1, 10, 11),
            Second(STARTS[1], 0, 1, 0, 1, 1),
        ]


def test_counts_are_added_over_all_keys_and_money_by_currency(metric):
    before = {
        "sales": [pane(AT[0], "EUR", 7), pane(AT[1], "USD", 1), pane(AT[0], "EUR", 7, window="5s")]
    }
    after = {"sales": [pane(AT[0], "EUR", 9), pane(AT[1], "USD", 1), pane(AT[1], "GBP", 2)]}
    assert [tuple(each) for each in sums_of([metric], before, after)] == [
        ("sales", "purchases", "", 8, 12),
        ("sales", "revenue", "EUR", 70, 90),
        ("sales", "revenue", "GBP", 0, 20),
        ("sales", "revenue", "USD", 10, 10),
    ]


def message(event_id, time, label="event", *, rival=False):
    return Message(b"", {}, time, label, {"event_id": event_id}, time, rival=rival)


def told(*counts):
    return [Second(n * SECOND, 0, 0, 0, 0, count) for n, count in enumerate(counts)]


def test_windows_have_to_hold_each_event_once_and_of_rivals_either():
    messages = [
        message("a", 10),
        message("a", 10, "duplicate"),
        message("b", SECOND, "late"),
        message("c", 20, rival=True),
        message("c", SECOND + 5, "conflict", rival=True),
        message("", 0, "rejected.not_json"),
    ]
    assert unlike_truth(messages, told(2, 1)) == []
    assert unlike_truth(messages, told(1, 2)) == []
    assert unlike_truth(messages, told(2, 2)) == ["the windows have 4 events in all, not 3"]
    assert unlike_truth(messages, told(3, 1))[0] == "the second 0 has 3 events instead of 1"
    assert unlike_truth(messages, told(2))[0] == "the second 1 has 0 events instead of 1"


def test_jobs_are_told_by_their_own_counters():
    counters = {
        "hot_path": {
            **{"read": 9, "accepted": 5, "duplicate": 1, "conflict": 1, "late": 0},
            **{"rejected": {"not_json": 2}, "mutations": 4, "written": 3, "refused": 1},
        },
        "curated": {
            **{"read": 9, "accepted": 6, "duplicate": 1, "conflict": 1},
            **{"rejected": {}, "rows": 6, "rows_written": 6, "rows_refused": 0},
        },
    }
    hot_path, curated = jobs_of(counters)
    assert hot_path.parts == {
        "accepted": 5,
        "rejected": 2,
        "duplicate": 1,
        "conflict": 1,
        "late": 0,
    }
    assert (hot_path.handed, hot_path.written, hot_path.refused) == (4, 3, 1)
    assert hot_path.is_conserved
    assert not curated.is_conserved


def test_ages_count_from_the_event_and_from_its_publishing():
    cells = {(b"row%d" % n, 1_000): 1_000_000 + n * 100_000 for n in range(101)}
    cells[b"other", 2_000] = 3_000_000
    happened, published = ages_of(cells, {1_000: 900_000})
    assert happened is not None
    assert published is not None
    assert happened.greatest == 10.0
    assert published.percentiles[50] == pytest.approx(5.1)
    assert sum(happened.bins) == 102
    assert sum(published.bins) == 101
    assert published.bins[AGE_EDGES.index(10.0)] == 2


def test_clocks_that_disagree_a_little_make_no_age_vanish():
    _, published = ages_of({(b"a", 1): 500, (b"b", 1): 700}, {1: 600})
    assert published is not None
    assert published.bins[0] == 2


def test_without_times_there_are_no_ages():
    assert ages_of({}, {}) == (None, None)
