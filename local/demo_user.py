"""One user's row of the demo, as a reader sees it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from local.tables import read_cells
from schemas.bigtable_table import TableName
from schemas.contract import load_contracts
from schemas.feature_set import load_features
from schemas.tiles import fold_row

__all__ = ["SPANS", "UserRow", "busiest_user"]

SPANS = ("1h", "24h", "30d")
"""The spans over which tiles are folded."""


class UserRow(NamedTuple):
    """A row key, the time at which it is read in microseconds, and its features by name.

    A last value is a value; a feature of tiles a value for each of `SPANS`.
    """

    key: str
    at: int
    features: dict[str, Any]


def busiest_user(truth: Mapping[str, Any], table: TableName) -> UserRow:
    """Read the busiest user at the time of its last event."""
    users = {key: rows[0] for key, rows in truth["rows"].items() if "#user#" in key}
    key = max(users, key=lambda name: (_tiles(users[name]), name))
    at = max(content["ms"] for content in users[key]["state"].values()) * 1_000
    features = next(
        one for one in load_features(None, load_contracts(None)) if one.entity == "user"
    )
    return UserRow(key, at, dict(fold_row(read_cells(table, key.encode()), features, SPANS, at)))


def _tiles(row: Mapping[str, Any]) -> int:
    return sum(content["n"] for tiles in row["tiles"].values() for content in tiles.values())
