"""The oracle in plain SQL: duckdb reads raw messages from a file and says what tables must hold.

The SQL is `tests/emulators/oracle.sql`. Nothing of the suite is imported; of it only the files of
the contracts are read.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

__all__ = ["METRICS", "Oracle", "Raw", "plain", "write_raw"]

METRICS = {
    "activity": ("event_type", "country"),
    "event_age": ("event_type",),
    "lesson_funnel": ("course_id",),
    "purchases": ("currency",),
    "rejects": ("reason", "step"),
}
"""The shipped metrics, and the key of their windows."""

_SQL = Path(__file__).parent / "emulators" / "oracle.sql"
_CONTRACTS = Path(__file__).parents[1] / "schemas" / "contracts" / "*" / "*.avsc"
_RAW = "{message_id: 'VARCHAR', published: 'BIGINT', encoding: 'VARCHAR', payload: 'VARCHAR'}"
_CONTRACT = "{name: 'VARCHAR', domain: 'VARCHAR', fields: 'JSON[]'}"
_BLOCK = 64
_INNER, _OUTER = 0x36, 0x5C
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Raw(NamedTuple):
    """A message as it was published, at a time in microseconds."""

    message_id: str
    published: int
    payload: bytes
    attributes: Mapping[str, str]


def write_raw(messages: Iterable[Raw], path: Path) -> Path:
    """Write messages as the oracle reads them: NDJSON, payloads in base64."""
    lines = (
        {
            "message_id": each.message_id,
            "published": each.published,
            "encoding": each.attributes.get("content-encoding"),
            "payload": base64.b64encode(each.payload).decode(),
        }
        for each in messages
    )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


class Oracle:
    """What a file of raw messages comes to.

    Args:
        raw: from `write_raw`.
        key: of the pseudonyms, `<id>:<secret>`, the secret of up to 64 bytes.
        windows: lengths in microseconds by name.
        span: of a recomputation, in microseconds.
    """

    def __init__(
        self, raw: Path, key: str, windows: Mapping[str, int], span: tuple[int, int] = (0, 0)
    ) -> None:
        self._sql = duckdb.connect()
        run = self._sql.execute
        run(
            f"CREATE TABLE raw AS FROM read_json('{raw}', format = 'newline_delimited', "
            f"columns = {_RAW}, maximum_object_size = 8000000)"
        )
        run(
            "CREATE TABLE contract AS SELECT name AS event_type, domain, fields "
            f"FROM read_json('{_CONTRACTS}', columns = {_CONTRACT})"
        )
        run("CREATE TABLE lengths (name VARCHAR, micros BIGINT)")
        run("CREATE TABLE late (event_id VARCHAR, told VARCHAR)")
        self._sql.executemany("INSERT INTO lengths VALUES (?, ?)", [*windows.items()])
        key_id, _, secret = key.partition(":")
        block = secret.encode().ljust(_BLOCK, b"\0")
        for name, pad in (("inner_block", _INNER), ("outer_block", _OUTER)):
            run(f"SET VARIABLE {name} = '{bytes(byte ^ pad for byte in block).hex()}'")
        run(f"SET VARIABLE key_id = '{key_id}'")
        run(f"SET VARIABLE span_from = {span[0]}")
        run(f"SET VARIABLE span_to = {span[1]}")
        run(_SQL.read_text())

    def leave_out(self, late: Iterable[tuple[str, str]]) -> None:
        """Leave events out of windows, `(event id, <metric>/<window>)`, and out of no others."""
        self._sql.execute("DELETE FROM late")
        if found := [*late]:
            self._sql.executemany("INSERT INTO late VALUES (?, ?)", found)

    def count_only(self, messages: str) -> None:
        """Count in windows the messages of a table or view alone."""
        self._sql.execute("DELETE FROM counted")
        self._sql.execute(f"INSERT INTO counted SELECT message_id FROM {messages}")

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a table or view in the form of `plain`; JSON is parsed."""
        found = self._sql.execute(f"SELECT * FROM {name}")
        columns = [(column[0], str(column[1])) for column in found.description or ()]
        return [plain(dict(map(_member, columns, row))) for row in found.fetchall()]


def _member(column: tuple[str, str], value: Any) -> tuple[str, Any]:
    name, kind = column
    return name, json.loads(value) if kind == "JSON" and value is not None else value


def plain(value: Any) -> Any:
    """Bring a value of either database into one form: times in microseconds, no nulls.

    >>> plain({"a": Decimal("1.50"), "b": None, "c": [], "d": {"e": date(2026, 1, 31)}})
    {'a': '1.5', 'd': {'e': '2026-01-31'}}
    """
    if isinstance(value, Mapping):
        told = {name: plain(each) for name, each in value.items()}
        return {name: each for name, each in told.items() if each not in (None, [])}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        passed = value - _EPOCH
        return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return value
