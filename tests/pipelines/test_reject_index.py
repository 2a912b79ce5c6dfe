"""The index of what was refused: a row for each record of the quarantine, without its bytes."""

import json

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.counters import counters_of
from pipelines.quarantine import index_and_quarantine
from schemas.events import RawEvent
from schemas.ops_tables import QUARANTINE
from schemas.quarantine_avro import identity
from schemas.refused_rows import TABLE_ATTRIBUTE
from schemas.reject_rows import reject_row
from schemas.rejected import Reason, Rejected, reject
from schemas.row_check import row_problem
from schemas.row_sink import RowSink
from schemas.table_names import Datasets
from tests.fake_bigquery import FakeBigQuery, invalid, serving
from tests.pipelines import curate_runs, window_runs
from tests.pipelines.curate_runs import lines_of, rows_of
from tests.pipelines.hot_path_runs import KEY, KEY_VARIABLE
from transforms.quarantine import Quarantine, read_quarantine

pytestmark = pytest.mark.engine


def curated(folder):
    done = curate_runs.run(curate_runs.arguments(folder), folder)
    return done.rejected, done.counters


def measured(folder):
    done = window_runs.run(window_runs.golden_arguments(folder), folder)
    return done.rejected, done.counters


@pytest.mark.parametrize("run", [curated, measured])
def test_each_record_of_the_quarantine_has_a_row_of_its_identity(tmp_path, monkeypatch, run):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    rejected, counters = run(tmp_path)
    lines = lines_of(tmp_path / "rows", index=True)
    rows = {row["identity"]: row for row in rows_of(lines, QUARANTINE.full_name)}
    assert set(rows) == {identity(record).hex() for record in rejected}
    for record in rejected:
        row = rows[identity(record).hex()]
        told = (row["step"], row["reason"], row["bytes"], row.get("job", ""))
        assert told == (record.step, record.reason, len(record.payload), record.job)
    assert counters["index_rows"] == counters["index_rows_written"] == counters["quarantined"]
    assert counters["rows"] == len(lines) - counters["index_rows"]


def test_a_row_fits_its_table_and_holds_no_byte_of_the_message():
    raw = RawEvent(b'{"secret": 1}', {"from": "secret"}, "m7", 5)
    record = reject(raw, "Decode", Reason.MISSING_FIELD, "event_id: missing", 10**18)
    pack = reject_row(record)
    [row] = pack.rows
    assert row_problem(row, QUARANTINE.schema()) == ""
    assert b"secret" not in row
    assert pack.ids == [json.loads(row)["identity"]]
    assert json.loads(row)["message_id"] == "m7"
    # No time of BigQuery's.
    assert "event_time" not in json.loads(row)
    assert reject_row(record).rows == pack.rows
    bare = Rejected("Decode", "not_json", "", b"", {}, "", "", None, None)
    assert row_problem(reject_row(bare).rows[0], QUARANTINE.schema()) == ""


def test_a_row_that_the_table_refuses_is_kept_and_is_not_indexed_again(tmp_path, monkeypatch):
    def refuse(_fake, rows):
        wrong = (n for n, row in enumerate(rows) if row["json"].get("message_id") == "m1")
        return {place: invalid("bytes") for place in wrong}

    fake = FakeBigQuery(refuse)
    records = [
        reject(RawEvent(b"{", {}, f"m{n}", 5), "Decode", Reason.NOT_JSON, "payload") for n in (0, 1)
    ]
    sink = RowSink.inserts(Datasets("my-project", ""))
    with serving(fake) as address:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", address)
        pipeline = beam.Pipeline(runner=FnApiRunner())
        rejected = pipeline | beam.Create(records).with_output_types(Rejected)
        index_and_quarantine(rejected, sink, Quarantine(str(tmp_path)))
        result = pipeline.run()
        result.wait_until_finish()
    kept = list(read_quarantine(str(tmp_path)))
    assert len(kept) == 3
    [refused] = [record for record in kept if record.reason == "row_refused"]
    assert refused.attributes[TABLE_ATTRIBUTE] == QUARANTINE.full_name
    assert [row["message_id"] for [row] in fake.rows.values()] == ["m0"]
    counters = counters_of(result)
    assert (counters["index_rows"], counters["index_rows_written"]) == (2, 1)
    assert counters["index_rows_refused"] == 1
    assert "rows" not in counters
