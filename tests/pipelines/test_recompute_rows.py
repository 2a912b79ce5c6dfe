"""Windows computed of curated rows: the panes are those that the archive gives, to the byte."""

import shutil

import pytest

from pipelines import curate_events, recompute_windows
from pipelines.recompute_windows import main
from schemas.metric_set import SHIPPED
from schemas.times import DAY, format_rfc3339, parse_rfc3339
from tests.metric_builders import PLAIN_TEXT, WIDE_TEXT
from tests.pipelines.audit_runs import PLAN, archived, change_rows
from tests.pipelines.curate_runs import lines_of, rows_of
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE

pytestmark = pytest.mark.engine

START, END = PLAN.start, PLAN.start + DAY
UNTIL = PLAN.start + 20 * DAY
VIEWS = "silver_product.page_view"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A stream with all kinds of faults, archived, curated, and measured from the archive."""
    folder = tmp_path_factory.mktemp("made")
    metrics = folder / "metrics"
    metrics.mkdir()
    for name in ("event_age.yaml", "purchases.yaml"):
        shutil.copy(SHIPPED / name, metrics)
    (metrics / "wide.yaml").write_text(WIDE_TEXT)
    (metrics / "plain.yaml").write_text(PLAIN_TEXT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, KEY)
        archive = f"--input_archive={archived(folder)}"
        usual = [
            archive,
            *span(),
            f"--quarantine_output={folder / 'quarantine'}",
            f"--pseudonym_key=env:{KEY_VARIABLE}",
            f"--now={format_rfc3339(UNTIL)}",
            "--max_lateness=3d",
        ]
        # Rows of other times are there too.
        wide = [archive, *span(START - DAY, END + DAY), *usual[3:]]
        assert curate_events.main([*wide, f"--rows_output={folder / 'rows'}"]) == 0
        metrics_of = [f"--metrics={metrics}", "--generation=7", "--run_id=r"]
        argv = [*usual, *metrics_of, f"--rows_output={folder / 'panes'}"]
        assert recompute_windows.main(argv) == 0
    return folder


def span(start=START, end=END):
    return [f"--from={format_rfc3339(start)}", f"--to={format_rfc3339(end)}"]


def in_span(row):
    return START <= parse_rfc3339(row["event_timestamp"]) < END


def of_rows(made, folder, *more):
    """The arguments of the same from the rows; no key, as nothing is pseudonymised any more."""
    usual = [
        f"--input_rows={made / 'rows'}",
        *span(),
        f"--complete_until={format_rfc3339(UNTIL)}",
        "--max_lateness=3d",
        f"--metrics={made / 'metrics'}",
        f"--rows_output={folder / 'panes'}",
        f"--quarantine_output={folder / 'quarantine'}",
        "--generation=7",
        "--run_id=r",
    ]
    changed = {one.partition("=")[0] for one in more}
    return [*(one for one in usual if one.partition("=")[0] not in changed), *more]


def test_panes_of_rows_are_those_of_the_archive_also_where_rows_are_there_again(made, tmp_path):
    shutil.copytree(made / "rows", tmp_path / "rows")

    def again(rows):
        rows = sorted(rows, key=in_span, reverse=True)
        copies = [{**row, "ingest_time": "2030-01-01T00:00:00Z"} for row in rows[:30]]
        other = {**rows[3], "content_digest": "ff" * 16, "publish_time": "2099-01-01T00:00:00Z"}
        moved = {**other, "event_details": {**other["event_details"], "page": "/elsewhere"}}
        return [moved, *reversed(rows), *copies]

    change_rows(tmp_path, VIEWS, again)
    counters = tmp_path / "counters.json"
    more = [f"--input_rows={tmp_path / 'rows'}", f"--counters_output={counters}"]
    assert main(of_rows(made, tmp_path, *more)) == 0
    found, wanted = lines_of(tmp_path / "panes"), lines_of(made / "panes")
    assert found == wanted
    assert {line.partition(" ")[0] for line in found} >= {"ops.panes_wide", "ops.panes_event_age"}
    assert any(row.get("oldest") is not None for row in rows_of(found, "ops.panes_wide"))
    assert '"duplicate": 30' in counters.read_text()
    assert '"conflict": 1' in counters.read_text()


def test_a_value_that_only_the_drift_has_stops_the_job_before_a_pane_is_written(
    made, tmp_path, capsys
):
    shutil.copytree(made / "rows", tmp_path / "rows")
    unknown = ["event_details.platform"]
    change_rows(tmp_path, VIEWS, lambda rows: [{**row, "unknown_fields": unknown} for row in rows])
    assert main(of_rows(made, tmp_path, f"--input_rows={tmp_path / 'rows'}")) == 1
    err = capsys.readouterr().err
    assert "event_details.platform of some rows is in the drift only" in err
    assert not lines_of(tmp_path / "panes")


def test_rows_that_were_filled_since_stop_nothing_though_the_old_ones_are_there(made, tmp_path):
    shutil.copytree(made / "rows", tmp_path / "rows")
    unknown = ["event_details.platform"]

    def also_unfilled(rows):
        return [*rows, *({**row, "event_details": {}, "unknown_fields": unknown} for row in rows)]

    change_rows(tmp_path, VIEWS, also_unfilled)
    assert main(of_rows(made, tmp_path, f"--input_rows={tmp_path / 'rows'}")) == 0
    assert lines_of(tmp_path / "panes") == lines_of(made / "panes")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--complete_until="], "--complete_until is missing: nothing in the rows says"),
        (["--complete_until=2999-01-01T00:00:00Z"], "that is still to come"),
        ([f"--complete_until={format_rfc3339(END + DAY)}"], "it must be 2025-"),
        (["--input_archive=archive"], "name exactly one of the three"),
        (["--source=events"], "--source goes with --input_archive, not with --input_rows"),
        (["--dry_run"], "--dry_run goes with --input_archive, not with --input_rows"),
        (["--input_dataset_prefix=dev_"], "--input_dataset_prefix goes with --input_bigquery"),
        ([f"--metrics={SHIPPED}"], "metric rejects is of rejects, which curated rows do not hold"),
        (["--input_rows=nowhere"], "no rows of"),
        (span(START, START + 10), "no window of any metric"),
    ],
)
def test_what_rows_cannot_tell_is_refused_in_one_line(made, tmp_path, capsys, more, said):
    assert main(of_rows(made, tmp_path, *more)) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "panes").exists()


def test_a_generation_that_no_view_would_show_is_refused(made, tmp_path, capsys):
    panes = f"--rows_output={tmp_path / 'panes'}"
    shutil.copytree(made / "panes", tmp_path / "panes")
    before = lines_of(tmp_path / "panes")
    for more in (["--generation=6"], ["--run_id=another"]):
        assert main(of_rows(made, tmp_path, panes, *more)) == 2
        err = capsys.readouterr().err
        assert "windows of the span are computed anew already, up to generation 7" in err
        assert err.count("\n") == 1
    later = span(END, END + DAY // 24)
    assert main(of_rows(made, tmp_path, panes, "--generation=6", *later)) == 0
    told = rows_of(lines_of(tmp_path / "panes"), "ops.recomputed")
    assert {row["generation"] for row in told if row["window_start"][:19] < later[0][7:26]} == {7}
    assert set(before) < set(lines_of(tmp_path / "panes"))
