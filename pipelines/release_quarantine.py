"""Release from the quarantine: what was refused, and is good now, reaches the rows it belongs to.

What decoding refused is decoded anew. The tiles that good events touch are computed anew from the
raw archive, once they are closed, so that a late release cannot lose to a fuller value, and replace
what stands in their rows. Changes that the table refused are applied again. What is still bad stays
in the quarantine with a higher attempt; what is released is named in its ledger.

    python -m pipelines.release_quarantine --quarantine=gs://BUCKET/quarantine \
        --input_archive=gs://BUCKET --bigtable_table=projects/P/instances/I/tables/T [--dry_run]

docs/release.md tells more.
"""

import sys
from typing import NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection

from pipelines.counters import RELEASE
from pipelines.job import Job
from pipelines.release_launch import launched, left_to_others, report
from pipelines.release_options import ReleaseConfig, ReleaseOptions
from schemas.contract import Contracts, load_contracts
from schemas.feature_set import FeatureSet, load_features
from schemas.pseudonym import check_key
from schemas.rejected import Rejected
from schemas.times import SECOND
from transforms.count_released import CountReleased, TakeRecords
from transforms.count_touched import CountTouched
from transforms.decode import DecodePacks
from transforms.decode_anew import DecodeAnew, DecodedAnew
from transforms.deduplicate import DeduplicatePacks, RejectConflicts
from transforms.extract_changes import ExtractChanges
from transforms.find_released import FindReleased
from transforms.keep_once import KeepOnce
from transforms.keep_unknown import KeepUnknown
from transforms.ledger import ReadLedger, WriteLedger
from transforms.log_repairs import LogRepairs
from transforms.quarantine import Quarantine
from transforms.read_quarantine import ReadQuarantine
from transforms.read_touched import PlanTouched, ReadTouched
from transforms.repair_touched import Repaired, RepairTouched
from transforms.select_rejects import Selected, SelectRejects
from transforms.settle_changes import SettleChanges
from transforms.write_cell_lines import WriteCellLines
from transforms.write_cells import WriteCells

__all__ = ["JOB", "build", "main", "run"]


class _Declared(NamedTuple):
    contracts: Contracts
    features: list[FeatureSet]


def build(pipeline: beam.Pipeline, config: ReleaseConfig) -> None:
    """Put the job together."""
    contracts = load_contracts(config.contracts)
    declared = _Declared(contracts, load_features(config.features, contracts))
    # Workers load the key themselves; here it is only checked, before anything is launched.
    check_key(contracts, config.pseudonym_key, config.meant.start)
    selected, unreadable = _select(pipeline, config)
    decoded = selected.messages | "DecodeAnew" >> _decode_anew(config, declared)
    planned = decoded.good | "PlanTouched" >> PlanTouched(
        config.archive, config.source, config.max_future, config.max_lateness
    )
    if config.dry_run:
        _ = decoded.good | "CountTouched" >> CountTouched()
        return
    repaired, found, refused = _compute(planned, decoded, selected, config, declared)
    released, refusals = _write(repaired, [found, decoded.untouched], config)
    _ = released | "WriteLedger" >> WriteLedger(config.quarantine_output, config.sink)
    rejected = [unreadable, decoded.rejected, *refused, *refusals]
    _ = (
        rejected
        | "FlattenRejected" >> beam.Flatten()
        | "Quarantine"
        >> Quarantine(
            config.quarantine_output, replayed_from=config.released_from, run=config.run_id
        )
    )


def _select(
    pipeline: beam.Pipeline, config: ReleaseConfig
) -> tuple[Selected, PCollection[Rejected]]:
    """Choose what is meant and was not released yet; objects that cannot be read come beside."""
    read = pipeline | "ReadQuarantine" >> ReadQuarantine(
        config.quarantine_output, config.meant, config.on_bad_object
    )
    ledger = pipeline | "ReadLedger" >> ReadLedger(config.quarantine_output, config.sink)
    selected = (read.records, ledger) | "SelectRejects" >> SelectRejects(
        config.meant, config.max_attempts, config.bigtable_table
    )
    return selected, read.rejected


def _decode_anew(config: ReleaseConfig, declared: _Declared) -> DecodeAnew:
    bounds = config.max_future, config.max_event_bytes, config.now
    return DecodeAnew(*declared, config.pseudonym_key, config.closed, *bounds)


def _compute(
    planned: PCollection[tuple[str, str]],
    decoded: DecodedAnew,
    selected: Selected,
    config: ReleaseConfig,
    declared: _Declared,
) -> tuple[Repaired, PCollection[Rejected], list[PCollection[Rejected]]]:
    """Compute touched tiles from the archive; return what was found there, and what is refused."""
    packs = planned | "ReadTouched" >> ReadTouched()
    events = packs | "Decode" >> DecodePacks(
        declared.contracts, config.max_future, config.max_event_bytes, None, config.shards
    )
    deduplicated = events.packs | "Deduplicate" >> DeduplicatePacks(
        config.horizon / SECOND, config.shards, max_future=config.max_future / SECOND
    )
    found = (decoded.good, deduplicated.unique) | "FindReleased" >> FindReleased(config.shards)
    extracted = deduplicated.unique | "Extract" >> ExtractChanges(
        *declared,
        config.pseudonym_key,
        config.horizon / SECOND,
        config.shards,
        config.max_event_bytes,
    )
    repaired = (
        found.released,
        extracted.changes,
        selected.changes,
    ) | "RepairTouched" >> RepairTouched(
        declared.features, config.shards, config.archive, config.bigtable_table
    )
    conflicts = deduplicated.conflicts | "RejectConflicts" >> RejectConflicts()
    unknown = (
        [events.rejected, conflicts, extracted.rejected]
        | "FlattenCopies" >> beam.Flatten()
        | "KeepOnce" >> KeepOnce()
        | "KeepUnknown" >> KeepUnknown(config.quarantine_output)
    )
    return repaired, found.released | "TakeRecords" >> TakeRecords(), [found.rejected, unknown]


def _write(
    repaired: Repaired, released: list[PCollection[Rejected]], config: ReleaseConfig
) -> tuple[PCollection[Rejected], list[PCollection[Rejected]]]:
    """Write the rows; return what is released once they are written, and what the table refused."""
    now = [*released, repaired.nothing_left]
    if config.cells_output:
        names = repaired.changes | "WriteCellLines" >> WriteCellLines(config.cells_output)
        together = now | "FlattenReleased" >> beam.Flatten()
        return together | "CountReleased" >> CountReleased([names]), []
    written = repaired.changes | "WriteCells" >> WriteCells(
        config.bigtable_table, app_profile=config.app_profile, flow_control=config.flow_control
    )
    settled = (repaired.applied, written.rejected) | "SettleChanges" >> SettleChanges()
    tiles = repaired.tiles | "AwaitRows" >> beam.WaitOn(written.written)
    logged = tiles | "LogRepairs" >> LogRepairs(config.archive, config.repair)
    together = [*now, settled.written] | "FlattenReleased" >> beam.Flatten()
    done = [written.written, logged]
    return together | "CountReleased" >> CountReleased(done), [settled.rejected]


JOB = Job(
    "python -m pipelines.release_quarantine --quarantine=... --input_archive=... [options]",
    ReleaseOptions,
    ReleaseConfig.of,
    build,
    RELEASE,
    launched,
    problem=left_to_others,
    finish=report,
)
run = JOB.run
main = JOB.main

if __name__ == "__main__":
    sys.exit(main())
