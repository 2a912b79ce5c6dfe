"""What keeps a table from being as it is declared: what can be added, and what cannot be mended.

Both sides are BigQuery's JSON of a table, so nothing here calls it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from schemas.column_changes import Difference, Kind, compare_columns
from schemas.tables import Column, Table, View

__all__ = [
    "TableChange",
    "declared_json",
    "table_change",
    "unwritable",
    "view_change",
    "view_json",
]

_DAY_MS = 86_400_000
_ANEW = "copy it into one that is, or write into new tables (--prefix)"


class TableChange(msgspec.Struct, frozen=True):
    """How a table or view differs from its declaration.

    `additions` say what `patch`, the body of the change, brings; `leftovers` what a table has more
    than is declared; `refusals` what nothing brings, with the remedy.
    """

    full_name: str
    additions: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    patch: dict[str, Any] = {}


def declared_json(table: Table, *, primary_key: bool = False) -> dict[str, Any]:
    """Return a table as BigQuery's JSON, without its name.

    Args:
        table: its declaration.
        primary_key: declare the key to BigQuery too. It is not enforced but believed: queries over
            a table that holds a key twice may then be answered wrongly.
    """
    body: dict[str, Any] = {"description": _doc(table), "schema": {"fields": table.schema()}}
    if table.partition is not None:
        body["timePartitioning"] = {"type": table.granularity, "field": table.partition}
        if table.retention_days is not None:
            body["timePartitioning"]["expirationMs"] = str(table.retention_days * _DAY_MS)
    if table.clustering:
        body["clustering"] = {"fields": list(table.clustering)}
    if primary_key and table.key:
        body["tableConstraints"] = {"primaryKey": {"columns": list(table.key)}}
    return body


def table_change(table: Table, actual: Mapping[str, Any]) -> TableChange:
    """Return what differs between a table's declaration and BigQuery's JSON of it."""
    name = table.full_name
    if (wrong := _other_kind(name, actual, "TABLE")) is not None:
        return TableChange(name, refusals=(wrong,))
    found = compare_columns(table.columns, _columns(actual))
    additions = _texts(found.differences, Kind.ADDITION)
    patch: dict[str, Any] = {}
    if additions:
        patch["schema"] = {"fields": [column.json() for column in found.merged]}
    if (actual.get("description") or "") != _doc(table):
        additions.append("another description")
        patch["description"] = _doc(table)
    leftovers = _texts(found.differences, Kind.LEFTOVER)
    refusals = [*_texts(found.differences, Kind.REFUSAL), *_kept_otherwise(table, actual)]
    return TableChange(name, tuple(additions), tuple(leftovers), tuple(refusals), patch)


def view_json(view: View, sql: str) -> dict[str, Any]:
    """Return a view as BigQuery's JSON, without its name; `sql` is its query, rendered."""
    return {"description": view.doc, "view": {"query": sql, "useLegacySql": False}}


def view_change(view: View, sql: str, actual: Mapping[str, Any]) -> TableChange:
    """Return what differs between a view's declaration and BigQuery's JSON of it."""
    name = view.full_name
    if (wrong := _other_kind(name, actual, "VIEW")) is not None:
        return TableChange(name, refusals=(wrong,))
    wanted = view_json(view, sql)
    additions: list[str] = []
    patch: dict[str, Any] = {}
    if (actual.get("view") or {}).get("query") != sql:
        additions.append("another query")
        patch["view"] = wanted["view"]
    if (actual.get("description") or "") != view.doc:
        additions.append("another description")
        patch["description"] = view.doc
    return TableChange(name, tuple(additions), patch=patch)


def unwritable(table: Table, actual: Mapping[str, Any]) -> list[str]:
    """Return why rows of the declared table could not be written into the actual one.

    What a table has beyond its declaration is no reason, unless it is required; nor is how it is
    kept.
    """
    if (wrong := _other_kind(table.full_name, actual, "TABLE")) is not None:
        return [wrong]
    found = compare_columns(table.columns, _columns(actual))
    return [each.text for each in found.differences if each.keeps_rows_out]


def _doc(table: Table) -> str:
    parts = [table.doc]
    if table.key:
        parts.append(f"Key: {', '.join(table.key)}.")
    if table.restricted:
        parts.append("Restricted: personal values may be in it.")
    return " ".join(parts)


def _other_kind(name: str, actual: Mapping[str, Any], wanted: str) -> str | None:
    kind = actual.get("type") or "TABLE"
    if kind == wanted:
        return None
    return f"is a {kind.lower()} and no {wanted.lower()}; rename or drop it"


def _texts(found: Iterable[Difference], kind: Kind) -> list[str]:
    return [each.text for each in found if each.kind is kind]


def _columns(actual: Mapping[str, Any]) -> list[Column]:
    return [Column.of(each) for each in (actual.get("schema") or {}).get("fields") or ()]


def _kept_otherwise(table: Table, actual: Mapping[str, Any]) -> Iterator[str]:
    """Say what of a table's keeping is not as declared: none of it can be added to."""
    partitioned = actual.get("timePartitioning") or {}
    there = (partitioned.get("field"), partitioned.get("type")) if partitioned else None
    wanted = None if table.partition is None else (table.partition, table.granularity)
    if there != wanted or "rangePartitioning" in actual:
        yield f"is not partitioned by the {table.granularity} of {table.partition}; {_ANEW}"
    clustered = tuple((actual.get("clustering") or {}).get("fields") or ())
    if clustered != table.clustering:
        fields = ",".join(table.clustering)
        yield f"is not clustered by {fields}; bq update --clustering_fields={fields} does that"
    longest, days = table.retention_days, _days(partitioned.get("expirationMs"))
    if longest is not None and (days is None or days > longest):
        option = f"partition_expiration_days = {longest}"
        yield f"keeps rows for more than {longest} days; ALTER TABLE ... SET OPTIONS ({option})"
    constraints = actual.get("tableConstraints") or {}
    key = tuple((constraints.get("primaryKey") or {}).get("columns") or ())
    if key and key != table.key:
        yield f"has the primary key {', '.join(key)}; ALTER TABLE ... DROP PRIMARY KEY"


def _days(millis: object) -> float | None:
    return None if millis is None else int(str(millis)) / _DAY_MS
