"""The log of repairs, and what of a change is left after them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cells import Cell, Clear, RowChange
from schemas.repairs import Repair, RepairedTile, Spans, repairs_folder, without

LENGTHS = {"hours": 60, "minutes": 5}
TABLE = "projects/p/instances/i/tables/t"

times = st.integers(0, 300)
spans = st.tuples(times, times)
names = st.sampled_from(["hours", "minutes"])
cells = st.builds(
    Cell, st.sampled_from("st"), st.sampled_from(["hours", "minutes", "gone"]), times, st.just(b"x")
)
clears = st.builds(Clear, st.just("t"), names, times, times)
changes = st.builds(
    RowChange, st.just(b"r"), st.lists(cells, max_size=6), st.lists(clears, max_size=4).map(tuple)
)


def of_spans(given):
    return [
        Repair(table=TABLE, run=str(n), started_at=n, start=a, end=b)
        for n, (a, b) in enumerate(given)
    ]


def emptied(change):
    """Return each moment of each qualifier that a change clears."""
    return {
        (clear.qualifier, at) for clear in change.clears for at in range(clear.start, clear.end)
    }


@given(changes, st.lists(spans, max_size=3))
def test_of_a_change_nothing_is_left_of_whole_tiles_that_were_repaired_and_all_else(change, given):
    repairs = of_spans(given)
    left = without(change, Spans.of(repairs, b"r", LENGTHS))

    def repaired(name, at):
        length = LENGTHS[name]
        start = at // length * length
        return any(a <= start and start + length <= b for a, b in given)

    def goes(cell):
        if cell.family == "s":
            return any(a <= cell.timestamp < b for a, b in given)
        return cell.qualifier in LENGTHS and repaired(cell.qualifier, cell.timestamp)

    assert left.row_key == b"r"
    assert left.cells == [cell for cell in change.cells if not goes(cell)]
    assert emptied(left) == {place for place in emptied(change) if not repaired(*place)}


@given(changes, st.lists(st.tuples(st.sampled_from([b"r", b"q"]), names, times), max_size=4))
def test_tiles_that_a_release_repaired_go_in_their_row_only(change, tiles):
    starts = [(key, name, at // LENGTHS[name] * LENGTHS[name]) for key, name, at in tiles]
    known = [RepairedTile(key, name, at, at + LENGTHS[name]) for key, name, at in starts]
    repair = Repair(table=TABLE, run="x", started_at=0, tiles=known)
    left = without(change, Spans.of([repair], b"r", LENGTHS))
    gone = {
        (tile.qualifier, at)
        for tile in known
        if tile.row_key == b"r"
        for at in range(tile.start, tile.end)
    }
    kept = [c for c in change.cells if c.family == "s" or (c.qualifier, c.timestamp) not in gone]
    assert left.cells == kept
    assert emptied(left) == emptied(change) - gone


@given(
    st.lists(st.tuples(st.binary(max_size=3), names, times, times), max_size=3), st.none() | times
)
def test_a_record_is_read_as_it_was_written(tiles, start):
    known = [RepairedTile(*each) for each in tiles]
    repair = Repair(table=TABLE, run="r", started_at=7, start=start, end=start, tiles=known)
    assert Repair.from_json(repair.to_json()) == repair


def test_records_of_one_run_that_differ_have_names_of_their_own():
    one = Repair(table=TABLE, run="r", started_at=7)
    other = Repair(table=TABLE, run="r", started_at=8)
    assert one.name != other.name
    assert one.name.startswith(f"{repairs_folder(TABLE)}/r.")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"table":"t","run":"r"}'])
def test_another_file_is_no_record(content):
    with pytest.raises(ValueError, match="no record of a repair"):
        Repair.from_json(content)
