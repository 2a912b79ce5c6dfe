"""Recomputed windows are told when all their panes are written, and only then."""

import json
import time

import apache_beam as beam
import pytest

from schemas.coverage import Coverage
from schemas.rejected import Rejected
from schemas.row_packs import RowPack
from tests.engine import run_batch
from tests.metric_builders import BASE, METRICS, MINUTE
from transforms.supersede_windows import SupersedeWindows
from transforms.write_rows import WrittenRows

pytestmark = pytest.mark.engine

SPAN = Coverage(BASE, BASE + 10 * MINUTE)
REFUSED = Rejected("WriteRows", "row_refused", "", b"{}", {}, "", "", None, None)
_DONE = []


def _slowly(name):
    time.sleep(0.5)
    _DONE.append(time.monotonic())
    return name


def _moment(pack):
    return time.monotonic(), pack


def run(written, refused, bundle_repeat=0):
    def build(pipeline):
        names = pipeline | "Written" >> beam.Create(written).with_output_types(str)
        wrong = pipeline | "Refused" >> beam.Create(refused).with_output_types(Rejected)
        outcome = WrittenRows(names | "Write" >> beam.Map(_slowly), wrong)
        packs = outcome | SupersedeWindows(METRICS, SPAN, 7, "r")
        return {"packs": packs | beam.Map(_moment)}

    _DONE.clear()
    return run_batch(build, bundle_repeat)


def rows(outcome):
    return [json.loads(row) for _, pack in outcome["packs"] for row in pack.rows]


@pytest.mark.parametrize("written", [[], ["a", "b"]])
def test_every_whole_window_of_every_metric_is_told_after_all_is_written(written):
    outcome = run(written, [])
    found = {(row["metric"], row["window"], row["window_start"]) for row in rows(outcome)}
    assert len(found) == len(rows(outcome)) == 10 + 2 + 6 + 5
    assert outcome.counters["windows_superseded"] == len(found)
    assert {(row["generation"], row["run"]) for row in rows(outcome)} == {(7, "r")}
    assert {type(pack) for _, pack in outcome["packs"]} == {RowPack}
    assert all(moment > max(_DONE, default=0) for moment, _ in outcome["packs"])


def test_where_a_pane_was_refused_no_window_is_told():
    outcome = run(["a"], [REFUSED])
    assert outcome["packs"] == []
    assert outcome.counters == {"windows_kept": 23}


def test_a_span_without_ends_is_refused():
    with pytest.raises(ValueError, match="give both its ends"):
        SupersedeWindows(METRICS, Coverage(BASE), 7, "r")
