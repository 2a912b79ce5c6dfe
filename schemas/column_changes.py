"""The columns of a table that is there against those that are declared."""

import enum
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from schemas.tables import Column

__all__ = ["Comparison", "Difference", "Kind", "compare_columns"]


class Kind(enum.Enum):
    """What can be done about a difference."""

    ADDITION = "the table as it is can be brought there"
    LEFTOVER = "more than is declared, in nobody's way"
    REFUSAL = "the table cannot be brought there"


class Difference(NamedTuple):
    """One difference, said without the name of the table.

    `keeps_rows_out`: as long as it is there, rows as they are declared may not fit into the table.
    """

    kind: Kind
    text: str
    keeps_rows_out: bool


class Comparison(NamedTuple):
    """What differs, and the columns that the table has after what can be added was added."""

    differences: list[Difference]
    merged: list[Column]


def compare_columns(declared: Sequence[Column], there: Sequence[Column]) -> Comparison:
    """Compare columns, and fields of records, by name; case and order make no difference.

    New ones come after those that are there: BigQuery puts none between. A column that is there
    may take more than is declared: null, or a NUMERIC of more digits.

    >>> found = compare_columns([Column("a", "STRING"), Column("b", "DATE")], [Column("a", "DATE")])
    >>> [(each.kind.name, each.text[:24]) for each in found.differences]
    [('REFUSAL', 'column a is DATE and not'), ('ADDITION', 'column b is new, DATE')]
    """
    differences: list[Difference] = []
    return Comparison(differences, _merge("", declared, there, differences))


def _merge(
    path: str, declared: Sequence[Column], there: Sequence[Column], found: list[Difference]
) -> list[Column]:
    wanted = {column.name.lower(): column for column in declared}
    known = {column.name.lower() for column in there}
    kept = [_kept(path, wanted.get(column.name.lower()), column, found) for column in there]
    new = [column for column in declared if column.name.lower() not in known]
    found += (_new(path, column) for column in new)
    return [*kept, *new]


def _kept(path: str, declared: Column | None, there: Column, found: list[Difference]) -> Column:
    where = f"column {path}{there.name}"
    if declared is None:
        found.append(_undeclared(where, path, there))
        return there
    if not _is_like(declared, there):
        found.append(_unlike(where, declared, there))
        return there
    is_relaxed = (declared.mode, there.mode) == ("NULLABLE", "REQUIRED")
    if is_relaxed:
        found.append(Difference(Kind.ADDITION, f"{where} may be null from now on", True))
    if declared.description != there.description:
        found.append(Difference(Kind.ADDITION, f"{where} has another description", False))
    return msgspec.structs.replace(
        there,
        mode=declared.mode if is_relaxed else there.mode,
        description=declared.description,
        fields=tuple(_merge(f"{path}{there.name}.", declared.fields, there.fields, found)),
    )


def _new(path: str, column: Column) -> Difference:
    where = f"column {path}{column.name}"
    if column.mode != "REQUIRED":
        return Difference(Kind.ADDITION, f"{where} is new, {_shown(column)}", True)
    remedy = "let it be null, or give it a default"
    text = f"{where} is new and required, and older rows have none; {remedy}"
    return Difference(Kind.REFUSAL, text, True)


def _undeclared(where: str, path: str, there: Column) -> Difference:
    if there.mode == "REQUIRED":
        text = f"{where} is required there and not declared, so no row can be written; declare it"
        return Difference(Kind.REFUSAL, text, True)
    # BigQuery drops no field of a record: what is in it is gone with the table only.
    drop = "copy the table without it" if path else "ALTER TABLE ... DROP COLUMN"
    text = f"{where} is there and not declared; declare it, {drop}, or leave it"
    return Difference(Kind.LEFTOVER, text, False)


def _is_like(declared: Column, there: Column) -> bool:
    is_list = [column.mode == "REPEATED" for column in (declared, there)]
    return declared.type == there.type and is_list[0] == is_list[1] and _holds(there, declared)


def _unlike(where: str, declared: Column, there: Column) -> Difference:
    remedy = "give what is new another name, or write into new tables (--prefix)"
    text = f"{where} is {_shown(there)} and not {_shown(declared)}; {remedy}"
    return Difference(Kind.REFUSAL, text, True)


def _holds(there: Column, declared: Column) -> bool:
    """Return whether all declared numbers fit; a column without a precision takes them all."""
    if there.precision is None:
        return True
    if declared.precision is None:
        return False
    scale, wanted = there.scale or 0, declared.scale or 0
    return scale >= wanted and there.precision - scale >= declared.precision - wanted


def _shown(column: Column) -> str:
    """Return a column's type as people write it.

    >>> _shown(Column("a", "NUMERIC", "REPEATED", precision=6, scale=2))
    'repeated NUMERIC(6, 2)'
    """
    digits = "" if column.precision is None else f"({column.precision}, {column.scale or 0})"
    return f"{'repeated ' if column.mode == 'REPEATED' else ''}{column.type}{digits}"
