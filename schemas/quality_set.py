"""Quality files: what is expected of tables, declared and not coded.

A file names `tables`, their `owner`, and `checks`. docs/audit.md tells how to write one.
"""

import fnmatch
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from schemas.declaration_entries import Entries, check_name, label_of
from schemas.declaration_error import DeclarationError
from schemas.declaration_file import declaration_files, read_text, read_yaml
from schemas.quality import CURRENT, Check, Relation
from schemas.quality_error import QUALITY, QualityError
from schemas.quality_form import CheckForm, bounds_of
from schemas.table_set import TableSet
from schemas.tables import Column, Table

__all__ = ["SHIPPED", "load_checks", "parse_checks"]

SHIPPED = Path(__file__).parent / "quality"

_MEASURED = ("INTEGER", "FLOAT", "NUMERIC", "BIGNUMERIC")
_EQUAL = ("STRING", "DATE", "BOOLEAN", "TIMESTAMP", *_MEASURED)
_ANY = ("BYTES", "JSON", "TIME", "DATETIME", *_EQUAL)


class _FileForm(msgspec.Struct, forbid_unknown_fields=True):
    tables: list[str]
    owner: str
    checks: list[Any]
    severity: Literal["error", "warn"] = "error"


def load_checks(location: str | None, tables: TableSet) -> list[Check]:
    """Return the checks of a file or folder, local or `gs://`; None means the shipped ones.

    Raises:
        QualityError: a file is missing or wrong; one line with file, entry and remedy.
        CredentialsError: a place in Cloud Storage, and no credentials.
    """
    where = str(SHIPPED) if location is None else location
    checks: dict[tuple[str, str], tuple[str, Check]] = {}
    for path in declaration_files(where, QUALITY):
        file = path.rsplit("/", 1)[-1]
        for check in parse_checks(read_text(path, QUALITY), file, tables):
            key = check.relation.name, check.name
            if key in checks:
                told = f"check '{key[1]}' of {key[0]} is in {checks[key][0]} too; rename one"
                msg = f"{file}: {told}"
                raise QualityError(msg)
            checks[key] = file, check
    return [check for _, check in checks.values()]


def parse_checks(text: str, file: str, tables: TableSet) -> list[Check]:
    """Return the checks of one file's text; `file` names it in errors."""
    entries = Entries(file, QUALITY)
    raw = entries.converted("file", read_yaml(text, file, QUALITY), _FileForm)
    relations = entries.at("tables", _relations, raw.tables, tables)
    entries.at("checks", _some, raw.checks)
    checks = []
    for index, entry in enumerate(raw.checks):
        label = label_of("check", index, entry)
        form = entries.converted(label, entry, CheckForm)
        entries.at(label, check_name, form.name)
        checks += [entries.at(label, _check, form, raw, each, tables) for each in relations]
    return checks


def _some(given: Sequence[object]) -> None:
    if not given:
        msg = "none is there; give one or more"
        raise DeclarationError(msg)


def _relations(patterns: Sequence[str], tables: TableSet) -> list[Relation]:
    """Return what the names and patterns mean, each once, in the order of their tables."""
    _some(patterns)
    known = list(_known(tables))
    found: dict[str, Relation] = {}
    for pattern in patterns:
        # Of a pattern, tables and views are never both meant: with `_current` only the views are.
        once = pattern.endswith(CURRENT)
        meant = [
            each for each in known if each.once == once and fnmatch.fnmatchcase(each.name, pattern)
        ]
        if not meant:
            msg = f"{pattern}: no such table with a time to choose rows by; `*` is any name"
            raise DeclarationError(msg)
        found.update({each.name: each for each in meant})
    return list(found.values())


def _known(tables: TableSet) -> Iterator[Relation]:
    views = {view.full_name for view in tables.views}
    for table in tables.tables:
        if table.partition is not None:
            yield Relation(table)
            if table.full_name + CURRENT in views:
                yield Relation(table, once=True)


def _check(form: CheckForm, raw: _FileForm, relation: Relation, tables: TableSet) -> Check:
    bound, values = bounds_of(form)
    if form.check == "duplicates" and relation.once and form.column == "event_id":
        msg = f"{relation.name} has one row for each event_id by itself; name the table"
        raise DeclarationError(msg)
    column = form.column or (relation.time if form.check == "freshness" else "")
    if column:
        _check_column(form.check, relation.table, column)
    known, known_column = _target(form, tables) if form.to else (None, "")
    return Check(
        form.name,
        form.check,
        relation,
        raw.owner,
        form.severity or raw.severity,
        bound,
        column,
        values,
        form.trailing or 0,
        known,
        known_column,
    )


def _target(form: CheckForm, tables: TableSet) -> tuple[Relation, str]:
    name, _, column = (form.to or "").rpartition(":")
    [relation, *more] = _relations([name], tables) if name else [None]
    if relation is None or more:
        msg = f"to {form.to}: name one table and its column, as silver_identity.signup:user_id"
        raise DeclarationError(msg)
    _check_column("references", relation.table, column)
    return relation, column


def _check_column(kind: str, table: Table, path: str) -> None:
    column = _column(table, path)
    allowed = {"freshness": ("TIMESTAMP",), "range": _MEASURED, "null_rate": _ANY}.get(kind, _EQUAL)
    if column.type not in allowed:
        what = f"column {path} of {table.full_name} is {column.type}"
        msg = f"{what}; {kind} is for {', '.join(sorted(allowed))}"
        raise DeclarationError(msg)


def _column(table: Table, path: str) -> Column:
    columns: Sequence[Column] = table.columns
    found: Column | None = None
    for name in path.split("."):
        found = next((each for each in columns if each.name == name), None)
        if found is None or found.mode == "REPEATED":
            what = "is a list" if found else "is not there"
            msg = f"column {path} of {table.full_name} {what}; docs/tables.md names the columns"
            raise DeclarationError(msg)
        columns = found.fields
    assert found is not None
    return found
