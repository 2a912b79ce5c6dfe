"""What a JSON value is worth in a cell: written from docs/bigtable.md, apart from the pipeline."""

import base64
import datetime
import decimal
import hmac
import struct
import uuid
from collections.abc import Callable
from typing import Any, TypeAlias

from schemas.contract import Contracts
from schemas.field_types import FieldType

__all__ = ["Getter", "Pseudonym", "cell_bytes", "getter", "plain", "pseudonym_of", "time_of"]

Getter: TypeAlias = Callable[[dict[str, Any], int], Any]
"""(event as JSON values, event time in microseconds) -> plain value, or None."""
Pseudonym: TypeAlias = Callable[[str], str]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MICRO = datetime.timedelta(microseconds=1)


def getter(
    contracts: Contracts, event_type: str, path: str, pseudonym: Pseudonym | None
) -> Getter | None:
    """Return how to read a path of this event type; None where its contract lacks the path."""
    if path == "event_timestamp":
        return lambda _event, time: time
    if path == "event_type":
        return lambda _event, _time: event_type
    try:
        steps = _steps(contracts, event_type, path)
    except KeyError:
        return None
    last = steps[-1][1]
    hide = pseudonym if any(field.pii for _, field in steps) else None

    def read(event: dict[str, Any], _time: int) -> Any:
        value: Any = event
        for name, field in steps:
            value = value.get(name, field.default)
            if value is None:
                return None
        return hide(value) if hide else plain(last, value)

    return read


def _steps(contracts: Contracts, event_type: str, path: str) -> list[tuple[str, FieldType]]:
    first, *names = path.split(".")
    details = FieldType(kind="record", fields=contracts.types[event_type].fields)
    field = {**contracts.envelope.fields, "event_details": details}[first]
    steps = [(first, field)]
    for name in names:
        field = field.fields[name]
        steps.append((name, field))
    return steps


def plain(field: FieldType, value: Any) -> Any:
    """Return an integer, text, boolean, double or bytes for a JSON value that is not null.

    >>> plain(FieldType(kind="decimal", precision=5, scale=2), "1.5")
    150
    """
    form = _FORMS.get(field.kind)
    return form(field, value) if form else value


def cell_bytes(value: Any) -> bytes:
    """Return the bytes of a plain value in a cell.

    >>> cell_bytes(258).hex(), cell_bytes("é").hex(), cell_bytes(False).hex()
    ('0000000000000102', 'c3a9', '00')
    """
    if isinstance(value, bool):
        return bytes([value])
    if isinstance(value, int):
        return min(max(value, -(2**63)), 2**63 - 1).to_bytes(8, "big", signed=True)
    if isinstance(value, float):
        return struct.pack(">d", value)
    return value.encode() if isinstance(value, str) else bytes(value)


def pseudonym_of(key: bytes) -> Pseudonym:
    """Return the pseudonyms of a key file that holds `<key id>:<secret>`.

    >>> pseudonym_of(b"k1:0123456789abcdef")("ana")
    'k1.RQzo0wCfjCMtbEYHfWXgeDLoevQ5jeYlXI_LNzXkxBE'
    """
    key_id, _, secret = key.rstrip(b"\r\n").partition(b":")

    def hidden(value: str) -> str:
        digest = hmac.new(secret, value.encode(), "sha256").digest()
        return f"{key_id.decode()}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"

    return hidden


def time_of(text: str) -> int:
    """Return the microseconds since the epoch of an RFC 3339 text.

    >>> time_of("1970-01-01T01:00:00.000007+01:00")
    7
    """
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment - _EPOCH) // _MICRO


_FORMS: dict[str, Callable[[FieldType, Any], Any]] = {
    "float": lambda _field, value: float(value) + 0.0,
    "double": lambda _field, value: float(value) + 0.0,
    "uuid": lambda _field, value: str(uuid.UUID(value)),
    "date": lambda _field, value: (datetime.date.fromisoformat(value) - _EPOCH.date()).days,
    "timestamp-micros": lambda _field, value: time_of(value),
    "timestamp-millis": lambda _field, value: time_of(value) // 1_000,
    "decimal": lambda field, value: int(decimal.Decimal(str(value)).scaleb(field.scale)),
    "bytes": lambda _field, value: base64.b64decode(value),
}
