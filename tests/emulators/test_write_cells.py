"""The Bigtable writer against the emulator: its rows, its refusals, its order."""

import apache_beam as beam
import pytest
from google.cloud.bigtable import row_filters
from google.cloud.bigtable.data import BigtableDataClient, ReadRowsQuery
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.bigtable_table import TableName
from schemas.cell_lines import parse_change
from schemas.cells import Cell, Clear, RowChange
from tests.engine import run_batch
from transforms.bigtable_connection import Connection
from transforms.mutate_rows import BulkMutation, NothingWrittenError, Patience
from transforms.mutation_batch import encode_row
from transforms.write_cells import WriteCells

pytestmark = pytest.mark.emulator

HOUR = 3_600_000_000
FAMILIES = {"s": {"gc_rule": {"max_num_versions": 1}}, "t": {}}


@pytest.fixture
def table(bigtable_emulator):
    return bigtable_emulator.table(FAMILIES)


def state(version):
    return Cell("s", "plan", version * 1_000, f"plan {version}".encode())


def tile(hour, count, qualifier="views"):
    start = hour * HOUR
    return Cell("t", qualifier, start + count * 1_000, count.to_bytes(8, "big"), start)


def read(table):
    """{(row, family, qualifier): {time: value}}, all versions."""
    name = TableName.parse(table)
    found = {}
    with BigtableDataClient(project=name.project) as client:
        rows = client.get_table(name.instance, name.table).read_rows(
            ReadRowsQuery(row_filter=row_filters.PassAllFilter(True))
        )
        for row in rows:
            for cell in row.cells:
                cells = found.setdefault((row.row_key, cell.family, cell.qualifier.decode()), {})
                cells[cell.timestamp_micros] = cell.value
    return found


def folded(cells):
    """What a reader takes: state by its newest cell, each tile by its highest version."""
    final = {}
    for (row, family, qualifier), versions in cells.items():
        for time, value in versions.items():
            place = (row, family, qualifier, time // HOUR if family == "t" else None)
            final[place] = max(final.get(place, (-1, b"")), (time, value))
    return final


def of_changes(changes):
    cells = {}
    for change in changes:
        for cell in change.cells:
            place = cells.setdefault((change.row_key, cell.family, cell.qualifier), {})
            place[cell.timestamp] = cell.value
    return folded(cells)


cells = st.one_of(
    st.builds(state, st.integers(1, 5)),
    st.builds(tile, st.integers(0, 2), st.integers(1, 6), st.sampled_from(["views", "spent"])),
)
change_sets = st.lists(
    st.builds(RowChange, st.sampled_from([b"a", b"b"]), st.lists(cells, min_size=1, max_size=3)),
    min_size=1,
    max_size=6,
)


def test_any_order_and_repetition_of_a_change_set_leaves_one_final_row(bigtable_emulator):
    @settings(max_examples=40)
    @given(change_set=change_sets, data=st.data())
    def holds(change_set, data):
        repeated = change_set + data.draw(st.lists(st.sampled_from(change_set), max_size=4))
        order = data.draw(st.permutations(repeated))
        cut = data.draw(st.integers(0, len(order)))
        name = bigtable_emulator.table(FAMILIES)
        connection = Connection(TableName.parse(name))
        bulk = BulkMutation(connection.send, Patience())
        for part in (order[:cut], order[cut:]):
            assert bulk.write([encode_row(change) for change in part]) == {}
        connection.close()
        assert folded(read(name)) == of_changes(change_set)

    holds()


def test_a_fuller_tile_clears_the_versions_that_it_replaces(table):
    changes = [RowChange(b"r", [tile(1, count)]) for count in (1, 2, 3)]
    write(table, changes[:1])
    write(table, changes[1:2])
    write(table, changes[2:])
    assert read(table) == {(b"r", "t", "views"): {HOUR + 3_000: (3).to_bytes(8, "big")}}


def write(table, changes, bundle_repeat=0, **options):
    def build(pipeline):
        rows = pipeline | beam.Create(changes, reshuffle=False).with_output_types(RowChange)
        return (rows | WriteCells(table, **options))._asdict()

    return run_batch(build, bundle_repeat)


@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_all_rows_of_a_job_stand_in_the_table(table, bundle_repeat):
    changes = [RowChange(f"r{n}".encode(), [state(n + 1), tile(n, 3)]) for n in range(500)]
    write(table, changes, bundle_repeat, max_rows_per_request=60)
    assert folded(read(table)) == of_changes(changes)


def test_a_row_that_names_an_unknown_family_is_refused_and_the_others_are_written(table):
    good = [RowChange(f"r{n}".encode(), [state(1)]) for n in range(5)]
    bad = RowChange(b"bad", [Cell("nowhere", "q", 1_000, b"x")])
    outcome = write(table, [*good[:3], bad, *good[3:]])
    assert [parse_change(rejected.payload) for rejected in outcome["rejected"]] == [bad]
    assert folded(read(table)) == of_changes(good)
    counters = outcome.counters
    assert (counters["mutations"], counters["written"], counters["refused"]) == (6, 5, 1)


def test_a_refused_change_can_be_applied_again_from_its_payload(bigtable_emulator):
    change = RowChange(b"r", [Cell("later", "q", 2_000, b"x", 1_000), state(1)])
    narrow = bigtable_emulator.table(FAMILIES)
    outcome = write(narrow, [change, RowChange(b"good", [state(1)])])
    (rejected,) = outcome["rejected"]
    wide = bigtable_emulator.table({**FAMILIES, "later": {}})
    write(wide, [parse_change(rejected.payload)])
    assert folded(read(wide)) == of_changes([change])


def test_a_missing_table_fails_the_job_with_one_line(table):
    with pytest.raises(
        NothingWrittenError, match="NOT_FOUND: make the table by `penstock"
    ) as raised:
        write(f"{table}x", [RowChange(b"r", [state(1)])])
    assert "\n" not in str(raised.value)


def test_one_change_clears_whole_tiles_and_then_sets_them(table):
    """DeleteFromColumn, then SetCell inside the same span, in one mutation: in this order."""
    over = [Cell("t", "views", hour * HOUR + 9_000, b"over") for hour in (0, 1, 2, 3)]
    state_cell = state(4)
    write(table, [RowChange(b"r", [*over, state_cell])])
    repaired = Cell("t", "views", HOUR + 2_000, b"right")
    repair = RowChange(b"r", [repaired], (Clear("t", "views", HOUR, 3 * HOUR),))
    for _ in range(2):
        write(table, [repair])
        assert read(table) == {
            (b"r", "s", "plan"): {state_cell.timestamp: state_cell.value},
            (b"r", "t", "views"): {
                9_000: b"over",
                HOUR + 2_000: b"right",
                3 * HOUR + 9_000: b"over",
            },
        }


def test_a_row_that_is_cleared_wholly_is_gone(table):
    write(table, [RowChange(b"r", [tile(1, 3)]), RowChange(b"kept", [tile(1, 3)])])
    write(table, [RowChange(b"r", [], (Clear("t", "views", HOUR, 2 * HOUR),))])
    assert {row for row, _, _ in read(table)} == {b"kept"}
