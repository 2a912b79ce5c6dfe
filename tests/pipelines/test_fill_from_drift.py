"""A contract that gains a field, on files: curate, change the contract, fill."""

import json
import shutil

import pytest

from pipelines.curate_events import main as curate
from pipelines.fill_from_drift import main
from tests.pipelines.curate_runs import EVENTS, HOT_PATH, arguments, lines_of, rows_of
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from transforms.quarantine import read_quarantine

pytestmark = pytest.mark.engine

REFERRER = {
    "name": "referrer", "default": None, "doc": "Where from.",
    "type": ["null", {"type": "record", "name": "R", "fields": [
        {"name": "host", "type": ["null", "string"], "default": None, "pii": "pseudonymise"}]}],
}  # fmt: skip


@pytest.fixture(scope="module")
def curated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("curated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, KEY)
        assert curate(arguments(folder)) == 0
    return folder / "rows"


@pytest.fixture(autouse=True)
def rows(curated, tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    shutil.copytree(curated, tmp_path / "rows")


def gained(folder, field=REFERRER):
    """Return a folder of contracts of which one has a field more."""
    contracts = folder / "contracts"
    shutil.copytree(HOT_PATH / "contracts", contracts)
    file = next(contracts.rglob("visit.avsc"))
    spec = json.loads(file.read_text())
    file.write_text(json.dumps({**spec, "fields": [*spec["fields"], field]}))
    return contracts


def filling(folder, contracts, *more):
    return [
        f"--rows_input={folder / 'rows'}",
        f"--rows_output={folder / 'filled'}",
        f"--quarantine_output={folder / 'refused'}",
        f"--contracts={contracts}",
        f"--pseudonym_key=env:{KEY_VARIABLE}",
        "--now=2026-02-01T00:00:00Z",
        *more,
    ]


def test_a_row_is_filled_as_if_the_contract_had_known_the_field_when_it_came(tmp_path):
    contracts = gained(tmp_path)
    counters = tmp_path / "counters.json"
    asked = ("--event_type=visit", "--from=2026-01-05", "--to=2026-01-05T10:00:00.000401Z")
    assert main(filling(tmp_path, contracts, f"--counters_output={counters}", *asked)) == 0
    [filled] = rows_of(lines_of(tmp_path / "filled"), "silver_shop.visit")
    assert filled["event_id"] == "e8"
    assert filled["event_details"]["referrer"]["host"].startswith("2026.")
    assert "unknown_fields" not in filled
    again = tmp_path / "again"
    argv = arguments(again, EVENTS, "--now=2026-02-01T00:00:00Z")
    argv = [one for one in argv if "contracts" not in one and "2026-01-06" not in one]
    assert curate([*argv, f"--contracts={contracts}"]) == 0
    [anew] = [row for row in rows_of(lines_of(again / "rows")) if row["event_id"] == "e8"]
    of_the_run = {"content_digest", "ingest_time"}
    assert {n: v for n, v in filled.items() if n not in of_the_run} == {
        name: value for name, value in anew.items() if name not in of_the_run
    }
    told = json.loads(counters.read_text())
    assert (told["filled"], told["rows_read"], told["rows_written"]) == (1, 1, 1)


def test_the_same_run_again_writes_the_same_object(tmp_path):
    argv = filling(tmp_path, gained(tmp_path))
    assert main(argv) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "filled").rglob("*.ndjson")}
    assert main(argv) == 0
    assert {path: path.read_bytes() for path in (tmp_path / "filled").rglob("*.ndjson")} == before


def test_events_that_are_not_asked_for_are_not_filled(tmp_path):
    assert main(filling(tmp_path, gained(tmp_path), "--to=2026-01-05T10:00:00.0004Z")) == 0
    assert lines_of(tmp_path / "filled") == []


def test_contracts_that_know_no_more_fill_nothing(tmp_path):
    assert main(filling(tmp_path, HOT_PATH / "contracts")) == 0
    assert lines_of(tmp_path / "filled") == []


def test_a_value_that_does_not_fit_is_kept_in_the_quarantine_and_its_row_stays(tmp_path):
    number = {"name": "referrer", "type": ["null", "long"], "default": None, "doc": "A number."}
    assert main(filling(tmp_path, gained(tmp_path, number))) == 0
    [refused] = read_quarantine(str(tmp_path / "refused"))
    assert (refused.step, refused.reason) == ("FillFromDrift", "row_refused")
    assert "event_details.referrer: expected int" in refused.detail
    assert json.loads(refused.payload)["event_id"] == "e8"
    assert lines_of(tmp_path / "filled") == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"rows_input": ""}, "--rows_input and --bigquery_project: name exactly one"),
        ({"bigquery_project": "my-project"}, "--rows_input and --bigquery_project: name exactly"),
        (
            {"rows_input": "", "bigquery_project": "my-project"},
            "--rows_output goes with --rows_input",
        ),
        ({"write_method": "load"}, "--write_method goes with --bigquery_project"),
        (
            {"rows_input": "", "rows_output": "", "bigquery_project": "my-project"},
            "--staging is missing",
        ),
        ({"event_type": "visits"}, "--event_type=visits: no such contract; there are order, visit"),
        ({"from": "2026-13-01"}, "--from=2026-13-01T00:00:00Z: write an RFC 3339 time"),
        ({"from": "2026-01-02", "to": "2026-01-02"}, "--to=2026-01-02: give a time after --from="),
        ({"rows_input": "/nowhere"}, "--rows_input: "),
        ({"rows_output": ""}, "--rows_output is missing"),
        ({"quarantine_output": ""}, "--quarantine_output is missing"),
        ({"pseudonym_key": ""}, "--pseudonym_key"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path, capsys, changed, words):
    given = dict(one[2:].split("=", 1) for one in filling(tmp_path, HOT_PATH / "contracts"))
    assert main([f"--{name}={value}" for name, value in {**given, **changed}.items()]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert len(told.strip().splitlines()) == 1


def test_filled_rows_do_not_go_where_the_others_are(tmp_path, capsys):
    argv = filling(tmp_path, HOT_PATH / "contracts")
    argv[1] = f"--rows_output={tmp_path / 'rows'}"
    assert main(argv) == 2
    assert "filled rows go elsewhere" in capsys.readouterr().err
