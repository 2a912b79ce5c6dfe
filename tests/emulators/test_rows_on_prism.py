"""Rows of a stream on Prism are inserted, refused and counted; those of a job that ends, loaded."""

import json

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.counters import counters_of
from pipelines.on_prism import on_prism
from schemas.row_packs import RowPack
from schemas.row_sink import RowSink
from tests.emulators.test_sinks_on_prism import COUNT, Count
from tests.emulators.test_write_rows import Place, packs, row
from transforms.quarantine import Quarantine, read_quarantine
from transforms.write_rows import WriteRows


def pack_of(number):
    made = {**row(number), "unknown": 1} if number % 100 == 7 else row(number)
    return RowPack("silver_product.lesson", [json.dumps(made).encode()], [f"i{number}"])


def pipeline_on(prism_binary, *, streaming):
    options = PipelineOptions(
        runner="PrismRunner",
        prism_location=str(prism_binary),
        environment_type="LOOPBACK",
        streaming=streaming,
    )
    return beam.Pipeline(options=options)


def ran(pipeline):
    with on_prism(pipeline.options):
        result = pipeline.run()
        result.wait_until_finish()
    return result


def test_a_stream_inserts_every_row_or_refuses_it(bigquery_emulator, gcs_emulator, prism_binary):
    place = Place(bigquery_emulator, gcs_emulator)
    bucket = f"gs://{gcs_emulator.bucket()}"
    pipeline = pipeline_on(prism_binary, streaming=True)
    numbers = pipeline | beam.Create(["all"]) | beam.ParDo(Count()).with_output_types(int)
    rows = numbers | "Row" >> beam.Map(pack_of).with_output_types(RowPack)
    written = rows | WriteRows(RowSink.inserts(place.datasets))
    _ = written.rejected | Quarantine(f"{bucket}/quarantine", job="prism")
    result = ran(pipeline)
    assert [each["n"] for each in place.rows()] == [n for n in range(COUNT) if n % 100 != 7]
    refused = [*read_quarantine(f"{bucket}/quarantine")]
    assert sorted(json.loads(each.payload)["n"] for each in refused) == [7, 107, 207]
    counted = counters_of(result)
    assert (counted["rows"], counted["rows_written"], counted["rows_refused"]) == (
        COUNT,
        COUNT - 3,
        3,
    )


def test_what_ends_is_loaded_once(bigquery_emulator, gcs_emulator, prism_binary):
    place = Place(bigquery_emulator, gcs_emulator)
    rows = [*map(row, range(50))]
    pipeline = pipeline_on(prism_binary, streaming=False)
    _ = pipeline | beam.Create(packs(rows)) | WriteRows(place.load())
    result = ran(pipeline)
    assert [each["n"] for each in place.rows()] == list(range(50))
    assert counters_of(result)["rows_written"] == 50
    assert place.staged() == []
