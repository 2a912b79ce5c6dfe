"""Rows go where the sink says, and each method refuses what it cannot do."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import apache_beam as beam
import pytest
from apache_beam.io.gcp import bigquery as beam_bigquery
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream

from schemas.events import RawEvent
from schemas.packs import RawPack
from schemas.row_packs import RowPack
from schemas.row_sink import RowSink, merge_rule
from schemas.table_names import Datasets
from schemas.tables import Column, Table, TableError
from tests.engine import run_batch
from transforms import append_rows
from transforms.append_rows import AppendRows, typed_row
from transforms.load_rows import LoadRows
from transforms.write_rows import WriteRows

LATE = Table(
    "ops",
    "late",
    "",
    (
        Column("event_id", "STRING", "REQUIRED"),
        Column("event_timestamp", "TIMESTAMP"),
        Column("day", "DATE"),
        Column("theta", "BYTES"),
        Column("price", "NUMERIC"),
        Column("items", "RECORD", "REPEATED", fields=(Column("n", "INTEGER"),)),
    ),
    "event_timestamp",
    key=("event_id",),
)
WHOLE = {
    "event_id": "E",
    "event_timestamp": "2026-01-31T12:00:00.000001Z",
    "day": "2026-01-31",
    "theta": "AP9o",
    "price": "1.25",
    "items": [{"n": "7"}],
}
DATASETS = Datasets("penstock-local", "dev_")


def any_pack(numbers, table="ops.late"):
    rows = [b'{"event_id":"e%d"}' % n for n in numbers]
    raws = RawPack.of([RawEvent(b"%d" % n) for n in numbers])
    return RowPack(table, rows, [f"i{n}" for n in numbers], raws)


@pytest.mark.engine
@pytest.mark.parametrize("bundle_repeat", [0, 1])
def test_files_hold_each_row_once_in_the_folder_of_its_table(tmp_path, bundle_repeat):
    packs = [any_pack(range(5)), any_pack(range(5, 8)), any_pack(range(3), "ops.drift")]

    def build(pipeline):
        rows = pipeline | beam.Create(packs, reshuffle=False)
        return (rows | WriteRows(RowSink.files(str(tmp_path))))._asdict()

    outcome = run_batch(build, bundle_repeat)
    found = {
        folder.name: sorted(
            line for path in folder.glob("*.ndjson") for line in path.read_text().splitlines()
        )
        for folder in Path(tmp_path).iterdir()
    }
    assert found == {
        "ops.late": [json.dumps({"event_id": f"e{n}"}, separators=(",", ":")) for n in range(8)],
        "ops.drift": [json.dumps({"event_id": f"e{n}"}, separators=(",", ":")) for n in range(3)],
    }
    assert outcome["rejected"] == []
    if not bundle_repeat:
        assert outcome.counters["rows"] == outcome.counters["rows_written"] == 11


def test_a_load_of_a_stream_is_refused_when_it_is_built():
    sink = RowSink.load(DATASETS, "gs://b/staging", [LATE], run="r", expires=0)
    pipeline = beam.Pipeline(options=PipelineOptions(["--streaming"]))
    stream = pipeline | TestStream() | beam.Map(lambda _: any_pack([1])).with_output_types(RowPack)
    with pytest.raises(ValueError, match="a stream has no end at which to merge"):
        _ = stream | WriteRows(sink)


def test_a_load_that_is_not_staged_in_a_bucket_is_refused():
    sink = RowSink.load(DATASETS, "/somewhere", [LATE], run="r", expires=0)
    with pytest.raises(ValueError, match="gs://BUCKET/FOLDER"):
        LoadRows(sink)


def test_rows_that_nothing_tells_apart_are_not_loaded():
    bare = Table("ops", "bare", "", (Column("n", "INTEGER"),))
    with pytest.raises(TableError, match=r"ops.bare: no key tells its rows apart"):
        merge_rule(bare)
    by_id = Table("ops", "panes", "", (Column("insert_id", "STRING", "REQUIRED"),))
    assert merge_rule(by_id).key == ("insert_id",)
    assert merge_rule(LATE).partition == "event_timestamp"


class Failed(NamedTuple):
    failed_row: Any
    error_message: str


class Appending(beam.PTransform):
    """Stands for what Java does in Beam's sink: takes Beam rows, and gives one back as failed."""

    made: ClassVar[list[dict]] = []

    def __init__(self, **named):
        super().__init__()
        self.made.append(named)

    def expand(self, rows):
        # As on the way to Java, rows are encoded by their schema.
        encoded = rows | beam.Reshuffle().with_output_types(rows.element_type)
        failed = encoded | beam.Filter(lambda row: row.event_id == "e1")
        told = failed | beam.Map(lambda row: Failed(row, "a value"))
        return {"FailedRowsWithErrors": told}


@pytest.mark.engine
@pytest.mark.parametrize("project", ["penstock-local", "example.com:my-project"])
def test_storage_hands_typed_rows_to_one_sink_a_table_and_takes_its_failed_rows(
    monkeypatch, project
):
    def external(**named):
        return Appending(**named)

    monkeypatch.setattr(beam_bigquery, "SchemaAwareExternalTransform", external)
    monkeypatch.setattr(append_rows, "expanding", lambda *_: nullcontext("localhost:1"))
    Appending.made.clear()
    row = json.dumps(WHOLE).replace("E", "e1").encode()
    unfit = any_pack([5, 6, 7])
    unfit.rows = [b'{"event_id":"e5","more":1}', b"{}", b'{"event_id":"e7","price":"x"}']
    packs = [any_pack([0, 2]), RowPack("ops.late", [row], ["i1"]), unfit]

    def build(pipeline):
        rows = pipeline | beam.Create(packs, reshuffle=False)
        sink = RowSink.storage(Datasets(project, "dev_"), [LATE])
        return (rows | WriteRows(sink))._asdict()

    outcome = run_batch(build)
    (made,) = Appending.made
    assert made["table"] == f"{project}:dev_ops.late"
    assert (made["create_disposition"], made["use_at_least_once_semantics"]) == (
        "CREATE_NEVER",
        True,
    )
    *before, rejected = sorted(outcome["rejected"], key=lambda each: each.payload)
    assert [each.payload for each in before] == [b"5", b"6", b"7"]
    shown = {**WHOLE, "event_id": "e1", "items": [{"n": 7}]}
    assert json.loads(rejected.payload) == shown
    assert rejected.attributes == {"bigquery_table": "ops.late"}
    assert rejected.detail == "ops.late: refused by the Storage Write API"
    assert outcome.counters["rows"] == 6


def test_rows_have_the_types_that_beams_sink_takes():
    typed = typed_row(WHOLE, LATE.schema())
    assert typed["event_timestamp"].micros == 1_769_860_800_000_001
    assert (typed["day"], typed["theta"], str(typed["price"])) == (
        "2026-01-31",
        b"\x00\xffh",
        "1.25",
    )
    assert typed["items"] == [{"n": 7}]


def test_storage_without_tables_is_refused():
    with pytest.raises(ValueError, match="name the tables"):
        AppendRows(RowSink.storage(DATASETS, []))
