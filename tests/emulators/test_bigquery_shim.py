"""Beam's own sink reaches the local emulator."""

import apache_beam as beam
from apache_beam.io.gcp.bigquery import WriteToBigQuery
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from google.cloud import bigquery

from local.bigquery_shim import beam_bigquery


def test_beams_streaming_inserts_reach_the_emulator(bigquery_emulator):
    dataset, project = bigquery_emulator.dataset(), bigquery_emulator.project
    table = f"{project}.{dataset}.events"
    bigquery_emulator.client.create_table(
        bigquery.Table(table, [bigquery.SchemaField("id", "STRING")])
    )
    with (
        beam_bigquery(bigquery_emulator.address, project),
        beam.Pipeline(runner=FnApiRunner()) as pipeline,
    ):
        _ = (
            pipeline
            | beam.Create([{"id": "a"}, {"id": "b"}])
            | WriteToBigQuery(
                table.replace(".", ":", 1),
                create_disposition="CREATE_NEVER",
                method=WriteToBigQuery.Method.STREAMING_INSERTS,
            )
        )
    found = bigquery_emulator.client.query(f"SELECT id FROM `{table}` ORDER BY id").result()
    assert [row["id"] for row in found] == ["a", "b"]
