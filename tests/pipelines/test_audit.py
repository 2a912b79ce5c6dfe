"""Audits of files: a whole day without a fault, and each fault by itself."""

import json

import pytest

from local.generate import generate, write_lines
from local.plan import Plan
from pipelines import archive_raw, curate_events
from pipelines.audit import JOB, main
from schemas.times import DAY, format_rfc3339, parse_rfc3339
from tests.archive_builders import complete, put
from tests.pipelines.audit_runs import (
    END,
    SHIPPED,
    START,
    archived,
    audit_arguments,
    audited,
    change_rows,
    make_layers,
    messages,
)
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from transforms.object_store import read_objects

pytestmark = pytest.mark.engine

LAYERS = "archive/events"
VIEWS = "silver_product.page_view"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, KEY)
        make_layers(folder)
    return folder


@pytest.fixture
def layers(made, tmp_path):
    """A copy that a test may change."""
    for path in made.rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(made)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return tmp_path


def failed(findings):
    return {key for key, each in findings.items() if each.is_error}


def test_what_the_jobs_made_of_a_stream_with_faults_is_explained_to_the_last_message(layers):
    found = audited(layers)
    assert not failed(found)
    said = found["explained", LAYERS].detail
    assert said.startswith(f"{len({each.message_id for each in messages()})} messages = ")
    assert "refused as id_conflict" in said
    assert said.endswith("+ 0 unexplained")
    assert found["curated_counts", "gold.activity"].detail.endswith("windows of 1m")
    assert found["curated_counts", "gold.activity"].passed
    assert not any(each.check == "differing" and not each.passed for each in found.values())


def test_a_lost_row_is_found_by_identity_and_by_the_metrics(layers):
    lost = []
    change_rows(layers, VIEWS, lambda rows: lost.append(rows[3]) or rows[:3] + rows[4:])
    found = audited(layers)
    assert found["lost", LAYERS].is_error
    assert found["lost", LAYERS].detail.endswith(f": {', '.join(copies_of(lost[0]))}")
    assert {("explained", LAYERS), ("curated_counts", "gold.activity")} <= failed(found)


def copies_of(row):
    """Return the message ids of all copies of an event."""
    needle = f'"{row["event_id"]}"'.encode()
    return sorted(each.message_id for each in messages() if needle in each.payload)


def test_an_invented_row_is_found(layers):
    def invent(rows):
        return [*rows, {**rows[0], "event_id": "nobody", "message_id": "none"}]

    change_rows(layers, VIEWS, invent)
    found = audited(layers)
    assert found["invented", LAYERS].detail.endswith(": nobody")
    assert found["invented", LAYERS].is_error
    assert ("curated_counts", "gold.activity") in failed(found)


def test_a_doubled_row_is_a_warning_since_views_show_it_once(layers):
    change_rows(layers, VIEWS, lambda rows: [*rows, rows[0], rows[1], rows[2]])
    found = audited(layers)
    assert not failed(found)
    assert found["doubled", LAYERS].value == 3
    assert not found["stored_once", VIEWS].passed


def test_a_conflict_without_its_record_is_no_explanation(layers):
    change_quarantine = [path for path in (layers / "quarantine").rglob("*") if path.is_file()]
    for path in change_quarantine:
        path.unlink()
    found = audited(layers)
    assert found["other_content", LAYERS].is_error
    assert found["lost", LAYERS].is_error
    assert found["explained", LAYERS].value > 1


def test_copies_that_two_runs_kept_are_listed(layers):
    def keep_another(rows):
        other = {**rows[0], "content_digest": "ff" * 16, "message_id": "another"}
        return [*rows, {**other, "publish_time": "2020-01-01T00:00:00Z"}]

    change_rows(layers, VIEWS, keep_another)
    found = audited(layers)
    assert found["differing", LAYERS].value == 1
    assert found["differing", LAYERS].severity == "warn"
    assert not found["differing", LAYERS].passed


def test_a_message_that_came_too_late_for_the_jobs_is_lost(layers):
    late = messages()[0]
    missed = type(late)(late.payload.replace(b'"event_id":"', b'"event_id":"x'), late.attributes,
                        "missed", late.publish_time)  # fmt: skip
    put(layers / "archive", [missed])
    assert audited(layers)["lost", LAYERS].detail.endswith(": missed")


def test_findings_are_rows_and_a_table_in_the_terminal(layers, capsys):
    assert main(audit_arguments(layers, "--run_id=r1", "--now=2026-06-01T00:00:00Z")) == 0
    shown = capsys.readouterr().out.splitlines()
    [(_, content)] = read_objects(str(layers / "rows" / "ops.audit"), ".ndjson")
    rows = [json.loads(line) for line in content.splitlines()]
    assert len(rows) == len(shown) - 2
    assert {row["run"] for row in rows} == {"r1"}
    assert {row["checked_at"] for row in rows} == {"2026-06-01T00:00:00.000000Z"}
    assert len({(row["check"], row["table"]) for row in rows}) == len(rows)
    assert shown[-1].endswith(" 0 failed")


def test_a_pane_of_any_length_that_counts_otherwise_is_found_and_its_window_named(layers):
    changed = []

    def count_one_more(rows):
        place = next(n for n, row in enumerate(rows) if row["window"] == "5m")
        changed.append(rows[place])
        rows[place] = {**rows[place], "event_count": rows[place]["event_count"] + 1}
        return rows

    change_rows(layers, "ops.panes_activity", count_one_more)
    found = audited(layers)
    assert failed(found) == {("curated_counts", "gold.activity/5m")}
    detail = found["curated_counts", "gold.activity/5m"].detail
    start = format_rfc3339(parse_rfc3339(changed[0]["window_start"]))
    assert f"windows of 5m; differing: {start} (" in detail


@pytest.mark.parametrize(
    ("table", "change"),
    [
        (VIEWS, {"content_digest": "zz"}),
        (VIEWS, {"event_timestamp": "soon"}),
        (VIEWS, {"event_id": None}),
        ("ops.panes_activity", {"window_start": "2026-13-01T00:00:00Z"}),
        ("ops.panes_activity", {"event_count": "many"}),
        ("ops.recomputed", {"generation": None}),
    ],
)
def test_a_row_that_no_job_can_have_written_is_a_line_that_names_its_file(
    layers, capsys, table, change
):
    change_rows(layers, table, lambda rows: [*rows[:-1], {**rows[-1], **change}])
    assert main(audit_arguments(layers)) == 1
    out, err = capsys.readouterr()
    assert f"rows/{table}/0.ndjson: holds a line that no job wrote" in err
    assert err.count("\n") == 1
    assert not out


def test_an_error_is_a_status_and_a_line(layers, capsys):
    change_rows(layers, VIEWS, lambda rows: rows[1:])
    assert main(audit_arguments(layers)) == 1
    out, err = capsys.readouterr()
    assert "ERROR  lost" in out
    assert "checks of severity error failed" in err


def test_the_same_audit_again_writes_nothing_new(layers):
    again = ("--run_id=r1", "--now=2026-06-01T00:00:00Z")
    audited(layers, *again)
    audited(layers, *again)
    assert len(list((layers / "rows" / "ops.audit").iterdir())) == 1


def test_the_job_keeps_the_same_rows_and_fails_where_the_command_does(layers, capsys):
    again = ("--run_id=r1", "--now=2026-06-01T00:00:00Z")
    assert JOB.main(audit_arguments(layers, *again)) == 0
    assert not capsys.readouterr().out
    audited(layers, *again)
    assert len(list((layers / "rows" / "ops.audit").iterdir())) == 1
    change_rows(layers, VIEWS, lambda rows: rows[1:])
    assert JOB.main(audit_arguments(layers, "--run_id=r2")) == 1
    assert "checks of severity error failed; ops.audit has them" in capsys.readouterr().err
    assert len(list((layers / "rows" / "ops.audit").iterdir())) == 2


def test_metrics_that_nobody_measured_are_said_to_be_so(layers):
    for path in (layers / "rows" / "ops.panes_activity").iterdir():
        path.unlink()
    found = audited(layers)["curated_counts", "gold.activity"]
    assert (found.passed, found.severity, found.detail) == (
        False, "warn", "no panes of it are there",
    )  # fmt: skip


def test_no_value_of_an_event_is_in_a_finding(layers):
    taken = []
    change_rows(layers, VIEWS, lambda rows: taken.extend(rows[:5]) or rows[5:])
    found = audited(layers)
    told = " ".join(each.detail for each in found.values())
    assert taken[0]["event_id"] not in told
    assert all(id_ in told for row in taken for id_ in copies_of(row))
    # The ids of users in the archive are no pseudonyms.
    users = {json.loads(each.payload)["user_id"] for each in messages() if lost_of(each, taken)}
    assert users
    assert not [user for user in users if user in told]


def lost_of(message, taken):
    return any(f'"{row["event_id"]}"'.encode() in message.payload for row in taken)


@pytest.mark.parametrize(
    ("place", "name", "said"),
    [
        ("quarantine/step=Decode/dt=2026-01-01", "x.avro", "is no Avro object"),
        (f"rows/{VIEWS}", "x.ndjson", "holds a line that no job wrote"),
        ("late/dt=2026-01-01", "x.ndjson", "holds a line that no job wrote"),
    ],
)
def test_what_is_damaged_is_named(layers, capsys, place, name, said):
    (layers / place).mkdir(parents=True, exist_ok=True)
    (layers / place / name).write_bytes(b"{broken")
    assert main(audit_arguments(layers, f"--late={layers / 'late'}")) == 1
    err = capsys.readouterr().err
    assert f"{place}/{name}: " in err
    assert said in err


def test_a_late_event_without_a_row_is_explained_by_the_late_folder(layers):
    lost = []
    change_rows(layers, VIEWS, lambda rows: lost.append(rows[3]) or rows[:3] + rows[4:])
    (layers / "late").mkdir()
    line = json.dumps({"event_id": lost[0]["event_id"], "event_type": "page_view"})
    (layers / "late" / "x.ndjson").write_text(f"{line}\n")
    found = audited(layers, f"--late={layers / 'late'}")
    assert found["lost", LAYERS].passed
    assert f" {len(copies_of(lost[0]))} late " in found["explained", LAYERS].detail


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--rows="], "exactly one of the two"),
        (["--bigquery_project=penstock-local"], "exactly one of the two"),
        (["--dataset_prefix=dev_"], "--dataset_prefix goes with --bigquery_project"),
        (["--source=other"], "--source=other: not in"),
        ([f"--from={format_rfc3339(END)}"], "is not before"),
        ([f"--to={format_rfc3339(START + 100 * DAY)}"], "is complete up to: "),
        (["--quality=nowhere"], "no quality file"),
        (["--quarantine=ftp://x/y"], "--quarantine: path"),
    ],
)
def test_what_cannot_be_audited_is_one_line(made, capsys, more, said):
    name = more[0].partition("=")[0]
    usual = [each for each in audit_arguments(made) if not each.startswith(f"{name}=")]
    if name == "--bigquery_project":
        usual.append(f"--rows={made / 'rows'}")
    assert main(list(dict.fromkeys([*usual, *more]))) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.count("\n") == 1
    assert not out


def test_all_sources_of_an_archive_are_audited_unless_one_is_named(layers):
    other = messages()[0]
    alone = type(other)(b"{", {}, "of-another-source", other.publish_time)
    put(layers / "archive", [alone], source="second")
    complete(layers / "archive", END + 1, source="second")
    assert audited(layers)["lost", "archive/events, second"].detail.endswith(": of-another-source")
    assert audited(layers, "--source=events")["lost", LAYERS].passed


def test_jobs_that_read_the_lines_of_files_are_audited_too(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    lines = tmp_path / "events.ndjson"
    write_lines(generate(Plan(events=400, seed=5, lines=True), SHIPPED), lines)
    noon = "2025-03-06T12:00:00Z"
    into = [f"--archive_output={tmp_path / 'archive'}", "--source=files"]
    assert archive_raw.main([f"--input_files={lines}", *into, f"--now={noon}"]) == 0
    sinks = [f"--rows_output={tmp_path / 'rows'}", f"--quarantine_output={tmp_path / 'quarantine'}"]
    key = f"--pseudonym_key=env:{KEY_VARIABLE}"
    assert curate_events.main([f"--input_files={lines}", *sinks, key, f"--now={noon}"]) == 0
    complete(tmp_path / "archive", START + 30 * DAY, "files")
    found = audited(tmp_path, f"--to={format_rfc3339(START + 30 * DAY)}")
    assert not failed(found)
    said = found["explained", "archive/files"].detail
    assert "refused as id_conflict" in said
    assert "refused as not_" in said


def test_an_archive_without_a_marker_is_not_audited(tmp_path, capsys):
    root = archived(tmp_path)
    next(root.rglob("_complete.json")).unlink()
    assert main(audit_arguments(tmp_path)) == 2
    assert "nothing says" in capsys.readouterr().err
