import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cell_lines import (
    CellLine,
    ClearLine,
    applied,
    change_json,
    lines_of,
    parse_change,
    parse_line,
)
from schemas.cells import Cell, Clear, RowChange

texts = st.text(st.characters(codec="utf-8"), max_size=12)
cells = st.builds(
    Cell,
    family=st.sampled_from(["s", "t"]),
    qualifier=texts,
    timestamp=st.integers(0, 2**62),
    value=st.binary(max_size=40),
    clear_from=st.none() | st.integers(0, 2**62),
)
times = st.integers(0, 2**62)
clears = st.builds(Clear, st.sampled_from(["s", "t"]), texts, times, times)
changes = st.builds(
    RowChange,
    row_key=st.binary(max_size=20) | texts.map(str.encode),
    cells=st.lists(cells),
    clears=st.lists(clears, max_size=3).map(tuple),
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
def test_lines_give_back_every_cell_and_every_clear(change):
    read = [parse_line(line) for line in lines_of(change)]
    found = [line for line in read if isinstance(line, CellLine)]
    assert [(c.key, c.family, c.qualifier, c.timestamp_micros, c.value) for c in found] == [
        (change.row_key, c.family, c.qualifier, c.timestamp, c.value) for c in change.cells
    ]
    emptied = [line for line in read if isinstance(line, ClearLine)]
    assert [
        (c.key, c.family, c.qualifier, c.clear_from_micros, c.clear_to_micros) for c in emptied
    ] == [(change.row_key, c.family, c.qualifier, c.start, c.end) for c in change.clears]
    assert len(found) + len(emptied) == len(read)
    assert not any(b"\n" in line for line in lines_of(change))


def test_a_clear_is_a_line_of_its_own_before_the_cells():
    cell = Cell("t", "views", 3_602_000, b"\x00\x02")
    clear, line = lines_of(RowChange(b"r", [cell], (Clear("t", "views", 0, 7_200_000),)))
    assert json.loads(clear) == {
        "row_key": "r",
        "family": "t",
        "qualifier": "views",
        "clear_from_micros": 0,
        "clear_to_micros": 7_200_000,
    }
    assert [line] == lines_of(RowChange(b"r", [cell]))


def test_what_a_run_clears_is_what_stood_before_it_and_not_what_it_sets():
    before = RowChange(b"r", [Cell("t", "q", n * 1_000, b"old") for n in (1, 2, 3, 4)])
    before.cells.append(Cell("t", "other", 2_000, b"old"))
    repair = RowChange(b"r", [Cell("t", "q", 3_000, b"new")], (Clear("t", "q", 2_000, 4_000),))
    runs = [[parse_line(line) for line in lines_of(run)][::-1] for run in (before, repair)]
    stands = {(c.qualifier, c.timestamp_micros, c.value) for c in applied(*runs)}
    assert stands == {
        ("q", 1_000, b"old"),
        ("q", 3_000, b"new"),
        ("q", 4_000, b"old"),
        ("other", 2_000, b"old"),
    }
    assert [*applied(runs[1])] == [line for line in runs[1] if isinstance(line, CellLine)]


@given(changes)
def test_a_change_comes_back_whole_with_what_it_clears(change):
    assert parse_change(change_json(change)) == change


def test_the_form_of_a_change_without_clears_is_as_it_was():
    change = RowChange(b"r", [Cell("s", "q", 1_000, b"x")])
    written = (
        b'{"cells":[{"family":"s","qualifier":"q","timestamp_micros":1000,"value":"eA=="}],'
        b'"row_key":"r"}'
    )
    assert (change_json(change), parse_change(written)) == (written, change)


def test_what_is_no_line_is_an_error():
    with pytest.raises(msgspec.DecodeError, match="timestamp_micros"):
        parse_line(b'{"row_key":"r","family":"s","qualifier":"q","value":""}')
    with pytest.raises(msgspec.DecodeError, match="clear_to_micros"):
        parse_line(b'{"row_key":"r","family":"s","qualifier":"q","clear_from_micros":1}')
    with pytest.raises(msgspec.DecodeError):
        parse_line(b'{"family":"s"}')
    with pytest.raises(msgspec.DecodeError):
        parse_change(b"[]")
    with pytest.raises(msgspec.DecodeError, match="not UTF-8"):
        parse_line(b'{"\xff":1}')
    with pytest.raises(msgspec.DecodeError, match="not UTF-8"):
        parse_change(b'{"cells":[{"family":"\xff"}]}')
    with pytest.raises(msgspec.DecodeError, match="nested too deep"):
        parse_change(b'{"cells":[],"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}")
