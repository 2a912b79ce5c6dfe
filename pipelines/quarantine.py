"""Where what a job refuses goes, and what is said of it there."""

import dataclasses

import apache_beam as beam
from apache_beam.pvalue import PCollection

from pipelines.read_events import EventInput
from schemas.ops_tables import QUARANTINE
from schemas.rejected import Rejected
from schemas.row_sink import RowSink
from transforms.index_rejects import IndexRejects
from transforms.quarantine import Quarantine
from transforms.write_rows import WriteRows

__all__ = ["index_and_quarantine", "quarantine"]


def quarantine(config: EventInput) -> Quarantine:
    """Return the step that keeps what is refused; that of a replay says where it came from."""
    if config.replay is None:
        return Quarantine(config.quarantine_output, config.job)
    return Quarantine(
        config.quarantine_output,
        config.job,
        replayed_from=config.replay.replayed_from,
        run=config.replay.run_id,
    )


def index_and_quarantine(
    rejected: PCollection[Rejected], rows: RowSink, keep: Quarantine
) -> PCollection[str]:
    """Keep what is refused, and write a row of each to `ops.quarantine`.

    A row that BigQuery refuses there is kept in its turn, and has no row. The rows have counters of
    their own: `index_rows` = `index_rows_written` + `index_rows_refused`.
    """
    # Of the sinks that are made for each table the index needs its own only.
    own = {name: columns for name, columns in rows.columns.items() if name == QUARANTINE.full_name}
    index = dataclasses.replace(rows, counted="index_rows", columns=own)
    naming = IndexRejects(keep.job, keep.replayed_from, keep.run)
    unindexed = (rejected | "IndexRejects" >> naming | "WriteIndex" >> WriteRows(index)).rejected
    together = (rejected, unindexed) | "FlattenUnindexed" >> beam.Flatten()
    kept: PCollection[str] = together | "Quarantine" >> keep
    return kept
