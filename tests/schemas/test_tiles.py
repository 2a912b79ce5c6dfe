import datetime
import decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import Cell
from schemas.contract import load_contracts
from schemas.feature_set import parse_features
from schemas.sketches import sketch_of
from schemas.tiles import TileForm, fold_row, state_cell, tile_start
from schemas.values import encode_value
from tests.feature_builders import BASE, FEATURES, HOUR

BY_NAME = {feature.name: feature for feature in FEATURES.features}
SHOP = parse_features(
    """
entity: user
key: user_id
retention: 30d
state:
  - {name: seen, field: event_timestamp}
features:
  - {name: best, aggregate: max, field: event_details.score}
  - {name: marks, aggregate: sum, field: event_details.score}
  - {name: begun, aggregate: min, field: event_timestamp, tile: 5m}
""",
    "shop.yaml",
    load_contracts(),
)


def tile_cell(feature, start, n, value):
    return TileForm.of(feature).cell(start, n if feature.aggregate == "count" else (n, value))


def cell(name, start, n, value):
    written = tile_cell(BY_NAME[name], start, n, value)
    return written.family, written.qualifier, written.timestamp, written.value


def test_a_tile_cell_is_the_documented_one():
    assert tile_cell(BY_NAME["views"], BASE, 3, None) == Cell(
        "t", "views", BASE + 3_000, bytes.fromhex("0000000000000003"), clear_from=BASE
    )
    assert tile_cell(BY_NAME["least"], BASE, 2, -1) == Cell(
        "t", "least", BASE + 2_000, bytes.fromhex("ffffffffffffffff"), clear_from=BASE
    )


def test_a_state_cell_has_the_event_time_in_whole_milliseconds():
    [last_page] = FEATURES.state
    assert state_cell(last_page, (1_767_225_600_123, "e1", "/a")) == Cell(
        "s", "last_page", 1_767_225_600_123_000, b"/a"
    )


@given(st.integers(1, 10**9), st.sampled_from(["views", "total", "least"]))
def test_a_version_never_leaves_its_tile(n, name):
    written = tile_cell(BY_NAME[name], BASE, n, 1)
    assert BASE < written.timestamp < BASE + BY_NAME[name].tile
    assert written.timestamp % 1_000 == 0


@pytest.mark.parametrize(("n", "capped"), [(299_998, False), (299_999, False), (300_000, True)])
def test_a_tile_has_one_version_less_than_milliseconds(n, capped):
    assert TileForm.of(BY_NAME["total"]).is_capped((n, 1)) is capped
    assert tile_cell(BY_NAME["total"], BASE, n, 1).timestamp == BASE + min(n, 299_999) * 1_000


@given(st.integers(0, 2**60), st.sampled_from([HOUR, HOUR // 12, 24 * HOUR]))
def test_a_tile_holds_the_moment_that_it_is_asked_for(moment, length):
    start = tile_start(moment, length)
    assert start % length == 0
    assert start <= moment < start + length


def test_of_a_tile_the_highest_version_is_read_in_any_order_of_cells():
    cells = [
        cell("views", BASE, 2, None),
        cell("views", BASE, 9, None),
        cell("views", BASE, 4, None),
        cell("views", BASE + HOUR, 1, None),
    ]
    for order in (cells, cells[::-1]):
        assert fold_row(order, FEATURES, ["2h"], BASE + HOUR)["views"] == {"2h": 10}


@pytest.mark.parametrize(
    ("at", "span", "count"),
    [
        (BASE + HOUR - 1, "1h", 1),
        (BASE + HOUR, "1h", 2),
        (BASE + HOUR, "2h", 3),
        (BASE + HOUR + 1, "1h", 2),
        (BASE + 2 * HOUR, "1h", 4),
        (BASE + 2 * HOUR, "2h", 6),
        (BASE + 2 * HOUR, "3h", 7),
        (BASE + 2 * HOUR - 1, "2h", 3),
        (BASE - 1, "24h", 0),
        (BASE + 30 * HOUR, "24h", 0),
    ],
)
def test_a_span_holds_the_tiles_that_begin_after_its_beginning_up_to_the_one_that_holds_its_end(
    at, span, count
):
    cells = [cell("views", BASE + hour * HOUR, 2**hour, None) for hour in range(3)]
    assert fold_row(cells, FEATURES, [span], at)["views"] == {span: count}


def test_a_whole_row_folds_to_its_values():
    cells = [
        ("s", "last_page", BASE + 5_000, b"/b"),
        cell("timed", BASE, 2, None),
        cell("least", BASE, 2, -4),
        cell("least", BASE + HOUR, 1, 3),
        cell("most", BASE, 2, 8),
        cell("total", BASE, 1, 5),
        cell("total", BASE + HOUR // 12, 1, -7),
        ("t", "pages", BASE + 3_000, sketch_of(["/", "/a"])),
        ("t", "pages", BASE + HOUR + 1_000, sketch_of(["/", "/b"])),
        ("t", "final", BASE + 3_000, b"/a"),
        ("t", "final", BASE + HOUR + 1_000, b"/b"),
        ("t", "of_another_time", BASE, b"?"),
    ]
    assert fold_row(cells, FEATURES, ["1h", "24h"], BASE + HOUR + 9) == {
        "last_page": "/b",
        "views": {"1h": 0, "24h": 0},
        "timed": {"1h": 0, "24h": 2},
        "total": {"1h": -7, "24h": -2},
        "least": {"1h": 3, "24h": -4},
        "most": {"1h": None, "24h": 8},
        "pages": {"1h": 2, "24h": 3},
        "final": {"1h": "/b", "24h": "/b"},
    }


def test_an_empty_row_has_zeros_and_nones():
    assert fold_row([], SHOP, ["1h"], BASE) == {
        "seen": None,
        "best": {"1h": None},
        "marks": {"1h": decimal.Decimal("0.00")},
        "begun": {"1h": None},
    }


def test_values_come_back_in_the_types_of_their_contract():
    moment = datetime.datetime(2026, 1, 1, 0, 3, tzinfo=datetime.timezone.utc)
    micros = encode_value(BASE + 180_000_000)
    cells = [
        ("s", "seen", BASE, micros),
        ("t", "begun", BASE + 1_000, micros),
        ("t", "best", BASE + 1_000, encode_value(9_950)),
        ("t", "marks", BASE + 2_000, encode_value(15_000)),
    ]
    assert fold_row(cells, SHOP, ["1h"], BASE) == {
        "seen": moment,
        "best": {"1h": decimal.Decimal("99.50")},
        "marks": {"1h": decimal.Decimal("150.00")},
        "begun": {"1h": moment},
    }


def test_a_last_value_from_after_the_asked_moment_is_not_told():
    cells = [("s", "last_page", BASE, b"/a")]
    assert fold_row(cells, FEATURES, [], BASE)["last_page"] == "/a"
    assert fold_row(cells, FEATURES, [], BASE - 1)["last_page"] is None


@pytest.mark.parametrize("span", ["31d", "soon", ""])
def test_a_span_that_no_row_can_answer_is_refused_in_one_line(span):
    with pytest.raises(ValueError) as error:
        fold_row([], FEATURES, [span], BASE)
    assert "\n" not in str(error.value)
