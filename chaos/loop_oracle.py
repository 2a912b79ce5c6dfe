"""The oracle of the loop: what tables, rows and quarantine must hold, told by duckdb.

It is told from raw messages alone. Nothing of the suite is imported: of it only the declarations of
contracts and features are read. The rules are `loop_oracle.sql`, and for features what
`_contributions` makes of their files. Declarations are trusted, so queries are put together.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import yaml

__all__ = ["LoopOracle", "OracleCell", "RawMessage"]

_SQL = Path(__file__).with_suffix(".sql")
_SCHEMAS = Path(__file__).parents[1] / "schemas"
_RAW = "{message_id: 'VARCHAR', published: 'BIGINT', encoding: 'VARCHAR', payload: 'VARCHAR'}"
_CONTRACT = "{name: 'VARCHAR', domain: 'VARCHAR', fields: 'JSON[]'}"
_MOST_BYTES = 8_000_000
_MILLIS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_OF_EVENT = {
    "event_type": "event_type",
    "user_id": "user_id",
    "session_id": "session_id",
    "event_timestamp": "CAST(happened AS VARCHAR)",
}
_DETAILS = "event_details."
_TEXT = ("string", "enum", "uuid")
_FOLDS = {
    "count": "CAST(count(*) AS VARCHAR)",
    "sum": "CAST(sum(CAST(value AS BIGINT)) AS VARCHAR)",
    "min": "CAST(min(CAST(value AS BIGINT)) AS VARCHAR)",
    "max": "CAST(max(CAST(value AS BIGINT)) AS VARCHAR)",
    "approx_distinct": "CAST(count(DISTINCT value) AS VARCHAR)",
}


class RawMessage(NamedTuple):
    """A message as it was published, at a time in microseconds."""

    message_id: str
    published: int
    payload: bytes
    attributes: Mapping[str, str]


class OracleCell(NamedTuple):
    """What a reader must find in one place: of a tile its start and number of events.

    `at` is a last value's time or a tile's start, in milliseconds; `n` is 0 of a last value. `form`
    tells what `value` is: `text`, `integer` or `distinct`, a number of distinct values.
    """

    entity: str
    key: str
    name: str
    at: int
    n: int
    form: str
    value: str


class LoopOracle:
    """What raw messages come to.

    Args:
        messages: all of them, each once.
        file: a new file to which they are written as they are read: JSON lines, payloads in base64.
        windows: lengths in microseconds by name.
        late: what live jobs said came too late: event ids, and for what, `tile` or a window.
    """

    def __init__(
        self,
        messages: Iterable[RawMessage],
        file: Path,
        windows: Mapping[str, int],
        late: Iterable[tuple[str, str]] = (),
    ) -> None:
        file.write_text("".join(map(_line, messages)))
        self._db = duckdb.connect()
        run = self._db.execute
        run("SET threads = 1")
        run(
            f"CREATE TABLE raw AS FROM read_json('{file}', format = 'newline_delimited', "
            f"columns = {_RAW}, maximum_object_size = {_MOST_BYTES})"
        )
        contracts = _SCHEMAS / "contracts" / "*" / "*.avsc"
        run(
            "CREATE TABLE contract AS SELECT name AS event_type, domain, fields "
            f"FROM read_json('{contracts}', columns = {_CONTRACT})"
        )
        run("CREATE TABLE lengths (name VARCHAR, micros BIGINT)")
        run("CREATE TABLE late (event_id VARCHAR, told VARCHAR)")
        for table, rows in (("lengths", windows.items()), ("late", late)):
            if listed := [*rows]:
                self._db.executemany(f"INSERT INTO {table} VALUES (?, ?)", listed)
        run(_SQL.read_text())
        run(f"CREATE TABLE contribution AS {' UNION ALL '.join(_contributions())}")

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return what a query finds, by column."""
        found = self._db.execute(query)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def cells(self, *, leaves_out_late: bool) -> list[OracleCell]:
        """Return the last values, to which late events belong too, and the tiles."""
        late = "(SELECT event_id FROM late WHERE told = 'tile')"
        without = f"WHERE event_id NOT IN {late}" if leaves_out_late else ""
        tiles = (
            f"SELECT entity, key, name, ms // tile * tile AS at, count(*) AS n, {_FOLDS[fold]!s}, "
            f"'{fold}' AS fold FROM (FROM contribution {without}) "
            f"WHERE fold = '{fold}' GROUP BY ALL"
            for fold in _FOLDS
        )
        last = (
            "SELECT entity, key, name, max(ms) AS at, 0 AS n, max_by(value, (ms, event_id)), "
            "max_by(form, (ms, event_id)) FROM contribution WHERE fold = 'state' GROUP BY ALL"
        )
        found = self._db.execute(" UNION ALL ".join([last, *tiles])).fetchall()
        forms = {"text": "text", "approx_distinct": "distinct"}
        return [
            OracleCell(entity, key, name, at, n, forms.get(fold, "integer"), value)
            for entity, key, name, at, n, value, fold in found
        ]

    def disputed(self) -> set[tuple[str, str]]:
        """Return entity and key of all that ids in conflict touch: either content may be kept."""
        rivals = self.rows("FROM rival")
        users = {("user", row["user_id"]) for row in rivals}
        return users | {("session", row["session_id"]) for row in rivals if row["session_id"]}


def _line(message: RawMessage) -> str:
    told = {
        "message_id": message.message_id,
        "published": message.published,
        "encoding": message.attributes.get("content-encoding"),
        "payload": base64.b64encode(message.payload).decode(),
    }
    return json.dumps(told) + "\n"


def _contributions() -> Iterator[str]:
    """Yield a query for each declared last value and feature: what each accepted event adds."""
    for file in sorted((_SCHEMAS / "features").glob("*.yaml")):
        spec = yaml.safe_load(file.read_text())
        listed = [{**each, "aggregate": "state"} for each in spec.get("state") or ()]
        for entry in [*listed, *(spec.get("features") or ())]:
            yield _contribution(spec, entry)


def _contribution(spec: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    field, where = entry.get("field"), entry.get("where") or {}
    value, form = ("'1'", "'integer'") if field is None else (_value(field), _form(field))
    tests = [f"{_OF_EVENT[spec['key']]} IS NOT NULL", f"{value} IS NOT NULL"]
    for path, wanted in where.items():
        allowed = wanted if isinstance(wanted, list) else [wanted]
        texts = ", ".join(f"'{_text(each)}'" for each in allowed)
        tests.append(f"{_value(path)} IN ({texts})")
    tile = str(entry.get("tile", spec.get("tile", "1h")))
    return (
        f"SELECT '{spec['entity']}' AS entity, {_OF_EVENT[spec['key']]} AS key, "
        f"'{entry['name']}' AS name, '{entry['aggregate']}' AS fold, "
        f"{int(tile[:-1]) * _MILLIS[tile[-1]]} AS tile, happened // 1000 AS ms, event_id, "
        f"{value} AS value, {form} AS form FROM accepted AS event WHERE {' AND '.join(tests)}"
    )


def _value(path: str) -> str:
    return _OF_EVENT.get(path) or _member(path, "text")


def _form(path: str) -> str:
    if path in _OF_EVENT:
        return "'integer'" if path == "event_timestamp" else "'text'"
    kinds = ", ".join(f"'{kind}'" for kind in _TEXT)
    return f"CASE WHEN {_member(path, 'kind')} IN ({kinds}) THEN 'text' ELSE 'integer' END"


def _member(path: str, column: str) -> str:
    name = path.removeprefix(_DETAILS)
    return (
        f"(SELECT {column} FROM member WHERE member.message_id = event.message_id "
        f"AND member.name = '{name}')"
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
