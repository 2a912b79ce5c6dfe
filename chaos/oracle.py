"""The oracle: duckdb reads raw messages and says what cells, windows and quarantine must hold.

The SQL is `oracle.sql` beside this file. Nothing of the suite is imported; of it only the files of
its declarations are read.
"""

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import yaml

__all__ = ["Expected", "Oracle", "Raw"]

_SCHEMAS = Path(__file__).parents[1] / "schemas"
_CONTRACT = "{name: 'VARCHAR', fields: 'JSON[]'}"
_MICROS = {"m": 60_000_000, "h": 3_600_000_000}
_RULE = "rule INTEGER, kind VARCHAR, owner VARCHAR, key VARCHAR, name VARCHAR, aggregate VARCHAR"
_TABLES = {
    "rule": f"{_RULE}, field VARCHAR, conditions INTEGER",
    "condition": "rule INTEGER, path VARCHAR, allowed VARCHAR[]",
    "dimension": "metric VARCHAR, place INTEGER, path VARCHAR",
    "length": "metric VARCHAR, name VARCHAR, micros BIGINT",
    "raw": "seed BIGINT, message_id VARCHAR, published BIGINT, encoding VARCHAR, payload VARCHAR",
}
_MEASURES = {"count", "sum", "min", "max", "approx_distinct"}


class Raw(NamedTuple):
    """A message as it was published, at a time in microseconds."""

    message_id: str
    published: int
    payload: bytes
    attributes: Mapping[str, str]


class Expected(NamedTuple):
    """What must come of the messages of one seed.

    Args:
        state: (entity, id, name) -> (event time in ms, value).
        tiles: (entity, id, feature, start) -> (number of events, value).
        windows: (metric, window, start, key) -> {measure: value}, with `event_count`.
        rejected: message id -> reason.
        rivals: ids of events of which there are several contents.
        rival_ids: of users and sessions of such events.
        unsure: (metric, window, start) that depend on which message was kept.
    """

    state: dict[tuple[str, str, str], tuple[int, str]]
    tiles: dict[tuple[str, str, str, int], tuple[int, int]]
    windows: dict[tuple[str, str, int, tuple[str | None, ...]], dict[str, int]]
    rejected: dict[str, str]
    rivals: set[str]
    rival_ids: set[str]
    unsure: set[tuple[str, str, int]]


class Oracle:
    """One connection, for as many seeds as are asked; many at once are quicker."""

    def __init__(self) -> None:
        self._sql = duckdb.connect(config={"threads": 1})
        for name, columns in _TABLES.items():
            self._sql.execute(f"CREATE TABLE {name} ({columns})")
        contracts = _SCHEMAS / "contracts" / "*" / "*.avsc"
        self._sql.execute(
            "CREATE TABLE contract AS SELECT name AS event_type, fields "
            f"FROM read_json('{contracts}', columns = {_CONTRACT})"
        )
        self._declare()
        self._script = (Path(__file__).parent / "oracle.sql").read_text()

    def expect(self, seeds: Mapping[int, Iterable[Raw]]) -> dict[int, Expected]:
        """Return what must come of the messages of each seed."""
        self._sql.execute("DELETE FROM raw")
        self._fill("raw", [row for seed, raws in seeds.items() for row in _rows(seed, raws)])
        self._sql.execute(self._script)
        found: defaultdict[int, Expected] = defaultdict(
            lambda: Expected({}, {}, {}, {}, set(), set(), set())
        )
        for seed, entity, entity_id, name, ms, value in self._read("state"):
            found[seed].state[entity, entity_id, name] = ms, value
        for seed, entity, entity_id, name, start, n, value in self._read("tile"):
            found[seed].tiles[entity, entity_id, name, start] = n, value
        for seed, *place, key, events in self._read("counted"):
            found[seed].windows[_window(place, key)] = {"event_count": events}
        for seed, *place, key, name, value in self._read("measured"):
            found[seed].windows[_window(place, key)][name] = value
        for seed, event_id, user, session, _ in self._read("rival"):
            found[seed].rivals.add(event_id)
            found[seed].rival_ids.update((user, session))
        for seed, *place in self._read("unsure"):
            found[seed].unsure.add(tuple(place))
        refused = "(SELECT seed, message_id, reason FROM judged WHERE reason IS NOT NULL)"
        for seed, message_id, reason in self._read(refused):
            found[seed].rejected[message_id] = reason
        return {seed: found[seed] for seed in seeds}

    def _read(self, table: str) -> list[Any]:
        return self._sql.execute(f"SELECT * FROM {table}").fetchall()

    def _fill(self, table: str, rows: list[Any]) -> None:
        if rows:
            columns = ", ".join(["unnest(?)"] * len(rows[0]))
            self._sql.execute(
                f"INSERT INTO {table} SELECT {columns}", [*map(list, zip(*rows, strict=True))]
            )

    def _declare(self) -> None:
        tables = _Declared()
        for path in sorted((_SCHEMAS / "features").glob("*.yaml")):
            tables.features(yaml.safe_load(path.read_text()))
        for path in sorted((_SCHEMAS / "metrics").glob("*.yaml")):
            tables.metric(yaml.safe_load(path.read_text()))
        for name, rows in tables.rows.items():
            self._fill(name, rows)


class _Declared:
    """What the declarations come to as rows."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Any]] = {name: [] for name in _TABLES if name != "raw"}

    def features(self, told: dict[str, Any]) -> None:
        """Take a feature file."""
        entity, key = told["entity"], told["key"]
        for each in told["state"]:
            self._rule("state", entity, key, each, None)
        for each in told["features"]:
            self._rule("tile", entity, key, each, each["aggregate"])

    def metric(self, told: dict[str, Any]) -> None:
        """Take a metric file."""
        name = told["name"]
        for window in told["windows"]:
            length = int(window[:-1]) * _MICROS[window[-1]]
            self.rows["length"].append((name, window, length))
        if told.get("source") == "rejects":
            return
        dimensions = told["dimensions"]
        paths = dimensions.values() if isinstance(dimensions, dict) else dimensions
        self.rows["dimension"] += [(name, place, path) for place, path in enumerate(paths)]
        self._rule("metric", name, None, {"name": name, "where": told.get("where", {})}, None)
        for each in told["measures"]:
            if each["measure"] in _MEASURES:
                self._rule("measure", name, None, each, each["measure"])

    def _rule(
        self, kind: str, owner: str, key: str | None, told: dict[str, Any], aggregate: str | None
    ) -> None:
        number = len(self.rows["rule"])
        where = told.get("where", {})
        row = (number, kind, owner, key, told["name"], aggregate, told.get("field"), len(where))
        self.rows["rule"].append(row)
        for path, allowed in where.items():
            several = allowed if isinstance(allowed, list) else [allowed]
            self.rows["condition"].append((number, path, [*map(_text, several)]))


def _window(
    place: list[Any], key: list[str | None]
) -> tuple[str, str, int, tuple[str | None, ...]]:
    metric, window, start = place
    return metric, window, start, tuple(key)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _rows(seed: int, raws: Iterable[Raw]) -> Iterator[tuple[Any, ...]]:
    for each in raws:
        encoding = each.attributes.get("content-encoding")
        payload = base64.b64encode(each.payload).decode()
        yield seed, each.message_id, each.published, encoding, payload
