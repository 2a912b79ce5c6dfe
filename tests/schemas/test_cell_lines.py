import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cell_lines import change_json, lines_of, parse_change, parse_line
from schemas.cells import Cell, RowChange

texts = st.text(st.characters(codec="utf-8"), max_size=12)
cells = st.builds(
    Cell,
    family=st.sampled_from(["s", "t"]),
    qualifier=texts,
    timestamp=st.integers(0, 2**62),
    value=st.binary(max_size=40),
    clear_from=st.none() | st.integers(0, 2**62),
)
changes = st.builds(
    RowChange, row_key=st.binary(max_size=20) | texts.map(str.encode), cells=st.lists(cells)
)


def test_a_line_names_row_family_qualifier_time_and_the_value_in_base64():
    change = RowChange(b"bb#user#u1", [Cell("t", "views", 3_602_000, b"\x00\x02", 3_600_000)])
    (line,) = lines_of(change)
    assert json.loads(line) == {
        "row_key": "bb#user#u1",
        "family": "t",
        "qualifier": "views",
        "timestamp_micros": 3_602_000,
        "value": "AAI=",
    }


def test_a_row_key_that_is_not_utf_8_is_written_in_base64():
    (line,) = lines_of(RowChange(b"\xff", [Cell("s", "q", 0, b"")]))
    assert json.loads(line)["row_key_base64"] == "/w=="
    assert "row_key" not in json.loads(line)
    assert parse_line(line).key == b"\xff"


@given(changes)
def test_lines_give_back_every_cell(change):
    read = [parse_line(line) for line in lines_of(change)]
    assert [(c.key, c.family, c.qualifier, c.timestamp_micros, c.value) for c in read] == [
        (change.row_key, c.family, c.qualifier, c.timestamp, c.value) for c in change.cells
    ]
    assert not any(b"\n" in line for line in lines_of(change))


@given(changes)
def test_a_change_comes_back_whole_with_what_it_clears(change):
    assert parse_change(change_json(change)) == change


def test_what_is_no_line_is_an_error():
    with pytest.raises(msgspec.DecodeError):
        parse_line(b'{"family":"s"}')
    with pytest.raises(msgspec.DecodeError):
        parse_change(b"[]")
