"""The Bigtable table of the hot path: its name, its families and what each of them keeps."""

import re
from typing import NamedTuple

from schemas.cells import STATE_FAMILY, TILE_FAMILY

__all__ = ["FAMILIES", "TABLE_ATTRIBUTE", "Family", "TableName"]

TABLE_ATTRIBUTE = "bigtable_table"
"""The attribute of a refused change that names the table it was meant for."""

_TABLE = re.compile(r"projects/([^/\s]+)/instances/([^/\s]+)/tables/([-_.a-zA-Z0-9]{1,50})")


class Family(NamedTuple):
    """A column family and its garbage collection: by number of versions or by age in days."""

    name: str
    max_versions: int | None = None
    max_age_days: int | None = None


FAMILIES = (Family(STATE_FAMILY, max_versions=1), Family(TILE_FAMILY, max_age_days=30))
"""State keeps the newest version; tiles are kept for as long as the longest span that is read."""


class TableName(NamedTuple):
    """A table's full name, in parts."""

    project: str
    instance: str
    table: str

    @classmethod
    def parse(cls, name: str) -> "TableName":
        """Take a full name apart.

        >>> TableName.parse("projects/p/instances/i/tables/t").table
        't'

        Raises:
            ValueError: the name has another form.
        """
        parts = _TABLE.fullmatch(name)
        if parts is None:
            msg = f"table {name!r}: write projects/PROJECT/instances/INSTANCE/tables/TABLE"
            raise ValueError(msg)
        return cls(*parts.groups())

    @property
    def instance_path(self) -> str:
        """Return the name of the instance that holds the table."""
        return f"projects/{self.project}/instances/{self.instance}"

    def __str__(self) -> str:
        return f"{self.instance_path}/tables/{self.table}"
