"""The two ways from messages to written rows: event by event in time, or a whole input at once."""

from typing import NamedTuple

from apache_beam.pvalue import PCollection

from pipelines.curate_options import CurateConfig
from schemas.contract_set import Contracts
from schemas.coverage import Coverage
from schemas.packs import EventPack, RawPack
from schemas.rejected import Rejected
from schemas.row_packs import RowPack
from schemas.times import SECOND
from transforms.choose_rows import ChooseRows, WriteChosenRows
from transforms.curate import CuratePacks
from transforms.decode import DecodePacks
from transforms.decode_rows import DecodeRows
from transforms.deduplicate import DeduplicatePacks, RejectConflicts
from transforms.write_rows import WriteRows

__all__ = ["CuratedMessages", "curate_batch", "curate_stream"]


class CuratedMessages(NamedTuple):
    """What was refused on the way: messages, and rows."""

    messages: list[PCollection[Rejected]]
    rows: list[PCollection[Rejected]]


def curate_stream(
    packs: PCollection[RawPack], config: CurateConfig, contracts: Contracts
) -> CuratedMessages:
    """Decode, remove copies as they come, make rows of what is left, and write them."""
    decoded = packs | "Decode" >> DecodePacks(
        contracts, config.max_future, config.max_event_bytes, config.now, config.shards
    )
    deduplicated = decoded.packs | "Deduplicate" >> DeduplicatePacks(
        config.horizon / SECOND, config.shards, max_future=config.max_future / SECOND
    )
    curated = deduplicated.unique | "Curate" >> CuratePacks(
        contracts, config.pseudonym_key, config.max_event_bytes
    )
    conflicts = deduplicated.conflicts | "RejectConflicts" >> RejectConflicts()
    refused = _written(curated.rows, config)
    return CuratedMessages([decoded.rejected, conflicts, curated.rejected], [refused])


def curate_batch(
    packs: PCollection[RawPack], config: CurateConfig, contracts: Contracts
) -> CuratedMessages:
    """Decode and make rows in one go, then choose among copies: nothing is decoded twice."""
    decoded = packs | "Decode" >> DecodeRows(
        contracts,
        config.pseudonym_key,
        config.now,
        config.shards,
        config.max_future,
        config.max_event_bytes,
        _span(config),
    )
    refused: list[PCollection[Rejected]] = []
    conflicts: PCollection[EventPack]
    if config.rows is not None and config.rows.method == "files":
        writing = WriteChosenRows(contracts, config.rows.path)
        conflicts = (decoded.packs | "WriteRows" >> writing).conflicts
    else:
        chosen = decoded.packs | "Deduplicate" >> ChooseRows(contracts)
        conflicts = chosen.conflicts
        refused = [_written(chosen.rows, config)]
    rejected = conflicts | "RejectConflicts" >> RejectConflicts()
    return CuratedMessages([decoded.rejected, rejected], refused)


def _written(rows: PCollection[RowPack], config: CurateConfig) -> PCollection[Rejected]:
    return (rows | "WriteRows" >> WriteRows(config.rows)).rejected


def _span(config: CurateConfig) -> Coverage:
    """A replay writes the rows of the span that was asked for: of others it may miss copies."""
    if config.replay is None:
        return Coverage()
    return Coverage(config.replay.span.start, config.replay.span.end)
