"""Windows computed of curated tables in BigQuery: the panes of the same rows in files."""

import pytest

from console.bigquery_tables import Asked, create_tables
from local.resources import unique_name
from pipelines import curate_events, recompute_windows
from schemas.coverage import Coverage
from schemas.curated_records import CuratedRecords, rank_of
from schemas.row_packs import RowPack
from schemas.table_names import Datasets
from schemas.times import DAY, format_rfc3339
from tests.metric_builders import BASE, CONTRACTS, MINUTE, Seen
from tests.pipelines.curate_runs import lines_of, rows_of
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from tests.pipelines.live_windows import message
from tests.pipelines.window_runs import declared
from tests.warm_archive import WarmArchive
from transforms.audit_bigquery import AuditBigQuery
from transforms.audit_files import AuditFiles

pytestmark = pytest.mark.emulator

KINDS = ("page_view", "click", "quiz_submitted")
SPAN = [f"--from={format_rfc3339(BASE)}", f"--to={format_rfc3339(BASE + 20 * MINUTE)}"]
UNTIL = f"--complete_until={format_rfc3339(BASE + 10 * DAY)}"


def seen():
    for n in range(60):
        yield Seen(
            f"e{n}",
            KINDS[n % 3],
            BASE + n * 11_000_007,
            user=f"u{n % 4}",
            platform=["web", "ios", "android"][n % 2],
            duration=[None, 5, 2**62][n // 3 % 3],
            score=["99.99", "0", "1.5"][n // 3 % 3],
            published=BASE + n * 12_345_678,
        )


@pytest.fixture
def datasets(bigquery_emulator):
    prefix = unique_name("r").replace("-", "_") + "_"
    asked = Asked(bigquery_emulator.project, prefix)
    assert list(create_tables(asked))
    return Datasets(bigquery_emulator.project, prefix)


def test_panes_of_tables_are_those_of_the_same_rows_in_files(
    datasets, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    events = list(seen())
    archive = WarmArchive(str(tmp_path / "archive"))
    archive.put(map(message, events))
    archive.mark(BASE + 30 * DAY)
    rejects = f"--quarantine_output={tmp_path / 'quarantine'}"
    argv = [f"--input_archive={tmp_path / 'archive'}", *SPAN, rejects]
    key = f"--pseudonym_key=env:{KEY_VARIABLE}"
    assert curate_events.main([*argv, key, f"--rows_output={tmp_path / 'rows'}"]) == 0
    tables = AuditBigQuery(datasets, CONTRACTS)
    for kind in KINDS:
        [table] = [path.name for path in (tmp_path / "rows").iterdir() if path.name.endswith(kind)]
        lines = [
            line
            for path in (tmp_path / "rows" / table).iterdir()
            for line in path.read_bytes().splitlines()
        ]
        # A row that was inserted twice counts once.
        tables.keep(RowPack(table, [*lines, lines[0]], [str(n) for n in range(len(lines) + 1)]))
    form = CuratedRecords(CONTRACTS, {kind: ["event_details.page"] for kind in KINDS})
    span = Coverage(BASE, BASE + 5 * MINUTE)
    of_files = AuditFiles(str(tmp_path / "rows"), CONTRACTS).records(form, span)
    assert ranked(tables.records(form, span)) == ranked(of_files)
    usual = [*SPAN, UNTIL, rejects, f"--metrics={declared(tmp_path)}", "--generation=7"]
    of_tables = [
        f"--input_bigquery_project={datasets.project}",
        f"--input_dataset_prefix={datasets.prefix}",
    ]
    files = [f"--input_rows={tmp_path / 'rows'}", "--run_id=r", f"--rows_output={tmp_path / 'one'}"]
    assert recompute_windows.main([*usual, *files]) == 0
    other = [*of_tables, "--run_id=r", f"--rows_output={tmp_path / 'other'}"]
    assert recompute_windows.main([*usual, *other]) == 0
    assert lines_of(tmp_path / "other") == lines_of(tmp_path / "one")
    totals = [row["total"] for row in rows_of(lines_of(tmp_path / "one"), "ops.panes_wide")]
    assert str(2**62) in totals
    # What was computed anew is asked of the tables as well.
    tables.keep(done(tmp_path))
    sink = [f"--bigquery_project={datasets.project}", f"--dataset_prefix={datasets.prefix}"]
    assert recompute_windows.main([*usual, *of_tables, *sink, "--write_method=inserts"]) == 2
    assert "computed anew already, up to generation 7" in capsys.readouterr().err
    missing = [*of_tables[:1], "--input_dataset_prefix=nobody_"]
    assert recompute_windows.main([*usual, *missing, f"--rows_output={tmp_path / 'one'}"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("--input_bigquery_project=penstock-local: no such table: ")
    assert err.count("\n") == 1


def ranked(records):
    found = [(one.event_id, rank_of(one), str(one.event_details)) for one in records]
    assert len(found) > 20
    return sorted(found)


def done(folder):
    [path] = (folder / "one" / "ops.recomputed").iterdir()
    lines = path.read_bytes().splitlines()
    return RowPack("ops.recomputed", lines, [str(n) for n in range(len(lines))])
