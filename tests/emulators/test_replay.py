"""The hot path from an archive in Cloud Storage into Bigtable, on both batch engines."""

import json

import pytest

from local.compare_rows import Folding, compare_rows
from local.tables import read_rows
from pipelines.hot_path import main
from schemas.bigtable_table import TableName
from schemas.contract import load_contracts
from schemas.feature_set import load_features
from tests.archive_builders import complete, put_overlapping
from tests.pipelines.hot_path_runs import GOLDEN, KEY, KEY_VARIABLE, golden_lines, shown
from tests.pipelines.replay_runs import DAY, NOON, golden_messages, replay_arguments
from transforms.quarantine import read_quarantine

pytestmark = pytest.mark.emulator


@pytest.fixture(autouse=True)
def pseudonym_key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


@pytest.fixture
def archive(gcs_emulator):
    root = f"gs://{gcs_emulator.bucket()}/kept here"
    put_overlapping(root, golden_messages())
    complete(root, NOON + 30 * DAY)
    return root


def differ(one, other):
    features = load_features(str(GOLDEN / "features"), load_contracts(str(GOLDEN / "contracts")))
    rows = (read_rows(TableName.parse(name)) for name in (one, other))
    return compare_rows(*rows, Folding(features)).is_different


def into(table, argv):
    kept = [each for each in argv if not each.startswith("--cells_output")]
    return [*kept, f"--bigtable_table={table}"]


def live(table, folder, lines):
    """Write some events as a live job would that saw no others."""
    folder.mkdir()
    (folder / "events.ndjson").write_text("\n".join(lines))
    argv = into(table, replay_arguments(folder, folder)[3:])
    assert main([f"--input_files={folder / 'events.ndjson'}", *argv]) == 0


def test_a_repair_makes_a_table_what_a_replay_into_a_shadow_is(
    tmp_path, archive, bigtable_emulator, prism_binary
):
    table, shadow = bigtable_emulator.table(), bigtable_emulator.table()
    on_prism = [
        "--runner=PrismRunner",
        f"--prism_location={prism_binary}",
        "--environment_type=LOOPBACK",
    ]
    argv = replay_arguments(tmp_path, f"{archive}/raw/events/", *on_prism)
    assert main(into(shadow, argv)) == 0
    quarantined = list(read_quarantine(str(tmp_path / "quarantine")))
    wanted = sorted((json.loads(line) for line in golden_lines("rejected.ndjson")), key=json.dumps)
    assert shown(quarantined) == wanted
    assert {one.replayed_from for one in quarantined} == {f"{archive}#events"}

    lines = [line for line in golden_lines("events.ndjson") if line]
    ghosts = [lines[0].replace('"e1"', f'"ghost{n}"') for n in range(5)]
    live(table, tmp_path / "live", [line for line in lines if '"e3"' not in line] + ghosts)
    assert differ(table, shadow)
    assert main(into(table, replay_arguments(tmp_path / "up", archive))) == 0
    assert differ(table, shadow), "an upsert cannot take back what was counted too much"
    repair = replay_arguments(tmp_path / "repair", archive, "--write_mode=repair")
    assert main(into(table, repair)) == 0
    assert not differ(table, shadow)
