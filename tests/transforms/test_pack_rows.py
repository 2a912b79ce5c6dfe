"""Rows of a bundle travel to their objects together, by table."""

import apache_beam as beam
import pytest

from schemas.row_packs import RowPack
from tests.engine import run_batch
from transforms.object_names import unpack
from transforms.pack_rows import PackRows
from transforms.write_objects import PackRecords

GIVEN = [RowPack("ops.late", [b'{"n":%d}' % n, b'{"m":%d}' % n], ["x", "y"]) for n in range(5)] + [
    RowPack("ops.drift", [b"{}"], ["z"])
]


def packed(max_bytes=4_000_000, bundle_repeat=0):
    def build(pipeline):
        source = pipeline | beam.Create([None])
        packs = source | beam.FlatMap(lambda _: GIVEN).with_output_types(RowPack)
        return {"packs": packs | PackRows(max_bytes)}

    return run_batch(build, bundle_repeat)


def test_a_bundle_gives_one_pack_for_each_table_with_all_rows():
    outcome = packed()
    found = {table: unpack(rows) for table, rows in outcome["packs"]}
    assert found == {
        "ops.late": [row for pack in GIVEN[:5] for row in pack.rows],
        "ops.drift": [b"{}"],
    }
    assert len(outcome["packs"]) == 2
    assert outcome.counters == {"rows": 11}


@pytest.mark.parametrize("max_bytes", [1, 20, 50])
def test_a_pack_is_closed_when_it_is_large_enough_and_no_row_is_lost(max_bytes):
    outcome = packed(max_bytes)
    assert len(outcome["packs"]) > 2
    rows = sorted(row for _, each in outcome["packs"] for row in unpack(each))
    assert rows == sorted(row for pack in GIVEN for row in pack.rows)


def test_the_packs_are_those_of_single_rows():
    def build(pipeline):
        lines = [(pack.table, row) for pack in GIVEN for row in pack.rows]
        source = pipeline | beam.Create([None])
        records = source | beam.FlatMap(lambda _: lines).with_output_types(tuple[str, bytes])
        return {"packs": records | PackRecords(4_000_000)}

    assert sorted(run_batch(build)["packs"]) == sorted(packed()["packs"])
