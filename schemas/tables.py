"""Tables and views of BigQuery, each described once: whatever is made of them reads this."""

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["Column", "Table", "TableError", "View"]


class TableError(ValueError):
    """A table that BigQuery cannot have, or has otherwise; one line with table, problem, remedy."""


class Column(msgspec.Struct, frozen=True):
    """A column, or a field of a RECORD.

    `type` and `mode` are those of BigQuery's JSON schema: STRING, INTEGER, NUMERIC, RECORD...;
    NULLABLE, REQUIRED, REPEATED. `precision` and `scale` bound a NUMERIC; None: they do not.
    `more` is what else BigQuery says of a column that is there, such as who may read it.
    """

    name: str
    type: str
    mode: str = "NULLABLE"
    description: str = ""
    fields: tuple["Column", ...] = ()
    precision: int | None = None
    scale: int | None = None
    more: dict[str, Any] = {}

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> "Column":
        """Return the column that BigQuery's JSON describes, with its types by one name each.

        A description is cut where BigQuery would refuse it.

        >>> Column.of({"name": "a", "type": "INT64"}).type
        'INTEGER'
        """
        kind = str(spec["type"]).upper()
        return cls(
            spec["name"],
            _ALIASES.get(kind, kind),
            spec.get("mode") or "NULLABLE",
            _cut(spec.get("description") or ""),
            tuple(map(cls.of, spec.get("fields") or ())),
            _number(spec.get("precision")),
            _number(spec.get("scale")),
            {name: value for name, value in spec.items() if name not in _OWN},
        )

    def json(self) -> dict[str, Any]:
        """Return the column in BigQuery's JSON form; what is not set is left out.

        >>> Column("a", "NUMERIC", precision=6, scale=2).json()
        {'name': 'a', 'type': 'NUMERIC', 'mode': 'NULLABLE', 'precision': '6', 'scale': '2'}
        """
        own = {"name": self.name, "type": self.type, "mode": self.mode}
        shown: dict[str, Any] = {**self.more, **own}
        if self.description:
            shown["description"] = self.description
        if self.fields:
            shown["fields"] = [field.json() for field in self.fields]
        for name, number in (("precision", self.precision), ("scale", self.scale)):
            if number is not None:
                shown[name] = str(number)
        return shown


class Table(msgspec.Struct, frozen=True):
    """A table: what it holds, and how BigQuery keeps it.

    `partition` is the column whose day (or other `granularity`) a row is kept by, `clustering` the
    columns that rows of a partition are ordered by. `key` tells rows apart: equal keys mean one
    row that was written more than once. `retention_days` after its day a partition is deleted, None
    never. A `restricted` table holds values that only few may read.
    """

    dataset: str
    name: str
    doc: str
    columns: tuple[Column, ...]
    partition: str | None = None
    granularity: str = "DAY"
    clustering: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    retention_days: int | None = None
    restricted: bool = False

    @property
    def full_name(self) -> str:
        """Return `<dataset>.<name>`, without the prefix of an environment."""
        return f"{self.dataset}.{self.name}"

    def schema(self) -> list[dict[str, Any]]:
        """Return the columns as BigQuery's JSON list."""
        return [column.json() for column in self.columns]


class View(msgspec.Struct, frozen=True):
    """A view: a query over tables.

    `sql` names tables as `{table:<dataset>.<name>}`; `schemas.table_names` fills in project and
    prefix. `columns` are for the data dictionary: BigQuery derives its own.
    """

    dataset: str
    name: str
    doc: str
    sql: str
    columns: tuple[Column, ...] = ()

    @property
    def full_name(self) -> str:
        """Return `<dataset>.<name>`, without the prefix of an environment."""
        return f"{self.dataset}.{self.name}"


_OWN = ("name", "type", "mode", "description", "fields", "precision", "scale")
_LONGEST = 1_024
_ALIASES = {
    "INT64": "INTEGER",
    "FLOAT64": "FLOAT",
    "BOOL": "BOOLEAN",
    "STRUCT": "RECORD",
    "DECIMAL": "NUMERIC",
    "BIGDECIMAL": "BIGNUMERIC",
}


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _number(given: object) -> int | None:
    # BigQuery writes its 64-bit numbers as text.
    return None if given is None else int(str(given))
