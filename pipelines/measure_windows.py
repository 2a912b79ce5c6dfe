"""From messages to panes: what the metrics job and a recomputation do alike."""

from typing import NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection

from pipelines.read_events import read_events
from pipelines.window_options import WindowConfig
from schemas.contract import load_contracts
from schemas.late import LateEvent
from schemas.pseudonym import check_key
from schemas.rejected import Rejected
from schemas.row_packs import RowPack
from schemas.times import SECOND
from schemas.window_parts import Pane
from transforms.decode import DecodePacks
from transforms.deduplicate import DeduplicatePacks, RejectConflicts
from transforms.encode_panes import EncodePanes
from transforms.extract_parts import ExtractParts
from transforms.extract_reject_parts import ExtractRejectParts
from transforms.fold_windows import FoldWindows
from transforms.keep_once import KeepOnce

__all__ = ["MeasuredWindows", "measure_windows"]


class MeasuredWindows(NamedTuple):
    """Rows of panes, late events, what was refused on the way, and the panes themselves."""

    panes: PCollection[RowPack]
    late: PCollection[LateEvent]
    rejected: list[PCollection[Rejected]]
    told: PCollection[Pane]


def measure_windows(pipeline: beam.Pipeline, config: WindowConfig) -> MeasuredWindows:
    """Read, decode, deduplicate, measure, fold.

    What is refused on the way to the metrics is measured by those of rejects; what of an archive is
    no message is not.
    """
    contracts = load_contracts(config.contracts)
    # Workers load the key themselves; here it is only checked, before anything is launched.
    check_key(contracts, config.pseudonym_key, config.begins)
    packs, unreadable = read_events(pipeline, config)
    decoded = packs | "Decode" >> DecodePacks(
        contracts, config.max_future, config.max_event_bytes, config.now, config.shards
    )
    deduplicated = decoded.packs | "Deduplicate" >> DeduplicatePacks(
        config.horizon / SECOND, config.shards, max_future=config.max_future / SECOND
    )
    extracted = deduplicated.unique | "Extract" >> ExtractParts(
        contracts, config.metrics, config.pseudonym_key, config.shards, config.max_event_bytes
    )
    conflicts = deduplicated.conflicts | "RejectConflicts" >> RejectConflicts()
    refused = (decoded.rejected, conflicts, extracted.rejected)
    rejected: PCollection[Rejected] = refused | "FlattenRefused" >> beam.Flatten()
    if config.replay:
        rejected = rejected | "KeepOnce" >> KeepOnce()
    of_rejects = rejected | "ExtractRejects" >> ExtractRejectParts(config.metrics, config.shards)
    parts = (extracted.parts, of_rejects) | "FlattenParts" >> beam.Flatten()
    panes = parts | "FoldWindows" >> FoldWindows(
        config.metrics, config.horizon / SECOND, *config.coverage, config.generation
    )
    rows = panes | "EncodePanes" >> EncodePanes(config.metrics)
    return MeasuredWindows(rows, extracted.late, [rejected, *unreadable], panes)
