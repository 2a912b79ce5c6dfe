"""Fills the columns that a contract has gained, of events that carried their values before.

What a contract did not know of an event is in the drift table. Where it is known now, the row of
the event is made again with it: typed, and pseudonymised where the contract says so. Rows as
`--rows_output` wrote them come in, or those of the tables in BigQuery, and the filled ones go out,
each for the row of its event.

    python -m pipelines.fill_from_drift --bigquery_project=my-project \
        --staging=gs://my-bucket/staging --quarantine_output=gs://my-bucket/quarantine
"""

import sys

import apache_beam as beam
from apache_beam.pvalue import PCollection

from pipelines.counters import FILLED
from pipelines.fill_options import FillConfig, FillOptions
from pipelines.job import Job
from pipelines.options import UsageError
from pipelines.quarantine import index_and_quarantine
from schemas.contract import load_contracts
from schemas.ops_tables import DRIFT
from schemas.packs import RawPack
from schemas.pseudonym import check_key
from schemas.silver_tables import SILVER
from transforms.fill_from_drift import FillFromDrift
from transforms.quarantine import Quarantine
from transforms.read_drift import DriftLines, ReadDrift
from transforms.read_lines import ReadLines
from transforms.write_rows import WriteRows

__all__ = ["JOB", "FillConfig", "FillOptions", "build", "main", "run"]

_OBJECTS = "*.ndjson"


def build(pipeline: beam.Pipeline, config: FillConfig) -> None:
    """Put the job together."""
    contracts = load_contracts(config.contracts)
    check_key(contracts, config.pseudonym_key, config.begins)
    filled = tuple(_read(pipeline, config)) | "FillFromDrift" >> FillFromDrift(
        contracts, config.pseudonym_key, config.now, config.event_type, config.span
    )
    written = filled.rows | "WriteRows" >> WriteRows(config.rows)
    rejected = (filled.rejected, written.rejected) | "FlattenRejected" >> beam.Flatten()
    keep = Quarantine(config.quarantine_output, config.job)
    index_and_quarantine(rejected, config.rows, keep)


def _read(pipeline: beam.Pipeline, config: FillConfig) -> DriftLines:
    folder, datasets = config.rows_input, config.rows.datasets
    if folder is None:
        assert datasets is not None
        reading = ReadDrift(datasets, config.curated, config.whole_span)
        tables: DriftLines = pipeline | "ReadTables" >> reading
        return tables
    kind = config.event_type
    own = f"{SILVER}*" if kind is None else config.curated[kind].full_name
    return DriftLines(
        _lines(pipeline, "ReadRows", f"{folder}/{own}/{_OBJECTS}"),
        _lines(pipeline, "ReadDrift", f"{folder}/{DRIFT.full_name}/{_OBJECTS}"),
    )


def _lines(pipeline: beam.Pipeline, label: str, pattern: str) -> PCollection[RawPack]:
    try:
        return pipeline | label >> ReadLines(pattern)
    except (OSError, ValueError) as error:
        msg = f"--rows_input: {error}; name a folder with curated rows and their drift"
        raise UsageError(msg) from None


JOB = Job(
    "python -m pipelines.fill_from_drift --rows_input=...|--bigquery_project=... [options]",
    FillOptions,
    FillConfig.of,
    build,
    FILLED,
)
run = JOB.run
main = JOB.main

if __name__ == "__main__":
    sys.exit(main())
