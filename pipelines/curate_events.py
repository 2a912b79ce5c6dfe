"""Curated events: every event once, typed and pseudonymised, in the table of its type.

Messages are decoded and validated; copies are removed by event id; personal data is pseudonymised;
each event becomes a row, and what its contract does not know one of the drift table. Whatever is
refused on the way ends in the quarantine with its original bytes.

    python -m pipelines.curate_events --input_files='events/*.ndjson' \
        --rows_output=rows --quarantine_output=quarantine
"""

import sys

import apache_beam as beam

from pipelines.counters import CURATED
from pipelines.curate_launch import settled
from pipelines.curate_options import CurateConfig, CurateOptions
from pipelines.curate_steps import curate_batch, curate_stream
from pipelines.job import Job
from pipelines.quarantine import index_and_quarantine, quarantine
from pipelines.read_events import read_events
from schemas.contract import load_contracts
from schemas.pseudonym import check_key
from transforms.keep_once import KeepOnce

__all__ = ["JOB", "build", "main", "run"]


def build(pipeline: beam.Pipeline, config: CurateConfig) -> None:
    """Put the job together."""
    assert config.rows is not None
    contracts = load_contracts(config.contracts)
    # Workers load the key themselves; here it is only checked, before anything is launched.
    check_key(contracts, config.pseudonym_key, config.begins)
    packs, unreadable = read_events(pipeline, config)
    curate = curate_stream if config.input_subscription else curate_batch
    curated = curate(packs, config, contracts)
    rejected = curated.messages
    if config.replay:
        copies = rejected | "FlattenCopies" >> beam.Flatten()
        rejected = [copies | "KeepOnce" >> KeepOnce()]
    together = [*rejected, *unreadable, *curated.rows]
    refused = together | "FlattenRejected" >> beam.Flatten()
    index_and_quarantine(refused, config.rows, quarantine(config))


JOB = Job(
    "python -m pipelines.curate_events --input_... --rows_output=... [options]",
    CurateOptions,
    CurateConfig.of,
    build,
    CURATED,
    settled,
    at_least_once=True,
)
run = JOB.run
main = JOB.main

if __name__ == "__main__":
    sys.exit(main())
