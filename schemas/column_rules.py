"""What BigQuery asks of the columns and names of a table, checked before it could refuse them."""

import re
from collections.abc import Iterable, Iterator

from schemas.tables import Column, Table, TableError, View

__all__ = ["check_names", "checked"]

_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DATASET = re.compile(r"[A-Za-z0-9_]{1,900}")
_TABLE = re.compile(r"[A-Za-z0-9_-]{1,1000}")
_LONGEST = 300
_MOST = 10_000
_DEEPEST = 15
_RESERVED = (
    "_TABLE_",
    "_FILE_",
    "_PARTITION",
    "_ROW_TIMESTAMP",
    "__ROOT__",
    "_COLIDENTIFIER",
    "_CHANGE_SEQUENCE_NUMBER",
    "_CHANGE_TYPE",
    "_CHANGE_TIMESTAMP",
)
_UNORDERED = ("FLOAT", "BYTES", "RECORD")


def checked(table: Table, what: str = "type") -> Table:
    """Return a table that BigQuery would have as it is described.

    The rules are those of its documentation, under "Specifying a schema" and "Quotas and limits".

    Args:
        table: as it is described.
        what: of the user's it is made from, type or metric.

    Raises:
        TableError: it would not; one line with table, column, problem and remedy.
    """
    _check_own_name(table)
    _check_record(table.full_name, "", table.columns)
    count = sum(1 for _ in _all(table.columns))
    if count > _MOST:
        msg = f"{table.full_name}: {count} columns, and BigQuery takes {_MOST}; split the {what}"
        raise TableError(msg)
    deepest = max(map(_depth, table.columns), default=0)
    if deepest > _DEEPEST:
        msg = (
            f"{table.full_name}: records nest {deepest} deep, and BigQuery takes {_DEEPEST};"
            " flatten them"
        )
        raise TableError(msg)
    _check_named(table)
    return table


def check_names(things: Iterable[Table | View]) -> None:
    """Raise `TableError` where two tables or views would have one name."""
    seen: set[str] = set()
    for thing in things:
        if thing.full_name in seen:
            msg = f"{thing.full_name}: two tables or views have this name; rename what it is of"
            raise TableError(msg)
        seen.add(thing.full_name)


def _check_own_name(table: Table) -> None:
    for form, part, what in (
        (_DATASET, table.dataset, "dataset (letters, digits and _)"),
        (_TABLE, table.name, "table (letters, digits, _ and -)"),
    ):
        if not form.fullmatch(part):
            msg = f"{table.full_name}: {part!r} cannot name a {what}; rename what it is of"
            raise TableError(msg)


def _check_record(table: str, path: str, columns: Iterable[Column]) -> None:
    seen: dict[str, str] = {}
    for column in columns:
        where = f"{table}: column {path}{column.name}"
        _check_column_name(where, column.name)
        other = seen.setdefault(column.name.lower(), column.name)
        if other is not column.name:
            msg = f"{where}: {other} is there too, and BigQuery knows no case; rename one"
            raise TableError(msg)
        _check_record(table, f"{path}{column.name}.", column.fields)


def _check_column_name(where: str, name: str) -> None:
    if len(name) > _LONGEST:
        msg = f"{where[:100]}...: {len(name)} characters, and BigQuery takes {_LONGEST}; shorten it"
        raise TableError(msg)
    if not _COLUMN.fullmatch(name):
        msg = f"{where}: no name of a column; use letters, digits and _, no digit in front"
        raise TableError(msg)
    for prefix in _RESERVED:
        if name.upper().startswith(prefix):
            msg = f"{where}: BigQuery keeps names that begin with {prefix} for itself; rename it"
            raise TableError(msg)


def _check_named(table: Table) -> None:
    kinds = {column.name: column.type for column in table.columns}
    for role, names in (("cluster", table.clustering), ("key", table.key)):
        for name in names:
            if kinds[name] in _UNORDERED:
                msg = (
                    f"{table.full_name}: column {name} is {kinds[name]}, by which BigQuery cannot"
                    f" {role}; choose another field"
                )
                raise TableError(msg)


def _all(columns: Iterable[Column]) -> Iterator[Column]:
    for column in columns:
        yield column
        yield from _all(column.fields)


def _depth(column: Column) -> int:
    return (column.type == "RECORD") + max(map(_depth, column.fields), default=0)
