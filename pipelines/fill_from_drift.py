"""Fills the columns that a contract has gained, of events that carried their values before.

What a contract did not know of an event is in the drift table. Where it is known now, the row of
the event is made again with it: typed, and pseudonymised where the contract says so. Rows as
`--rows_output` wrote them come in, and the filled ones go out, each for the row of its event.

    python -m pipelines.fill_from_drift --rows_input=rows --rows_output=filled \
        --quarantine_output=quarantine
"""

import argparse
import sys
import time
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import PCollection

from pipelines import shared_options as shared
from pipelines.common_arguments import DECLARED
from pipelines.counters import FILLED
from pipelines.job import Job
from pipelines.options import UsageError, add_options, moment, path, required
from pipelines.row_options import ROWS
from schemas.contract import load_contracts
from schemas.ops_tables import DRIFT
from schemas.packs import RawPack
from schemas.pseudonym import check_key
from schemas.row_sink import RowSink
from schemas.silver_tables import SILVER, silver_table
from schemas.tables import Table
from transforms.fill_from_drift import FillFromDrift
from transforms.quarantine import Quarantine
from transforms.read_lines import ReadLines
from transforms.write_rows import WriteRows

__all__ = ["JOB", "FillConfig", "FillOptions", "build", "main", "run"]

_OBJECTS = "*.ndjson"
_GROUPS = {
    "rows": {
        "rows_input": "folder that --rows_output of the curated events wrote",
        "rows_output": ROWS["rows_output"],
        "quarantine_output": "folder for values that do not fit their column",
        "counters_output": "file for the counters of the run",
    },
    "what is declared": {
        "contracts": DECLARED["contracts"],
        "pseudonym_key": DECLARED["pseudonym_key"],
        "now": "RFC 3339 time of the launch (default: the clock)",
    },
}


class FillOptions(PipelineOptions):
    """Command line of the job; every value arrives as text, also from a template."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add_options(parser, _GROUPS)


@dataclass(frozen=True, kw_only=True)
class FillConfig:
    """The job's constants; `now` in microseconds."""

    rows_input: str
    rows: RowSink
    tables: tuple[Table, ...]
    quarantine_output: str
    counters_output: str | None
    contracts: str | None
    pseudonym_key: str | None
    now: int
    input_files: None = None
    input_subscription: None = None

    @classmethod
    def of(cls, options: PipelineOptions) -> "FillConfig":
        """Check and convert the options.

        Raises:
            UsageError: one line that names the option and the remedy.
        """
        given = options.view_as(FillOptions)
        now = moment("now", given.now)
        folder = "name a folder, local or gs://"
        for name in ("rows_input", "rows_output", "quarantine_output"):
            required(name, getattr(given, name), folder)
        rows_input, output = path(given.rows_input) or "", path(given.rows_output) or ""
        if rows_input.rstrip("/") == output.rstrip("/"):
            msg = f"--rows_output={output}: that is --rows_input; filled rows go elsewhere"
            raise UsageError(msg)
        contracts = load_contracts(path(given.contracts))
        return cls(
            rows_input=rows_input.rstrip("/"),
            rows=RowSink.files(output),
            tables=tuple(silver_table(contracts, name) for name in contracts.types),
            quarantine_output=path(given.quarantine_output) or "",
            counters_output=path(given.counters_output),
            contracts=path(given.contracts),
            pseudonym_key=shared.pseudonym_key(given.pseudonym_key),
            now=time.time_ns() // 1000 if now is None else now,
        )


def build(pipeline: beam.Pipeline, config: FillConfig) -> None:
    """Put the job together."""
    contracts = load_contracts(config.contracts)
    check_key(contracts, config.pseudonym_key)
    curated = _read(pipeline, "ReadRows", f"{config.rows_input}/{SILVER}*/{_OBJECTS}")
    drift = _read(pipeline, "ReadDrift", f"{config.rows_input}/{DRIFT.full_name}/{_OBJECTS}")
    filled = (curated, drift) | "FillFromDrift" >> FillFromDrift(
        contracts, config.pseudonym_key, config.now
    )
    written = filled.rows | "WriteRows" >> WriteRows(config.rows)
    rejected = (filled.rejected, written.rejected) | "FlattenRejected" >> beam.Flatten()
    _ = rejected | "Quarantine" >> Quarantine(config.quarantine_output)


def _read(pipeline: beam.Pipeline, label: str, pattern: str) -> PCollection[RawPack]:
    try:
        return pipeline | label >> ReadLines(pattern)
    except (OSError, ValueError) as error:
        msg = f"--rows_input: {error}; name a folder with curated rows and their drift"
        raise UsageError(msg) from None


JOB = Job(
    "python -m pipelines.fill_from_drift --rows_input=... --rows_output=... [options]",
    FillOptions,
    FillConfig.of,
    build,
    FILLED,
)
run = JOB.run
main = JOB.main

if __name__ == "__main__":
    sys.exit(main())
