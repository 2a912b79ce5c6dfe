"""A repair of a table that live jobs left wrong, against a shadow that saw every event once."""

import apache_beam as beam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.compare_rows import Folding, compare_rows
from local.tables import read_rows
from schemas.bigtable_table import TableName
from schemas.changes import ChangePack
from schemas.tiles import tile_start
from tests.engine import run_batch
from tests.feature_builders import (
    BASE,
    FEATURES,
    HOUR,
    View,
    changes_of,
    shard,
    written_by,
)
from transforms.bigtable_connection import Connection
from transforms.extract_changes import row_shard
from transforms.fold_entities import FoldEntities
from transforms.mutate_rows import BulkMutation, Patience
from transforms.mutation_batch import encode_row
from transforms.row_cells import Tally
from transforms.write_cells import WriteCells

pytestmark = pytest.mark.emulator

SPAN = (BASE, BASE + 3 * HOUR)
COUNT = 24
ALL = [
    View(f"e{n}", ("ana", "bo")[n % 2], BASE + n * HOUR // 7, "/ab"[: 1 + n % 3], n)
    for n in range(COUNT)
]


def differences(a, b):
    rows = (read_rows(TableName.parse(name)) for name in (a, b))
    return compare_rows(*rows, Folding([FEATURES]))


def apply(table, changes):
    connection = Connection(TableName.parse(table))
    refused = BulkMutation(connection.send, Patience()).write([encode_row(c) for c in changes])
    connection.close()
    assert refused == {}


def run_job(table, views, bundle_repeat=0, **given):
    def build(pipeline):
        packs = [
            (row_shard(row.row_key, 2), ChangePack([row]))
            for first in range(0, len(views), 6)
            for row in changes_of(views[first : first + 6]).rows
        ]
        changes = pipeline | beam.Create(packs).with_output_types(tuple[int, ChangePack])
        rows = changes | FoldEntities([FEATURES], 3600, **given)
        return (rows | WriteCells(table))._asdict()

    assert run_batch(build, bundle_repeat)["rejected"] == []


@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_after_the_repair_job_the_table_is_the_shadow_but_for_tiles_outside_of_the_span(
    bigtable_emulator, bundle_repeat
):
    live, shadow = bigtable_emulator.table(), bigtable_emulator.table()
    run_job(shadow, ALL)
    twice = [view._replace(event_id=f"again {view.event_id}") for view in ALL[::3]]
    apply(live, written_by(shard(), [*ALL[1::2], *twice]))
    wrong = differences(live, shadow)
    assert wrong.columns.keys() >= {"t:views", "t:total"}
    repair = {"covers_from": SPAN[0], "covers_to": SPAN[1], "repair": True}
    run_job(live, ALL, bundle_repeat, **repair)
    assert tiles_that_differ(live, shadow) == tiles_that_differ(live, shadow, after=SPAN[1])
    assert differences(live, shadow).is_different
    run_job(live, ALL, **{**repair, "covers_to": BASE + 9 * HOUR})
    assert not differences(live, shadow).is_different


def tiles_that_differ(a, b, after=0):
    lengths = {feature.name: feature.tile for feature in FEATURES.features}
    found = []
    for name in (a, b):
        newest = {}
        for key, cells in read_rows(TableName.parse(name)):
            for family, qualifier, timestamp, value in cells:
                length = lengths.get(qualifier, 1 << 62)
                place = (key, family, qualifier, tile_start(timestamp, length))
                newest[place] = max(newest.get(place, (0, b"")), (timestamp, value))
        found.append(newest.items())
    return {place for place, _ in found[0] ^ found[1] if place[3] >= after}


def test_any_history_of_the_span_is_repaired_once_and_for_all(bigtable_emulator):
    shadow = bigtable_emulator.table()
    apply(shadow, written_by(shard(), ALL))

    @settings(max_examples=15)
    @given(st.lists(st.integers(0, 2 * COUNT - 1)), st.lists(st.integers(0, COUNT - 1)))
    def holds(seen, again):
        live = bigtable_emulator.table()
        invented = [view._replace(event_id=f"no {view.event_id}") for view in ALL]
        for first in range(0, len(seen), 9):
            some = {n: (ALL + invented)[n] for n in seen[first : first + 9]}
            apply(live, written_by(shard(), list(some.values())))
        held = shard(covers_from=BASE, covers_to=BASE + 9 * HOUR)
        held.load(changes_of(ALL))
        repair = list(held.repairs(Tally()))
        for _ in range(2):
            apply(live, repair)
            assert not differences(live, shadow).is_different
        apply(live, written_by(shard(), [ALL[n] for n in sorted({*again})]))
        assert not differences(live, shadow).is_different

    holds()
