"""Windows as cells of Bigtable: order-free, repaired whole, and read back as the view has them."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import pane_cells
from schemas.cells import Cell, Clear
from schemas.coverage import Coverage
from schemas.current_panes import current_panes
from schemas.entity_names import entity_names
from schemas.feature_error import FeatureError
from schemas.metric_set import parse_metric
from schemas.pane_cells import PaneCells, qualifier, windows_of, windows_together
from schemas.pane_rows import PaneForm
from schemas.sketches import sketch_of
from schemas.values import encode_value
from schemas.window_parts import Pane, WindowPart
from tests.feature_builders import Table
from tests.metric_builders import BASE, CONTRACTS, MINUTE, WIDE, Seen, expected, told
from tests.window_builders import parts_of

SECOND = 1_000_000
FORM = PaneCells(WIDE)
OF_PANE = ("pane_index", "timing", "generation", "insert_id")
SEEN = st.builds(
    Seen,
    event_id=st.integers(0, 40).map(str),
    kind=st.sampled_from(["page_view", "click", "quiz_submitted"]),
    time=st.integers(BASE, BASE + 11 * MINUTE),
    user=st.sampled_from(["ana", "bo", "cy"]),
    platform=st.sampled_from(["web", "ios"]),
    page=st.sampled_from(["/", "#%"]),
    duration=st.none() | st.sampled_from([0, 5, 2**50]),
    score=st.sampled_from(["0", "1.5", "99.99"]),
    published=st.none() | st.integers(BASE - MINUTE, BASE + MINUTE),
)
MANY = st.lists(SEEN, min_size=1, max_size=16, unique_by=lambda one: one.event_id)
CHANCE = st.randoms(use_true_random=False)


def windows_in(seen):
    """Each window and key of these events, whole."""
    return [part for _, pack in parts_of(seen, [WIDE]) for part in pack.parts]


def read(table, keys):
    """All windows of the rows of some keys."""
    rows = table.rows()
    return [part for key in keys for part in windows_of(WIDE, key, rows.get(FORM.row_key(key), []))]


def growing(seen, chance):
    """The windows as several panes told them, each of more of the events; the last of all."""
    ends = sorted({*(chance.randint(0, len(seen)) for _ in range(3)), len(seen)})
    return [part for end in ends if end for part in windows_in(seen[:end])]


@settings(max_examples=50)
@given(MANY, CHANCE)
def test_any_order_and_repetition_of_panes_leaves_what_the_view_shows(seen, chance):
    parts = growing(seen, chance)
    parts += chance.choices(parts, k=6)
    chance.shuffle(parts)
    table = Table().write(FORM.pane(part) for part in parts)
    found = read(table, sorted({part.key for part in parts}))
    assert told(found, [WIDE]) == {k: v for k, v in expected(seen).items() if k[0] == "wide"}
    rows = [json.loads(PaneForm(WIDE).row(Pane(part, 0, "on_time"))[0]) for part in parts]
    shown = [
        {name: value for name, value in row.items() if name not in OF_PANE}
        for row in current_panes(WIDE, rows).values()
    ]
    of_cells = [PaneForm(WIDE).shown(part) for part in found]
    assert sorted(map(json.dumps, of_cells)) == sorted(map(json.dumps, shown))


@settings(max_examples=50)
@given(MANY, CHANCE, st.integers(0, 11), st.integers(1, 11))
def test_after_a_repair_the_windows_in_its_span_are_those_of_its_events_and_others_as_they_were(
    seen, chance, start, minutes
):
    span = Coverage(BASE + start * MINUTE - SECOND, BASE + (start + minutes) * MINUTE + SECOND)
    # What stands there is of other jobs that saw other events, too many among them.
    before = [one for one in seen if chance.random() < 0.7]
    before += [one._replace(event_id=f"x{n}") for n, one in enumerate(chance.choices(seen, k=5))]
    table = Table().write(FORM.pane(part) for part in windows_in(before))
    keys = sorted({part.key for part in windows_in([*seen, *before])})
    outside = [part for part in read(table, keys) if not span.holds(part.start, part.length)]
    inside = [part for part in windows_in(seen) if span.holds(part.start, part.length)]
    repaired = {part.key for part in inside}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pane_cells, "_CELLS_A_CHANGE", chance.choice([1, 30, 1_000]))
        changes = [
            change
            for key in repaired
            for change in FORM.repair(key, [part for part in inside if part.key == key], span)
        ]
    changes += chance.choices(changes, k=2) if changes else []
    chance.shuffle(changes)
    found = read(table.write(changes), keys)
    here = [part for part in found if part.key in repaired and span.holds(part.start, part.length)]
    assert told(here, [WIDE]) == told(inside, [WIDE])
    there = [part for part in found if not span.holds(part.start, part.length)]
    assert told(there, [WIDE]) == told(outside, [WIDE])


def test_a_pane_is_the_documented_change_of_one_row():
    seen = [
        Seen("a", "page_view", BASE + 5, page="/a", duration=7),
        Seen("b", "page_view", BASE + 6),
    ]
    [part] = [part for part in windows_in(seen) if part.length == MINUTE]
    change = FORM.pane(part)
    assert change.row_key == b"99#wide#page_view#web#%"
    assert change.clears == ()
    values = {
        "event_count": encode_value(2),
        "all": encode_value(2),
        "timed": encode_value(1),
        "home": encode_value(1),
        "total": encode_value(7),
        "least": encode_value(7),
        "most": b"/a",
        "users": sketch_of(["ana"]),
    }
    # Of points and ages nothing contributed, and ratios are for readers to divide.
    assert change.cells == [
        Cell("t", f"{name}/1m", BASE + 2_000, value, BASE) for name, value in values.items()
    ]


def test_no_feature_can_have_the_qualifier_of_a_measure():
    assert qualifier("event_count", 300 * SECOND) == "event_count/5m"
    assert entity_names(None) == ["session", "user"]
    with pytest.raises(FeatureError, match=r"no feature file \(\*.yaml\) is there"):
        entity_names("/nowhere")


@pytest.mark.parametrize(
    ("events", "version"), [(998, 998), (999, 999), (1_000, 999), (10**9, 999)]
)
def test_a_version_never_leaves_its_window(events, version):
    metric = parse_metric(
        "{name: fast, doc: d, windows: [1s], bigtable: true}", "f.yaml", CONTRACTS
    )
    part = WindowPart(metric.slot, SECOND, BASE, b"\x90", events, [])
    form = PaneCells(metric)
    [cell] = form.pane(part).cells
    assert cell.timestamp == BASE + version * 1_000
    assert form.is_capped(part) is (events >= 1_000)
    read_back = [("t", cell.qualifier, cell.timestamp, cell.value)]
    assert windows_of(metric, b"\x90", read_back) == [part]


def test_a_repair_clears_every_length_whole_and_in_changes_of_bounded_size():
    seen = [Seen(f"{n}", "click", BASE + n * MINUTE) for n in range(200)]
    parts = windows_in(seen)
    span = Coverage(BASE - MINUTE, BASE + 240 * MINUTE)
    changes = list(FORM.repair(parts[0].key, parts, span))
    assert max(len(change.cells) for change in changes) <= 1_000
    assert len(changes) == 3
    for length, name in ((MINUTE, "1m"), (5 * MINUTE, "5m")):
        cleared = sorted(
            (clear.start, clear.end)
            for change in changes
            for clear in change.clears
            if clear.qualifier == f"points/{name}"
        )
        assert cleared[0][0] == (BASE - MINUTE) // length * length + (length > MINUTE) * length
        assert cleared[-1][1] == BASE + 240 * MINUTE
        assert [end for _, end in cleared[:-1]] == [start for start, _ in cleared[1:]]


def test_a_repair_of_a_row_without_windows_of_a_length_clears_them():
    [part] = [part for part in windows_in([Seen("a", "click", BASE)]) if part.length == MINUTE]
    changes = list(FORM.repair(part.key, [part], Coverage(BASE, BASE + 5 * MINUTE)))
    assert [(len(change.cells) > 0, change.clears[0]) for change in changes] == [
        (True, Clear("t", "event_count/1m", BASE, BASE + 5 * MINUTE)),
        (False, Clear("t", "event_count/5m", BASE, BASE + 5 * MINUTE)),
    ]
    only = list(FORM.repair(part.key, [part], Coverage(BASE, BASE + MINUTE)))
    assert len(only) == 1


def test_a_window_before_1970_is_a_change_of_its_own_which_the_writer_refuses():
    part = windows_in([Seen("a", "click", BASE)])[0]
    old = msgspec.structs.replace(part, start=-10 * part.length)
    changes = list(
        FORM.repair(part.key, [part, old], Coverage(-20 * part.length, BASE + 6 * MINUTE))
    )
    assert [change.cells[0].timestamp < 0 for change in changes if change.cells] == [True, False]
    assert min(clear.start for change in changes for clear in change.clears) == 0


def test_windows_are_one_together():
    seen = [
        Seen("a", "page_view", BASE, duration=3),
        Seen("b", "page_view", BASE + MINUTE, user="bo", duration=9),
        Seen("c", "page_view", BASE + 2 * MINUTE, user="bo"),
    ]
    parts = [part for part in windows_in(seen) if part.length == MINUTE]
    shown = PaneForm(WIDE).shown(windows_together(WIDE, parts[0].key, parts))
    assert {name: shown[name] for name in ("event_count", "total", "least", "users", "mean")} == {
        "event_count": 3, "total": 12, "least": 3, "users": 2, "mean": 6.0
    }  # fmt: skip
    nothing = PaneForm(WIDE).shown(windows_together(WIDE, parts[0].key, []))
    assert (nothing["event_count"], nothing["total"], nothing["users"]) == (0, 0, 0)
    assert "least" not in nothing


def test_sums_beyond_64_bits_are_the_nearest_and_counted():
    seen = [Seen(f"{n}", "page_view", BASE, duration=2**62 + 2**61) for n in range(2)]
    [part] = [part for part in windows_in(seen) if part.length == MINUTE]
    assert FORM.saturated(part) == 1
    cells = [("t", one.qualifier, one.timestamp, one.value) for one in FORM.pane(part).cells]
    [found] = windows_of(WIDE, part.key, cells)
    assert PaneForm(WIDE).shown(found)["total"] == str(2**63 - 1)


def test_cells_of_features_and_of_other_metrics_are_passed_over_and_a_count_makes_a_window():
    part = windows_in([Seen("a", "click", BASE)])[0]
    cells = [("t", one.qualifier, one.timestamp, one.value) for one in FORM.pane(part).cells]
    others = [
        ("s", "event_count/1m", BASE, b""),
        ("t", "views", BASE, encode_value(1)),
        ("t", "event_count/1h", BASE + 1_000, encode_value(1)),
        ("t", "all/5m", BASE + 900 * SECOND, encode_value(1)),
    ]
    assert len(windows_of(WIDE, part.key, [*others, *cells])) == 1
    assert windows_of(WIDE, part.key, others) == []
