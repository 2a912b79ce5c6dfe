"""What Bigtable serves against curated events, through the audit's command line."""

import pytest
from google.cloud.bigtable.data import BigtableDataClient, SetCell

from local.tables import read_rows
from pipelines import curate_events, hot_path
from pipelines.audit import main
from schemas.bigtable_table import TableName
from schemas.times import DAY, format_rfc3339, parse_rfc3339
from tests.pipelines.audit_runs import END, PLAN, START, archived, audit_arguments
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE

pytestmark = pytest.mark.emulator

NOW = f"--now={format_rfc3339(PLAN.start + 20 * DAY)}"


def test_what_is_served_is_what_rows_add_up_to_until_a_cell_is_corrupted(
    bigtable_emulator, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    table = bigtable_emulator.table()
    usual = [
        f"--input_archive={archived(tmp_path)}",
        f"--quarantine_output={tmp_path / 'quarantine'}",
        f"--pseudonym_key=env:{KEY_VARIABLE}",
        f"--from={format_rfc3339(START - 15 * DAY)}",
        f"--to={format_rfc3339(END)}",
        "--max_lateness=3d",
        NOW,
    ]
    assert curate_events.main([*usual, f"--rows_output={tmp_path / 'rows'}"]) == 0
    assert hot_path.main([*usual, f"--bigtable_table={table}"]) == 0
    argv = audit_arguments(tmp_path, NOW, f"--bigtable_table={table}", "--sample_entities=7")
    capsys.readouterr()
    assert main(argv) == 0
    [line] = [each for each in capsys.readouterr().out.splitlines() if "served_folds" in each]
    assert line.startswith("ok")
    assert "tiles of 14 entities" in line
    key, name, time = corrupt(TableName.parse(table))
    assert main(argv) == 1
    [line] = [each for each in capsys.readouterr().out.splitlines() if "served_folds" in each]
    assert line.startswith("ERROR")
    _, entity, entity_id = key.decode().split("#", 2)
    assert f"differing: {entity} {entity_id} {name} " in line
    assert "(another value)" in line
    start = parse_rfc3339(line.partition(f"{entity_id} {name} ")[2].split(" ")[0])
    assert 0 <= time - start < DAY
    missing = [f"{one}-nowhere" if one.endswith(table) else one for one in argv]
    assert main(missing) == 1
    err = capsys.readouterr().err
    assert f"{table}-nowhere: cannot be read (NotFound" in err
    assert err.count("\n") == 1


def corrupt(name):
    """Change one cell of a sampled row: of the user with the least digest, so the first row."""
    rows = {key: cells for key, cells in read_rows(name) if b"#user#" in key}
    key = min(rows)
    family, qualifier, time, value = next(
        cell for cell in rows[key] if cell[0] == "t" and START <= cell[2] < END - DAY
    )
    with BigtableDataClient(project=name.project) as client:
        table = client.get_table(name.instance, name.table)
        table.mutate_row(key, SetCell(family, qualifier, value + b"x", timestamp_micros=time))
    return key, qualifier, time
