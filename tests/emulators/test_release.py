"""Releases into Bigtable: repaired tiles, and refused changes that are applied again."""

import shutil

import msgspec
import pytest

from local.compare_rows import Folding, compare_rows
from local.tables import read_rows
from pipelines.hot_path import main as hot_path
from pipelines.release_quarantine import main
from schemas.bigtable_table import TableName
from schemas.cell_lines import change_json
from schemas.cells import Cell, RowChange
from schemas.contract import load_contracts
from schemas.feature_set import load_features
from schemas.quarantine_avro import to_avro
from tests.archive_builders import complete, put_all
from tests.pipelines.release_runs import (
    House,
    around,
    messages,
    refused,
)
from tests.pipelines.test_release import outcomes
from transforms.bigtable_connection import Connection
from transforms.log_repairs import read_repairs
from transforms.mutate_rows import BulkMutation, Patience
from transforms.mutation_batch import encode_row
from transforms.object_store import create_object, list_objects
from transforms.quarantine import read_quarantine
from transforms.write_cell_lines import read_cell_lines
from transforms.write_cells import refused_change

pytestmark = pytest.mark.emulator

WIDE = {"s": {"gc_rule": {"max_num_versions": 1}}, "t": {}}
GIVEN = messages([*around(["u1", "u2"]), *refused().values(), b"poison"])


@pytest.fixture
def house(tmp_path):
    return House(tmp_path, GIVEN)


def differ(house, one, other):
    where = str(house.folder / "features.yaml"), str(house.folder / "mended")
    features = load_features(where[0], load_contracts(where[1]))
    rows = (read_rows(TableName.parse(name)) for name in (one, other))
    return compare_rows(*rows, Folding(features)).is_different


def changes_of(house, sink, *users):
    """Return what a run that wrote lines has set in the rows of some users, as it was written."""
    rows = {}
    for line in read_cell_lines(str(house.folder / sink)):
        if line.key.decode().rpartition("#")[2] in users:
            length, time = house.tiles.get(line.qualifier), line.timestamp_micros
            start = time // length * length if length else None
            cell = Cell(line.family, line.qualifier, time, line.value, start)
            rows.setdefault(line.key, []).append(cell)
    return [RowChange(key, cells) for key, cells in rows.items()]


def refuse(house, changes, table, rejected_at=1):
    """Put changes into the quarantine, as the writer of a table would have."""
    records = [
        msgspec.structs.replace(
            refused_change(change, "INTERNAL", table),
            rejected_at=rejected_at,
            **({} if table else {"attributes": {}}),
        )
        for change in changes
    ]
    create_object(f"{house.quarantine}/step=WriteCells/dt=1970-01-01/x.avro", to_avro(records))


def kept_changes(house):
    found = read_quarantine(str(house.quarantine))
    return [each for each in found if each.reason == "mutation_refused"]


@pytest.fixture
def without_u1(tmp_path):
    """A house whose table lacks the row of u1: it was refused."""
    house = House(tmp_path, messages(around(["u1", "u2"])))
    house.live("cells")
    return house


def test_a_table_is_what_mended_contracts_would_have_made_of_it_from_the_beginning(
    house, bigtable_emulator
):
    table, truth = bigtable_emulator.table(WIDE), bigtable_emulator.table(WIDE)
    house.live(table)
    house.truth(truth)
    assert differ(house, table, truth)
    assert outcomes(house.release(table))["released"] == len(refused())
    assert not differ(house, table, truth)
    (repair,) = read_repairs(str(house.archive), table)
    assert {tile.qualifier for tile in repair.tiles} == {"events", "pages", "spent"}
    # The live job writes all that it knows once more, then another release runs.
    house.live(table)
    assert outcomes(house.release(table))["already_released"] == len(refused())
    assert not differ(house, table, truth)
    assert len(list(read_repairs(str(house.archive), table))) == 1


def test_a_release_from_a_bucket_is_the_same(house, bigtable_emulator, gcs_emulator):
    bucket = f"gs://{gcs_emulator.bucket()}"
    house.archive, house.quarantine = f"{bucket}/archive", f"{bucket}/quarantine"
    put_all(house.archive, GIVEN)
    complete(house.archive, GIVEN[-1].publish_time + 30 * 86_400_000_000)
    table, truth = bigtable_emulator.table(WIDE), bigtable_emulator.table(WIDE)
    house.live(table)
    house.truth(truth)
    for status in (0, 0):
        assert main(house.release_arguments(table)) == status
        assert not differ(house, table, truth)
    names = [each.path for each in list_objects(f"{house.quarantine}/_released")]
    assert len(names) == 1
    assert names[0].endswith(".ndjson")


@pytest.mark.parametrize("named", [True, False], ids=["named", "from before tables were named"])
def test_what_a_table_refused_is_applied_to_it_again_and_once(without_u1, bigtable_emulator, named):
    house = without_u1
    table, truth = bigtable_emulator.table(WIDE), bigtable_emulator.table(WIDE)
    house.live(truth)
    _apply(table, changes_of(house, "cells", "u2"))
    refuse(house, changes_of(house, "cells", "u1"), table if named else "")
    assert differ(house, table, truth)
    other = outcomes(house.release(bigtable_emulator.table(WIDE), "--dry_run"))
    assert other == ({"other_table": 1} if named else {"now_good": 1})
    assert outcomes(house.release("lines")) == {"other_table": 1}
    assert outcomes(house.release(table)) == {"now_good": 1, "released": 1}
    assert not differ(house, table, truth)
    assert outcomes(house.release(table)) == {"already_released": 1}


def test_what_is_refused_again_stays_until_its_attempts_are_spent(without_u1, bigtable_emulator):
    house = without_u1
    table = bigtable_emulator.table(WIDE)
    (good,) = changes_of(house, "cells", "u1")
    bad = RowChange(b"bad", [Cell("later", "q", 1_000, b"x"), *good.cells[:1]])
    refuse(house, [good, bad], table)
    first = house.release(table, "--max_attempts=2")
    assert outcomes(first) == {"now_good": 2, "released": 1, "refused_again": 1}
    assert sorted(each.attempt for each in kept_changes(house)) == [0, 0, 1]
    # A repair between the two refusals came after the first: the change must still lose to it.
    assert {each.rejected_at for each in kept_changes(house)} == {1}
    # Alone it is no row's fault that nothing can be written, so another row has to come along.
    again = RowChange(b"again", good.cells[:1])
    create_object(
        f"{house.quarantine}/step=WriteCells/dt=1970-01-01/y.avro",
        to_avro([refused_change(again, "INTERNAL", table)]),
    )
    second = house.release(table, "--max_attempts=2")
    assert outcomes(second) == {
        "already_released": 1,
        "now_good": 2,
        "released": 1,
        "refused_again": 1,
    }
    assert sorted(each.attempt for each in kept_changes(house)) == [0, 0, 0, 1, 2]
    assert {each.payload for each in kept_changes(house) if each.attempt} == {change_json(bad)}
    third = house.release(table, "--max_attempts=2")
    assert outcomes(third) == {"already_released": 2, "exhausted": 1}


def test_a_refused_change_is_not_applied_to_tiles_that_a_repair_mended_since(
    without_u1, bigtable_emulator
):
    house = without_u1
    table, truth = bigtable_emulator.table(WIDE), bigtable_emulator.table(WIDE)
    (good,) = changes_of(house, "cells", "u1")
    # A job that counted some events twice: its tiles would beat the right ones.
    over = [
        msgspec.structs.replace(cell, timestamp=cell.timestamp + 50_000, value=b"wrong")
        for cell in good.cells
        if cell.family == "t"
    ]
    refuse(house, [RowChange(good.row_key, over)], table)
    argv = [
        *house.common("mended", table),
        *("--max_future=3d", "--max_event_bytes=5000", "--write_mode=repair"),
        *("--from=2026-01-01T00:00:00Z", "--to=2026-01-20T00:00:00Z", "--run_id=mend"),
        f"--quarantine_output={house.folder / 'of_the_repair'}",
    ]
    assert hot_path(argv) == 0
    house.truth(truth)
    (repair,) = read_repairs(str(house.archive), table)
    assert (repair.run, repair.tiles) == ("mend", [])
    done = house.release(table)
    assert outcomes(done) == {"now_good": 1, "repaired_later": 1, "released": 1}
    assert done.get("mutations", 0) == 0
    assert not differ(house, table, truth)
    # Refused after the repair, it is what was meant last.
    shutil.rmtree(house.quarantine)
    refuse(house, [RowChange(good.row_key, over)], table, repair.started_at + 1)
    assert outcomes(house.release(table)) == {"now_good": 1, "released": 1}
    assert differ(house, table, truth)


def _apply(table, changes):
    connection = Connection(TableName.parse(table))
    refused_rows = BulkMutation(connection.send, Patience()).write(list(map(encode_row, changes)))
    connection.close()
    assert refused_rows == {}
