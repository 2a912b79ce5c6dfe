"""What `penstock tables compact` does: curated rows that were written twice, made one again."""

import datetime
from collections.abc import Iterator

from console.bigquery_access import BigQueryAccess
from schemas.contract import load_contracts
from schemas.locations import expanded
from schemas.merge_rows import Span, compact_statement, repeated_query, spans_of
from schemas.ops_tables import DRIFT
from schemas.row_sink import merge_rule
from schemas.silver_tables import silver_table
from schemas.table_names import Datasets
from schemas.tables import Table, TableError
from transforms.check_tables import command_for

__all__ = ["compact_tables"]

_DAY = datetime.timedelta(days=1)


def compact_tables(
    datasets: Datasets, contracts: str | None, first: str, end: str
) -> Iterator[str]:
    """Leave one row for each key in the curated tables and the drift table; yield what was done.

    It is the row that the `_current` view of the table shows, and the views stay as they are. What
    is not repeated is not touched, so the same again does nothing.

    Args:
        datasets: project and prefix.
        contracts: folder of contracts; None: the shipped ones.
        first: the first day of the events, as YYYY-MM-DD.
        end: the day after the last one.

    Raises:
        TableError: one line with what is wrong, or what BigQuery refused.
    """
    spans = _spans(first, end)
    loaded = load_contracts(contracts and expanded(contracts))
    access = BigQueryAccess(datasets)
    create = command_for("create", datasets, {"contracts": contracts})
    removed = 0
    for table in (*(silver_table(loaded, name) for name in sorted(loaded.types)), DRIFT):
        for span in spans:
            repeated = _compact(access, table, span, create)
            removed += repeated
            if repeated:
                yield f"{table.full_name}: {repeated} repeated rows removed, {' to '.join(span)}"
    if not removed:
        yield "nothing to do"


def _compact(access: BigQueryAccess, table: Table, span: Span, create: str) -> int:
    """Compact one range of one table; return how many rows there were too many."""
    there = access.look(table)
    name, rule = access.datasets.full(table.full_name), merge_rule(table)
    if there is None:
        msg = f"{name}: no such table; {create} makes it"
        raise TableError(msg)
    (found,) = access.query(table, repeated_query(name, rule, span))
    repeated = int(found["repeated"])
    if repeated:
        columns = [column["name"] for column in there["schema"]["fields"]]
        access.query(table, compact_statement(name, columns, rule, span))
    return repeated


def _spans(first: str, end: str) -> list[Span]:
    try:
        start, stop = map(datetime.date.fromisoformat, (first, end))
    except ValueError:
        msg = f"--from={first} --to={end}: write days, such as 2026-01-31"
        raise TableError(msg) from None
    if start >= stop:
        msg = f"--from={first} --to={end}: no day is between them; --to is excluded"
        raise TableError(msg)
    return spans_of((start + n * _DAY).isoformat() for n in range((stop - start).days))
