"""The two ways from messages to written rows: event by event in time, or a whole input at once."""

from typing import NamedTuple

from apache_beam.pvalue import PCollection

from pipelines.curate_options import CurateConfig
from schemas.contract_set import Contracts
from schemas.coverage import Coverage
from schemas.packs import RawPack
from schemas.rejected import Rejected
from schemas.row_packs import RowPack
from schemas.times import SECOND
from transforms.choose_rows import ChooseRows
from transforms.curate import CuratePacks
from transforms.decode import DecodePacks
from transforms.deduplicate import DeduplicatePacks, RejectConflicts
from transforms.make_rows import Curation
from transforms.shard_messages import ShardMessages
from transforms.write_chosen_rows import WriteChosenRows
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
    """Bring copies together, then decode each message once, choose, and make rows in one go."""
    shards = packs | "Shard" >> ShardMessages(contracts, config.shards, config.max_event_bytes)
    curation = Curation(
        contracts,
        config.pseudonym_key,
        config.now,
        config.max_future,
        config.max_event_bytes,
        _span(config),
    )
    refused: list[PCollection[Rejected]] = []
    if config.rows is not None and config.rows.method == "files":
        written = shards | "WriteRows" >> WriteChosenRows(curation, config.rows.path)
        rejected, conflicts = written.rejected, written.conflicts
    else:
        chosen = shards | "Choose" >> ChooseRows(curation)
        rejected, conflicts = chosen.rejected, chosen.conflicts
        refused = [_written(chosen.rows, config)]
    return CuratedMessages([rejected, conflicts | "RejectConflicts" >> RejectConflicts()], refused)


def _written(rows: PCollection[RowPack], config: CurateConfig) -> PCollection[Rejected]:
    return (rows | "WriteRows" >> WriteRows(config.rows)).rejected


def _span(config: CurateConfig) -> Coverage:
    """A replay writes the rows of the span that was asked for: of others it may miss copies."""
    if config.replay is None:
        return Coverage()
    return Coverage(config.replay.span.start, config.replay.span.end)
