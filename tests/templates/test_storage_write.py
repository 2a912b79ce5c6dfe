"""Launches with the Storage Write API, whose Java half an expansion service makes.

What this cannot show: that Dataflow takes a graph of two languages, and what workers make of it.
The service is of an older Beam than the suite's, as is the one in the image.
"""

import json
from importlib import import_module
from unittest import mock

import pytest
from apache_beam.portability.api import beam_runner_api_pb2, schema_pb2
from google.cloud import secretmanager

from pipelines.options import parse_options
from tests.pipelines.graphs import steps
from tests.templates.in_the_image import SecretManager
from tests.templates.launches import (
    GOLDEN,
    KEY,
    PROJECT,
    SECRET,
    SUBSCRIPTION,
    everything_in,
    launcher_arguments,
    template_of,
)

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("storage_write")]

CONTRACTS = f"--contracts={GOLDEN / 'hot_path' / 'contracts'}"
COMMON = [
    SUBSCRIPTION,
    f"--bigquery_project={PROJECT}",
    "--dataset_prefix=dev_",
    "--write_method=storage",
    "--quarantine_output=gs://bucket/refused",
    CONTRACTS,
    KEY,
]
LAUNCHES = {
    "curate_events": COMMON,
    "window_metrics": [
        *COMMON,
        f"--metrics={GOLDEN / 'window_metrics' / 'metrics'}",
        "--late_output=gs://bucket/late",
    ],
}
SINK = "/beam:schematransform:org.apache.beam:bigquery_storage_write:v2"
AT_LEAST_ONCE = f"{SINK}/BigQueryIO.Write/StorageApiLoads/StorageApiWriteInconsistent/Write Records"
ROW_CODER = "beam:coder:row:v1"
PLAIN = {
    "STRING": "STRING",
    "DATE": "STRING",
    "JSON": "STRING",
    "BYTES": "BYTES",
    "INTEGER": "INT64",
    "FLOAT": "DOUBLE",
    "BOOLEAN": "BOOLEAN",
    "TIMESTAMP": "beam:logical_type:micros_instant:v1",
    "NUMERIC": "beam:logical_type:decimal:v1",
}


def launched(pipeline, bucket, *more):
    """Launch a pipeline as a template's launcher does; return the exit status and the tables."""
    job = import_module(f"pipelines.{pipeline}").JOB
    own = [*LAUNCHES[pipeline], *more]
    # Beam opens a channel to Dataflow although a template is only written.
    argv = [*own, *launcher_arguments(pipeline, bucket), "--dataflow_endpoint=http://localhost:1"]
    secrets = SecretManager(SECRET.encode())
    with mock.patch.object(secretmanager, "SecretManagerServiceClient", secrets):
        tables = job.configure(parse_options(own, job.options, job.usage)).tables
        return job.main(argv), {each.full_name: each for each in tables}


def graph_in(pipeline, bucket):
    written = everything_in(bucket)
    request = json.loads(written[template_of(pipeline, bucket)])
    graph = written[request["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"]]
    return beam_runner_api_pb2.Pipeline.FromString(graph)


def sinks_of(graph):
    """Return the composites that are the Java sinks, by label."""
    steps_ = graph.components.transforms.values()
    return {step.unique_name: step for step in steps_ if step.unique_name.endswith(SINK)}


def table_of(label):
    return label.partition("/AppendRows/Append ")[2].partition("/")[0]


def rows_into(graph, sink):
    """Return the schema of the rows that a sink takes."""
    (taken,) = sink.inputs.values()
    components = graph.components
    coder = components.coders[components.pcollections[taken].coder_id]
    assert coder.spec.urn == ROW_CODER
    return schema_pb2.Schema.FromString(coder.spec.payload)


def spelled(schema):
    return {field.name: (_kind(field.type), field.type.nullable) for field in schema.fields}


def _kind(found):
    which = found.WhichOneof("type_info")
    if which == "atomic_type":
        return schema_pb2.AtomicType.Name(found.atomic_type)
    if which in ("array_type", "iterable_type"):
        return [_kind(getattr(found, which).element_type)]
    if which == "row_type":
        return spelled(found.row_type.schema)
    return found.logical_type.urn


def wanted(columns):
    """Spell out what the rows of a table have to be, from the columns that BigQuery is told."""
    return {column["name"]: _wanted(column) for column in columns}


def _wanted(column):
    kind = wanted(column["fields"]) if column["type"] == "RECORD" else PLAIN[column["type"]]
    mode = column.get("mode", "NULLABLE")
    return ([kind], False) if mode == "REPEATED" else (kind, mode == "NULLABLE")


@pytest.mark.parametrize("pipeline", LAUNCHES)
def test_storage_write_expands_to_its_at_least_once_sink_for_each_table_and_nothing_else(
    pipeline, expansion_service, gcs_emulator
):
    bucket = f"gs://{gcs_emulator.bucket()}"
    status, tables = launched(pipeline, bucket, f"--expansion_service={expansion_service}")
    assert status == 0
    graph = graph_in(pipeline, bucket)
    sinks = sinks_of(graph)
    assert {table_of(label) for label in sinks} == set(tables)
    labels = {label for label, _ in steps(graph)}
    kept = GOLDEN / "templates" / f"labels_storage_{pipeline}.txt"
    assert labels == set(kept.read_text().splitlines())
    for label, sink in sinks.items():
        base = label.removesuffix(SINK)
        assert f"{base}{AT_LEAST_ONCE}" in labels
        told = spelled(rows_into(graph, sink))
        assert told == wanted(tables[table_of(label)].schema()), label
    environments = graph.components.environments
    java = {key for key, each in environments.items() if b"_java" in each.payload}
    images = {environments[key].payload.decode().strip() for key in java}
    assert [image.rpartition("/")[2] for image in images] == ["beam_java17_sdk:2.73.0"]
    assert len(environments) == len(java) + 1
    for step in graph.components.transforms.values():
        if step.environment_id in java:
            assert any(step.unique_name.startswith(label) for label in sinks), step.unique_name


def test_without_java_the_launch_ends_in_one_line_that_says_what_to_install(
    gcs_emulator, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    bucket = f"gs://{gcs_emulator.bucket()}"
    status, _ = launched("curate_events", bucket)
    assert status == 2
    assert capsys.readouterr().err == (
        "--write_method=storage: its sink is expanded by Java, and there is no java here; install"
        " a Java runtime (11 or newer), or name a service that runs in"
        " --expansion_service=HOST:PORT, or choose another --write_method\n"
    )
    assert not everything_in(bucket)
