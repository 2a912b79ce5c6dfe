"""What was written through the tap, written again in another order."""

import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.bigtable_tap import BigtableTap, apply, interleaved, tied_rows
from local.chance import Chance
from local.services import exported
from local.tables import read_rows
from schemas.bigtable_table import TableName
from tests.feature_builders import BASE, HOUR, View, shard, written_by
from transforms.bigtable_connection import Connection
from transforms.mutation_batch import encode_row

SET = collections.namedtuple("SET", "family_name column_qualifier timestamp_micros value")
MUTATION = collections.namedtuple("MUTATION", "set_cell")
ENTRY = collections.namedtuple("ENTRY", "row_key mutations number")

CELLS = st.tuples(
    st.sampled_from([b"a", b"b", b"c"]),
    st.sampled_from(["s", "t"]),
    st.sampled_from([1_000, 2_000]),
    st.sampled_from([b"x", b"y"]),
)
WRITERS = st.lists(st.lists(CELLS, max_size=8), min_size=1, max_size=3)


def entries_of(cells, writer):
    return [
        ENTRY(row_key, [MUTATION(SET(family, b"q", timestamp, value))], (writer, n))
        for n, (row_key, family, timestamp, value) in enumerate(cells)
    ]


@given(WRITERS, st.integers(0, 5))
def test_every_entry_comes_once_and_a_writer_that_changed_its_mind_keeps_its_order(cells, seed):
    writers = [entries_of(each, writer) for writer, each in enumerate(cells)]
    order = interleaved(writers, Chance(seed))
    assert sorted(each.number for each in order) == sorted(
        each.number for entries in writers for each in entries
    )
    for writer, entries in enumerate(writers):
        for row_key in tied_rows(entries):
            numbers = [e.number[1] for e in order if (e.number[0], e.row_key) == (writer, row_key)]
            assert numbers == sorted(numbers)


def test_only_last_values_of_one_timestamp_can_be_tied():
    cells = [
        *((b"tile", "t", 1_000, value) for value in (b"x", b"y")),
        *((b"later", "s", timestamp, b"%d" % timestamp) for timestamp in (1_000, 2_000)),
        *((b"again", "s", 1_000, b"x") for _ in range(2)),
        *((b"tied", "s", 1_000, value) for value in (b"x", b"y")),
    ]
    assert tied_rows(entries_of(cells, 0)) == {b"tied"}


def test_writers_come_in_many_orders():
    writers = [entries_of([(b"a", "t", 1_000, b"x")] * 6, writer) for writer in range(2)]
    orders = {
        tuple(each.number for each in interleaved(writers, Chance(seed))) for seed in range(20)
    }
    assert len(orders) == 20


@pytest.mark.emulator
def test_what_is_written_through_the_tap_arrives_and_can_be_written_elsewhere(bigtable_emulator):
    one, other = (TableName.parse(bigtable_emulator.table()) for _ in range(2))
    views = [View(f"e{n}", "ab"[n % 2], BASE + n * HOUR // 7, "/p", n) for n in range(30)]
    encoded = [encode_row(change).entry for change in written_by(shard(), views)]
    with BigtableTap(bigtable_emulator.address) as tap:
        with exported({"BIGTABLE_EMULATOR_HOST": tap.address}):
            connection = Connection(one)
            assert {code for _, code in connection.send(encoded, 30.0)} == {0}
            connection.close()
            written = dict(read_rows(one))
        assert len(tap.entries) == len(encoded)
    assert written == dict(read_rows(one))
    assert len(written) == 2
    apply(other, [*tap.entries, *tap.entries])
    assert dict(read_rows(other)) == written
