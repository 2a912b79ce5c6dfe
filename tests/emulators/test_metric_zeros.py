"""The zeros of a metric's view over days, on the emulator, and how it asks for them."""

import re
from pathlib import Path

import pytest

from console.bigquery_tables import Asked, create_tables
from local.resources import unique_name
from schemas.contract import load_contracts
from schemas.current_panes import current_panes
from schemas.metric_set import load_metrics
from schemas.metric_tables import metric_view
from schemas.times import format_rfc3339
from tests.emulators.test_tables import insert, query

DAY, MINUTE = 86_400, 60
BASE = 1_769_817_600
LENGTHS = {"1m": MINUTE, "5m": 5 * MINUTE, "1h": 60 * MINUTE, "1d": DAY}
FILLED = """
name: filled
doc: Events of the session s, zero where there is none.
windows: [1m, 5m, 1h, 1d]
dimensions: [session_id]
measures:
  - {name: n, measure: count}
fill: {zero: [{session_id: s}], within: 3d}
"""


@pytest.fixture
def asked(bigquery_emulator, tmp_path):
    """An environment of its own with the shipped contracts and one metric."""
    (tmp_path / "filled.yaml").write_text(FILLED)
    prefix = unique_name("t").replace("-", "_") + "_"
    return Asked(bigquery_emulator.project, prefix, contracts=None, metrics=str(tmp_path))


def pane(window, at):
    start = at - at % LENGTHS[window]
    return {
        "window": window,
        "window_start": format_rfc3339(start * 1_000_000),
        "window_end": format_rfc3339((start + LENGTHS[window]) * 1_000_000),
        "session_id": "other",
        "n": 1,
        "event_count": 1,
        "pane_index": 0,
        "timing": "on_time",
        "generation": 0,
        "insert_id": f"{window}{start}",
    }


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("first", "last"),
    [
        (BASE + DAY - 2 * MINUTE, BASE + 2 * DAY + 3 * MINUTE),
        (BASE, BASE + DAY - MINUTE),
        (BASE + 7 * MINUTE, BASE + 7 * MINUTE),
        (BASE - 400 * DAY, BASE + 7 * MINUTE),
    ],
)
def test_zeros_cross_midnight_without_a_gap_up_to_the_last_window_and_not_from_long_ago(
    asked, first, last
):
    list(create_tables(asked))
    panes = [pane(window, at) for window in LENGTHS for at in sorted({first, last})]
    panes = [*{row["insert_id"]: row for row in panes}.values()]
    insert(asked, "ops.panes_filled", panes)
    sql = "SELECT `window`, window_start, session_id, n FROM {table:gold.filled}"
    found = [
        (row["window"], int(row["window_start"].timestamp()), row["session_id"], row["n"])
        for row in query(asked, sql)
    ]
    expected = [
        (window, start, "s", 0)
        for window, length in LENGTHS.items()
        for start in range(
            max(first - first % length, last - last % length - 3 * DAY + length), last + 1, length
        )
    ]
    assert sorted(row for row in found if row[2] == "s") == sorted(expected)
    [metric] = load_metrics(asked.metrics, load_contracts(None))
    assert {row[:3] for row in found} == {
        (window, start // 1_000_000, key) for window, start, key in current_panes(metric, panes)
    }


def test_no_array_of_a_view_grows_with_the_span_by_more_than_an_element_a_day(tmp_path: Path):
    # BigQuery refuses to make an array of more than about a million elements, such as the
    # minutes of two years; the emulator makes any.
    (tmp_path / "filled.yaml").write_text(FILLED)
    [metric] = load_metrics(str(tmp_path), load_contracts(None))
    sql = " ".join(metric_view(metric).sql.split())
    arrays = re.findall(r"GENERATE_TIMESTAMP_ARRAY\( ?(.*?) ?\) AS", sql)
    over_days = [each for each in arrays if each.endswith("INTERVAL 1 DAY")]
    within = [each for each in arrays if each.startswith("_day, TIMESTAMP_ADD(_day, INTERVAL ")]
    assert len(over_days) == len(within) == len(LENGTHS)
    assert len(arrays) == 2 * len(LENGTHS)
