"""The hot path: events, one by one, into Bigtable rows that are right in any order.

Messages are decoded and validated; copies are removed by event id; personal data is pseudonymised;
what is late goes to the late output; the rest becomes the cells of the entities it speaks of.
Whatever is refused on the way ends in the quarantine with its original bytes.

    python -m pipelines.hot_path --input_files='events/*.ndjson' \
        --cells_output=cells --quarantine_output=quarantine

The same from the raw archive is a replay, or the repair of a span (docs/replay.md).
"""

import sys

import apache_beam as beam
from apache_beam.pvalue import PCollection

from pipelines.counters import HOT_PATH
from pipelines.hot_path_launch import repair_of, settled
from pipelines.hot_path_options import SECOND, HotPathConfig, HotPathOptions
from pipelines.job import Job
from pipelines.quarantine import quarantine
from pipelines.read_events import read_events
from schemas.cells import RowChange
from schemas.contract import load_contracts
from schemas.feature_set import load_features
from schemas.pseudonym import check_key
from schemas.rejected import Rejected
from transforms.bound_rate import BoundRate
from transforms.decode import DecodePacks
from transforms.deduplicate import DeduplicatePacks, RejectConflicts
from transforms.extract_changes import ExtractChanges
from transforms.fold_entities import FoldEntities
from transforms.keep_once import KeepOnce
from transforms.log_repairs import LogRepairedSpan
from transforms.write_cell_lines import WriteCellLines
from transforms.write_cells import ROWS_PER_REQUEST, WriteCells
from transforms.write_late import WriteLate

__all__ = ["JOB", "build", "main", "run"]


def build(pipeline: beam.Pipeline, config: HotPathConfig) -> None:
    """Put the job together."""
    contracts = load_contracts(config.contracts)
    features = load_features(config.features, contracts)
    # Workers load the key themselves; here it is only checked, before anything is launched.
    check_key(contracts, config.pseudonym_key, config.begins)
    packs, unreadable = read_events(pipeline, config)
    decoded = packs | "Decode" >> DecodePacks(
        contracts, config.max_future, config.max_event_bytes, config.now, config.shards
    )
    deduplicated = decoded.packs | "Deduplicate" >> DeduplicatePacks(
        config.horizon / SECOND, config.shards, max_future=config.max_future / SECOND
    )
    extracted = deduplicated.unique | "Extract" >> ExtractChanges(
        contracts,
        features,
        config.pseudonym_key,
        config.horizon / SECOND,
        config.shards,
        config.max_event_bytes,
        state_span=config.coverage if config.replay else None,
    )
    rows = extracted.changes | "FoldEntities" >> FoldEntities(
        features, config.horizon / SECOND, *config.coverage, repair=config.repair
    )
    conflicts = deduplicated.conflicts | "RejectConflicts" >> RejectConflicts()
    rejected = [decoded.rejected, conflicts, extracted.rejected]
    if config.replay:
        copies = rejected | "FlattenCopies" >> beam.Flatten()
        rejected = [copies | "KeepOnce" >> KeepOnce()]
    together = [*rejected, *unreadable, *_write(rows, config)]
    _ = together | "FlattenRejected" >> beam.Flatten() | "Quarantine" >> quarantine(config)
    if config.late_output:
        _ = extracted.late | "WriteLate" >> WriteLate(config.late_output)


def _write(rows: PCollection[RowChange], config: HotPathConfig) -> list[PCollection[Rejected]]:
    rate = config.replay.max_events_per_second if config.replay else None
    if rate:
        rows = rows | "BoundRate" >> BoundRate(rate)
    if config.cells_output:
        _ = rows | "WriteCellLines" >> WriteCellLines(config.cells_output)
        return []
    written = rows | "WriteCells" >> WriteCells(
        config.bigtable_table,
        app_profile=config.app_profile,
        # A request holds no more than may pass in a second.
        max_rows_per_request=min(ROWS_PER_REQUEST, rate or ROWS_PER_REQUEST),
        flow_control=config.flow_control,
    )
    repair = repair_of(config)
    if config.replay and repair:
        _ = written.written | "LogRepair" >> LogRepairedSpan(config.replay.archive, repair)
    return [written.rejected]


JOB = Job(
    "python -m pipelines.hot_path --input_... --..._output=... [options]",
    HotPathOptions,
    HotPathConfig.of,
    build,
    HOT_PATH,
    settled,
)
run = JOB.run
main = JOB.main

if __name__ == "__main__":
    sys.exit(main())
