"""Where rows go is told by a few options, and what contradicts itself is one line."""

from types import SimpleNamespace

import pytest

from pipelines import row_options
from pipelines.options import UsageError
from pipelines.row_options import ROWS, check_rows, row_sink
from schemas.credentials import CredentialsError
from schemas.row_sink import RowSink
from schemas.table_names import Datasets
from schemas.tables import Column, Table
from tests.fake_bigquery import FakeBigQuery, serving
from tests.no_credentials import forget_credentials

TABLE = Table("ops", "late", "", (Column("event_id", "STRING"),), key=("event_id",))
BIGQUERY = {"bigquery_project": "my-project"}


def sink_of(bounded=True, tables=(TABLE,), **given):
    options = SimpleNamespace(**{**dict.fromkeys(ROWS), **given})
    return row_sink(options, tables, bounded=bounded, now=5, run="r1")


def test_a_folder_takes_the_rows_as_files(tmp_path):
    assert sink_of(rows_output=str(tmp_path)) == RowSink.files(str(tmp_path))


def test_what_ends_is_loaded_and_a_stream_is_inserted_unless_told_otherwise():
    loaded = sink_of(**BIGQUERY, staging="gs://b/s", dataset_prefix="dev_")
    assert (loaded.method, loaded.staging, loaded.run) == ("load", "gs://b/s", "r1")
    assert loaded.expires == 2 * 86_400_000_000 + 5
    assert loaded.full_name("ops.late") == "my-project.dev_ops.late"
    assert list(loaded.rules) == ["ops.late"]
    assert sink_of(bounded=False, **BIGQUERY).method == "inserts"
    assert sink_of(**BIGQUERY, write_method="inserts").method == "inserts"
    stored = sink_of(**BIGQUERY, write_method="storage", expansion_service="java.internal:8097")
    assert (list(stored.columns), stored.expansion_service) == (["ops.late"], "java.internal:8097")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "--rows_output and --bigquery_project: name exactly one of the two"),
        ({"rows_output": "r", **BIGQUERY}, "name exactly one of the two"),
        ({"bigquery_project": "P!"}, "--bigquery_project: 'P!' is no project"),
        ({**BIGQUERY, "dataset_prefix": "a-b"}, "'a-b' is no prefix"),
        ({**BIGQUERY}, "--staging is missing"),
        ({**BIGQUERY, "staging": "/local"}, "--staging=/local: BigQuery loads from Cloud Storage"),
        ({**BIGQUERY, "staging": "s3://b"}, "--staging: "),
        ({**BIGQUERY, "write_method": "inserts", "staging": "gs://b/s"}, "--staging goes with"),
        (
            {**BIGQUERY, "write_method": "inserts", "expansion_service": "localhost:8097"},
            "--expansion_service goes with --write_method=storage, not with inserts",
        ),
        (
            {**BIGQUERY, "write_method": "storage", "expansion_service": "/a.jar"},
            "--expansion_service=/a.jar: write HOST:PORT",
        ),
        ({**BIGQUERY, "write_method": "magic"}, "--write_method=magic"),
        ({**BIGQUERY, "write_method": "load", "bounded": False}, "a stream has no end"),
        (
            {**BIGQUERY, "staging": "gs://b/s", "tables": [Table("ops", "x", "", ())]},
            "ops.x: no key tells its rows apart",
        ),
    ],
)
def test_what_cannot_be_is_told_in_one_line(given, told):
    with pytest.raises(UsageError) as raised:
        sink_of(**given)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_folder_that_cannot_be_written_is_told_at_the_launch(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--rows_output="):
        check_rows(RowSink.files(str(tmp_path / "file")), [TABLE], "FnApiRunner")
    check_rows(RowSink.files(str(tmp_path / "new")), [TABLE], "FnApiRunner")


def test_without_credentials_bigquery_is_refused_unless_another_machine_writes(
    monkeypatch, tmp_path
):
    forget_credentials(monkeypatch, tmp_path)
    sink = RowSink.inserts(Datasets("my-project"))
    with pytest.raises(CredentialsError, match="BIGQUERY_EMULATOR_HOST"):
        check_rows(sink, [TABLE], "FnApiRunner")
    check_rows(sink, [TABLE], "DataflowRunner")


def test_what_only_dataflow_can_do_is_refused_before_anything_is_fetched():
    sink = sink_of(**BIGQUERY, write_method="storage")
    with pytest.raises(UsageError, match=r"--write_method=storage: .* use load or inserts"):
        check_rows(sink, [TABLE], "FnApiRunner")
    check_rows(sink, [TABLE], "DataflowRunner")


def test_a_table_that_is_missing_is_told_at_the_launch(monkeypatch):
    with serving(FakeBigQuery(kind="")) as address:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", address)
        with pytest.raises(UsageError, match=r"no such table: my-project\.ops\.late") as raised:
            check_rows(RowSink.inserts(Datasets("my-project")), [TABLE], "FnApiRunner")
        sink = RowSink.inserts(Datasets("my-project", "dev_"))
        declared = {"contracts": "gs://b/my contracts", "metrics": None}
        with pytest.raises(UsageError) as named:
            check_rows(sink, [TABLE], "FnApiRunner", declared)
    assert "`penstock tables create --project=my-project`" in str(raised.value)
    command = "--project=my-project --prefix=dev_ '--contracts=gs://b/my contracts'` makes it"
    assert str(named.value).endswith(f"`penstock tables create {command}")


def test_a_bucket_that_is_missing_is_told_at_the_launch(monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://localhost:1")
    monkeypatch.setattr(row_options, "has_bucket", lambda place: place == "gs://there/s")
    with pytest.raises(UsageError) as raised:
        check_rows(sink_of(**BIGQUERY, staging="gs://not/s"), [TABLE], "FnApiRunner")
    assert str(raised.value) == (
        "--staging=gs://not/s: no such bucket; create it, in the location of the tables"
    )
    # Nothing is asked where another machine writes.
    check_rows(sink_of(**BIGQUERY, staging="gs://not/s"), [TABLE], "DataflowRunner")
