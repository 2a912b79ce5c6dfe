"""The curated tables: one for each event type, and a view of it with one row for each event."""

from typing import Any

import msgspec

from schemas.bigquery_schema import bigquery_schema
from schemas.column_rules import checked
from schemas.contract_set import Contract, Contracts
from schemas.row_order import KEPT_FIRST
from schemas.tables import Column, Table, View

__all__ = ["SILVER", "current_view", "silver_table"]

SILVER = "silver_"
"""What stands before a domain in the name of its dataset."""

_BESIDE_THE_EVENT = (
    Column("publish_time", "TIMESTAMP", "NULLABLE", "When it was published; null: not known."),
    Column("ingest_time", "TIMESTAMP", "REQUIRED", "When this row was made; differs by run."),
    Column("message_id", "STRING", "NULLABLE", "Pub/Sub's id of the message that it came in."),
    Column(
        "content_digest", "STRING", "REQUIRED",
        "Digest of all that was decoded, before pseudonymising: equal for copies of one event.",
    ),
)  # fmt: skip


def silver_table(contracts: Contracts, event_type: str) -> Table:
    """Return the table of an event type, in the dataset of its domain.

    Raises:
        TableError: BigQuery would not have it; one line with column, problem and remedy.
    """
    contract = contracts.types[event_type]
    derived = [_column(each) for each in bigquery_schema(contracts, event_type)]
    return checked(
        Table(
            dataset=f"{SILVER}{contract.domain}",
            name=event_type,
            doc=f"{_sentence(contract)} One row for each event, unless it came more than once.",
            columns=(*derived, *_BESIDE_THE_EVENT),
            partition="event_timestamp",
            # A contract may drop the user as personal.
            clustering=tuple(each.name for each in derived if each.name == "user_id"),
            key=("event_id",),
        )
    )


def current_view(table: Table) -> View:
    """Return the view of a curated table that has one row for each event id.

    Whatever order rows were written in, and how often, it is the same one.
    """
    sql = f"""SELECT *
FROM {{table:{table.full_name}}}
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY {KEPT_FIRST}) = 1"""  # noqa: S608
    doc = (
        f"The rows of `{table.full_name}` with one for each event_id: that of the least"
        " publish_time, then the one whose contract knew more (unknown_fields), then that of the"
        " least content_digest, ingest_time and message_id. Reads the whole table whatever is asked"
        " of it."
    )
    return View(table.dataset, f"{table.name}_current", doc, sql, table.columns)


def _column(spec: dict[str, Any]) -> Column:
    column = Column.of(spec)
    if column.type != "RECORD":
        return column
    # A type that had no fields has no column for them; a required one could never be added.
    return msgspec.structs.replace(column, mode="NULLABLE")


def _sentence(contract: Contract) -> str:
    return contract.doc if contract.doc.endswith(".") else f"{contract.doc}."
