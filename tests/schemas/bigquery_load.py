"""Loads rows as BigQuery does, strictly: what it would refuse, or could read otherwise, raises."""

import base64
import json
import re
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
_WHOLE = re.compile(r"-?(0|[1-9]\d*)")
_DECIMAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_SAFE = 2**53 - 1


class NotLoadedError(ValueError):
    """A row that BigQuery refuses, or that the suite's own rules do."""


def load(line: bytes, schema: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the values of a row by column: None or [] where it says nothing."""
    need(b"\n" not in line, "one line")
    return _record(json.loads(line, object_pairs_hook=_without_copies), schema, "")


def need(holds: bool, what: str) -> None:
    if not holds:
        raise NotLoadedError(what)


def micros(moment: datetime) -> int:
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _without_copies(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Names of columns do not know upper from lower case.
    need(len({name.lower() for name, _ in pairs}) == len(pairs), "a name twice")
    return dict(pairs)


def _record(row: Any, columns: list[dict[str, Any]], at: str) -> dict[str, Any]:
    need(isinstance(row, dict), f"{at}: no object")
    unknown = row.keys() - {column["name"] for column in columns}
    need(not unknown, f"{at}: no columns {sorted(unknown)}")
    need(None not in row.values(), f"{at}: null is left out")
    return {each["name"]: _value(row, each, f"{at}.{each['name']}") for each in columns}


def _value(row: dict[str, Any], column: dict[str, Any], at: str) -> Any:
    mode = column.get("mode", "NULLABLE")
    if column["name"] not in row:
        need(mode != "REQUIRED", f"{at}: required")
        return [] if mode == "REPEATED" else None
    value = row[column["name"]]
    if mode != "REPEATED":
        return _single(value, column, at)
    need(isinstance(value, list), f"{at}: no list")
    return [_single(each, column, at) for each in value]


def _single(value: Any, column: dict[str, Any], at: str) -> Any:
    kind = column["type"]
    need(value is not None, f"{at}: null in a list")
    if kind == "RECORD":
        need(bool(column["fields"]), f"{at}: a record without columns")
        return _record(value, column["fields"], at)
    if kind in ("NUMERIC", "BIGNUMERIC"):
        return _decimal(value, column, at)
    return _LOADERS[kind](value, at)


def _decimal(value: Any, column: dict[str, Any], at: str) -> Decimal:
    need(isinstance(value, str) and bool(_DECIMAL.fullmatch(value)), f"{at}: no decimal")
    precision, scale = int(column["precision"]), int(column["scale"])
    limits = (29, 9) if column["type"] == "NUMERIC" else (38, 38)
    need(scale <= limits[1] and precision - scale <= limits[0], f"{at}: no such type")
    whole, _, fraction = value.lstrip("-").partition(".")
    need(len(fraction) <= scale, f"{at}: too fine")
    need(len(whole.lstrip("0")) <= precision - scale, f"{at}: too large")
    return Decimal(value)


def _integer(value: Any, at: str) -> int:
    if isinstance(value, str):
        need(bool(_WHOLE.fullmatch(value)), f"{at}: no integer")
    else:
        need(type(value) is int and abs(value) <= _SAFE, f"{at}: not exact in JSON")
    need(-(2**63) <= int(value) < 2**63, f"{at}: out of range")
    return int(value)


def _float(value: Any, at: str) -> float:
    need(type(value) in (int, float), f"{at}: no number")
    return float(value)


def _boolean(value: Any, at: str) -> bool:
    need(type(value) is bool, f"{at}: no boolean")
    return bool(value)


def _string(value: Any, at: str) -> str:
    need(isinstance(value, str), f"{at}: no string")
    return str(value)


def _bytes(value: Any, at: str) -> bytes:
    return base64.b64decode(_string(value, at), validate=True)


def _timestamp(value: Any, at: str) -> int:
    need(bool(_TIME.fullmatch(_string(value, at))), f"{at}: no time in UTC")
    return micros(datetime.fromisoformat(value.replace("Z", "+00:00")))


def _date(value: Any, at: str) -> date:
    need(len(_string(value, at)) == 10, f"{at}: no date")
    return date.fromisoformat(value)


_LOADERS = {
    "INTEGER": _integer,
    "FLOAT": _float,
    "BOOLEAN": _boolean,
    "STRING": _string,
    "BYTES": _bytes,
    "TIMESTAMP": _timestamp,
    "DATE": _date,
}
