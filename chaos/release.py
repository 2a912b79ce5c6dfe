"""Applies what a sink refused again, when it takes it: the simulation's release."""

from chaos.readings import quarantined
from chaos.stand_ins import World
from schemas.bigtable_table import TABLE_ATTRIBUTE, TableName
from schemas.cell_lines import parse_change
from schemas.refused_rows import TABLE_ATTRIBUTE as ROWS_ATTRIBUTE
from schemas.rejected import Reason, Rejected
from transforms.bigquery_connection import encode_entry
from transforms.mutate_rows import BulkMutation
from transforms.mutation_batch import encode_row

__all__ = ["release"]

_PROJECTS = {
    "windows": "chaos-live",
    "recompute": "chaos-live",
    "replay_windows": "chaos-replay",
}


def release(folder: str, world: World, job: str) -> None:
    """Apply the mutations and rows that a job's quarantine holds; nothing fails any more."""
    for record in quarantined(folder):
        if record.reason == Reason.MUTATION_REFUSED.value:
            _apply(record, world)
        elif record.reason == Reason.ROW_REFUSED.value and ROWS_ATTRIBUTE in record.attributes:
            table = f"{_PROJECTS[job]}.{record.attributes[ROWS_ATTRIBUTE]}"
            world.rows.insert(table, [encode_entry(record.payload, record.message_id)], 1.0)


def _apply(record: Rejected, world: World) -> None:
    store = world.cell_table(TableName.parse(record.attributes[TABLE_ATTRIBUTE]).table)
    assert not BulkMutation(store.send).write([encode_row(parse_change(record.payload))])
