"""Any contract, any event of it, and what its row must hold: worked out without the encoder."""

import base64
import hmac
import math
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from schemas.contract_set import Contract, Contracts
from schemas.field_types import FieldType
from tests.schemas.any_event import SHIPPED
from tests.schemas.bigquery_load import micros

SECRET = b"0123456789abcdef"
KEY = b"k1:" + SECRET

_SYMBOLS = ("red", "green")
_NAMES = ["a", "b", "c", "key", "value", "class", "from", "Upper", "event_id", "_x1"]
_PLAIN = [
    "boolean", "int", "long", "float", "double", "bytes", "string", "date", "timestamp-millis",
    "timestamp-micros", "uuid",
]  # fmt: skip
_OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda n: timezone(timedelta(minutes=n)))
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=_OFFSETS)

scalars = (
    st.sampled_from(_PLAIN).map(lambda kind: FieldType(kind=kind))
    | st.integers(1, 38).flatmap(
        lambda digits: st.integers(0, digits).map(
            lambda scale: FieldType(kind="decimal", precision=digits, scale=scale)
        )
    )
    | st.just(FieldType(kind="enum", symbols=_SYMBOLS))
)


@st.composite
def members(draw: Any, inside: Any) -> dict[str, FieldType]:
    names = draw(st.lists(st.sampled_from(_NAMES), max_size=4, unique=True))
    return {name: draw(member(inside)) for name in names}


@st.composite
def member(draw: Any, inside: Any) -> FieldType:
    field = draw(inside)
    nullable = draw(st.booleans())
    default = draw(st.none() | st.just(_DEFAULTS.get(field.kind)))
    ways = [None, None, *(["drop"] * nullable), *(["pseudonymise"] * _is_text(field))]
    return msgspec.structs.replace(
        field,
        nullable=nullable,
        default=default,
        required=not (nullable or default is not None),
        pii=draw(st.sampled_from(ways)),
    )


_DEFAULTS: dict[str, Any] = {"string": "here", "long": 7, "array": [], "map": {}, "boolean": True}


def _is_text(field: FieldType) -> bool:
    return _is_text(field.items) if field.items else field.kind == "string"


def _containers(inside: Any) -> Any:
    items = st.builds(_item, inside, st.booleans())
    return st.builds(
        lambda kind, of: FieldType(kind=kind, items=of), st.sampled_from(["array", "map"]), items
    ) | members(inside).map(lambda fields: FieldType(kind="record", fields=fields))


def _item(field: FieldType, null: bool) -> FieldType:
    return msgspec.structs.replace(field, nullable=null, required=not null)


fields = st.recursive(scalars, _containers, max_leaves=4)


@st.composite
def contracts(draw: Any) -> Contracts:
    """A set with one event type, `thing`, of the domain `shop`."""
    thing = Contract("thing", "shop", "A thing.", draw(members(fields)))
    envelope = dict(SHIPPED.envelope.fields)
    envelope["user_id"] = msgspec.structs.replace(
        envelope["user_id"], pii=draw(st.sampled_from([None, "pseudonymise"]))
    )
    return Contracts({"thing": thing}, msgspec.structs.replace(SHIPPED.envelope, fields=envelope))


def wire_value(field: FieldType) -> Any:
    """Return a strategy of JSON values that a field takes."""
    bare = _wire(field)
    return st.none() | bare if field.nullable else bare


def wire_record(given: dict[str, FieldType]) -> Any:
    known = {name: wire_value(field) for name, field in given.items()}
    return st.fixed_dictionaries(
        {name: known[name] for name in known if given[name].required},
        optional={name: known[name] for name in known if not given[name].required},
    )


def _wire(field: FieldType) -> Any:
    if field.kind == "record":
        return wire_record(field.fields)
    if field.kind == "array":
        return st.lists(wire_value(field.items), max_size=3)
    if field.kind == "map":
        return st.dictionaries(st.text(max_size=3), wire_value(field.items), max_size=3)
    if field.kind == "enum":
        return st.sampled_from(field.symbols)
    if field.kind == "decimal":
        most = 10**field.precision - 1
        numbers = st.integers(-most, most) | st.integers(-9, 9).filter(lambda n: abs(n) <= most)
        return numbers.map(lambda n: format(Decimal((n < 0, _digits(n), -field.scale)), "f"))
    return _WIRE[field.kind]


def _digits(number: int) -> tuple[int, ...]:
    return tuple(map(int, str(abs(number))))


_WIRE: dict[str, Any] = {
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1) | st.sampled_from([2**53 - 1, 2**53, -(2**53)]),
    "float": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "double": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5),
    "bytes": st.binary(max_size=5).map(lambda value: base64.b64encode(value).decode()),
    "string": st.text(max_size=6),
    "date": st.dates().map(date.isoformat),
    "timestamp-millis": TIMES.map(datetime.isoformat),
    "timestamp-micros": TIMES.map(datetime.isoformat),
    "uuid": st.uuids().map(str),
}


def expected(event: dict[str, Any], schema: list[dict[str, Any]], held: Contracts) -> Any:
    """Return the values that the row of an event must have, by column."""
    return _expected_record(event, schema, held.event("thing").fields)


def _expected_record(given: Any, columns: list[dict[str, Any]], known: Any) -> dict[str, Any]:
    row = {}
    for column in columns:
        field = known[column["name"]]
        value = given.get(column["name"], field.default)
        row[column["name"]] = _expected(value, column, field, field.pii == "pseudonymise")
    return row


def _expected(value: Any, column: dict[str, Any], field: FieldType, hide: bool) -> Any:
    if value is None:
        return [] if column.get("mode") == "REPEATED" else None
    if field.kind == "map":
        return [
            {"key": key, **_expected_value(each, column["fields"][1:], field.items, hide)}
            for key, each in sorted(value.items())
        ]
    if field.kind == "array":
        if field.items.nullable or field.items.kind in ("array", "map"):
            return [_expected_value(each, column["fields"], field.items, hide) for each in value]
        return [_expected(each, {**column, "mode": ""}, field.items, hide) for each in value]
    if field.kind == "record":
        return _expected_record(value, column["fields"], field.fields)
    return _hidden(value) if hide else _READ.get(field.kind, lambda same: same)(value)


def _expected_value(value: Any, columns: list[dict[str, Any]], field: Any, hide: bool) -> Any:
    return {each["name"]: _expected(value, each, field, hide) for each in columns}


def _hidden(value: str) -> str:
    digest = hmac.new(SECRET, value.encode(), "sha256").digest()
    return "k1." + base64.urlsafe_b64encode(digest).decode().rstrip("=")


_READ: dict[str, Any] = {
    "float": lambda value: math.fabs(value) if value == 0 else float(value),
    "double": lambda value: math.fabs(value) if value == 0 else float(value),
    "bytes": base64.b64decode,
    "date": date.fromisoformat,
    "timestamp-millis": lambda text: micros(datetime.fromisoformat(text)),
    "timestamp-micros": lambda text: micros(datetime.fromisoformat(text.replace("Z", "+00:00"))),
    "decimal": Decimal,
    "uuid": lambda text: str(UUID(text)),
}
