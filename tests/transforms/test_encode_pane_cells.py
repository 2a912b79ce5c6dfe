"""Panes as changes of Bigtable rows, on an engine: each pane, or each row whole."""

import apache_beam as beam
import msgspec
import pytest

from schemas.coverage import Coverage
from schemas.metric_set import parse_metric
from schemas.pane_cells import PaneCells
from schemas.window_parts import Pane, WindowPart
from tests.engine import run_batch
from tests.metric_builders import BASE, CONTRACTS, MINUTE, PLAIN, WIDE, Seen
from tests.window_builders import parts_of
from transforms.encode_pane_cells import EncodePaneCells

pytestmark = pytest.mark.engine

SERVED = msgspec.structs.replace(WIDE, bigtable=True)
METRICS = [PLAIN, SERVED]
FAST = parse_metric("{name: fast, doc: d, windows: [1s], bigtable: true}", "f.yaml", CONTRACTS)
SEEN = [
    Seen(f"{n}", kind, BASE + n * 7_000_000, duration=2**62)
    for n, kind in enumerate(["page_view", "click", "page_view"] * 5)
]


def panes_of(seen, metrics=METRICS):
    return [Pane(part, 0, "on_time") for _, pack in parts_of(seen, metrics) for part in pack.parts]


def encoded(panes, metrics=METRICS, repairs=None):
    def build(pipeline):
        made = pipeline | beam.Create(panes).with_output_types(Pane)
        return {"changes": made | EncodePaneCells(metrics, repairs)}

    return run_batch(build)


def test_each_pane_of_a_served_metric_with_events_is_one_change():
    panes = panes_of(SEEN)
    empty = Pane(
        WindowPart(SERVED.slot, MINUTE, BASE, panes[-1].part.key, 0, [None] * 9), 1, "late"
    )
    done = encoded([*panes, empty])
    form = PaneCells(SERVED)
    wanted = [form.pane(pane.part) for pane in panes if pane.part.metric == SERVED.slot]
    assert sorted(done["changes"], key=repr) == sorted(wanted, key=repr)
    # The sums of both minutes are beyond 64 bits, and that of the five minutes.
    assert done.counters == {"sums_saturated": 3}


def test_windows_with_more_events_than_versions_are_counted():
    panes = [
        Pane(
            WindowPart(FAST.slot, 1_000_000, BASE + n * 1_000_000, b"\x90", events, []), 0, "early"
        )
        for n, events in enumerate([1, 999, 1_000, 5_000])
    ]
    done = encoded(panes, [FAST])
    assert done.counters == {"versions_capped": 2}
    assert sorted(change.cells[0].timestamp % 1_000_000 for change in done["changes"]) == [
        1_000, 999_000, 999_000, 999_000
    ]  # fmt: skip


def test_a_repair_brings_the_panes_of_a_row_together():
    panes = panes_of(SEEN)
    span = Coverage(BASE - 60 * MINUTE, BASE + 60 * MINUTE)
    done = encoded(panes, repairs=span)
    form = PaneCells(SERVED)
    parts = [pane.part for pane in panes if pane.part.metric == SERVED.slot]
    wanted = [
        change
        for key in {part.key for part in parts}
        for change in form.repair(key, [part for part in parts if part.key == key], span)
    ]
    assert sorted(done["changes"], key=repr) == sorted(wanted, key=repr)
    assert done.counters == {"sums_saturated": 3}


def test_a_repair_of_an_open_span_is_refused():
    with pytest.raises(ValueError, match="give both its ends"):
        EncodePaneCells(METRICS, Coverage(BASE))
