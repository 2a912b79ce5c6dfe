"""Values of cells: from what a decoder returns to a plain value, to bytes, and back.

A *plain* value is an integer, string, boolean, double or bytes: it can be merged, compared and sent
between steps without knowing the contract. docs/bigtable.md specifies the bytes.
"""

import datetime
import decimal
import struct
import uuid
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

__all__ = [
    "INT64_MAX",
    "INT64_MIN",
    "Plain",
    "ValueType",
    "decode_value",
    "encode_integer",
    "encode_value",
    "plain_form",
    "to_plain",
]

Plain: TypeAlias = int | str | bool | float | bytes

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_EPOCH_DAY = _EPOCH.date().toordinal()
_MICROSECOND = datetime.timedelta(microseconds=1)
_MILLISECOND = datetime.timedelta(milliseconds=1)
_INT64 = struct.Struct(">q")
_DOUBLE = struct.Struct(">d")

encode_integer = _INT64.pack
"""What `encode_value` gives for an integer that is known to fit 64 bits, quicker."""


class ValueType(msgspec.Struct, frozen=True):
    """The kind of a value, named as in the contracts, and the scale of a decimal."""

    kind: str
    scale: int = 0


def encode_value(value: Plain) -> bytes:
    """Return the bytes of a cell that holds this plain value; integers beyond int64 saturate.

    >>> encode_value(-2).hex(), encode_value("é").hex(), encode_value(True).hex()
    ('fffffffffffffffe', 'c3a9', '01')
    """
    try:
        return _ENCODERS[type(value)](value)
    except struct.error:
        # Of all plain values only integers can be too large to be packed.
        return _INT64.pack(INT64_MAX if isinstance(value, int) and value > 0 else INT64_MIN)


def decode_value(value_type: ValueType, encoded: bytes) -> Any:
    """Return what a cell's bytes mean: the type that the contract's decoder gives for this kind.

    A `ValueError` means bytes of another kind.

    >>> decode_value(ValueType("decimal", 2), encode_value(1999))
    Decimal('19.99')
    """
    try:
        return _DECODERS[value_type.kind](encoded, value_type.scale)
    except struct.error as error:
        message = f"{len(encoded)} bytes are no {value_type.kind}"
        raise ValueError(message) from error


def to_plain(value_type: ValueType, value: Any) -> Plain:
    """Return the plain form of a decoded value that is not null.

    >>> to_plain(ValueType("date"), datetime.date(1970, 1, 3))
    2
    """
    form = plain_form(value_type)
    plain: Plain = value if form is None else form(value)
    return plain


def plain_form(value_type: ValueType) -> Callable[[Any], Plain] | None:
    """Return the function that makes decoded values plain; None where they are plain already."""
    if value_type.kind == "decimal":
        return _Scaled(value_type.scale)
    return _PLAIN.get(value_type.kind)


class _Scaled:
    """Decimal -> its integer multiple of 10**-scale, without rounding."""

    def __init__(self, scale: int) -> None:
        self._scale = scale

    def __call__(self, value: decimal.Decimal) -> int:
        return int(value.scaleb(self._scale))


def _without_negative_zero(value: float) -> float:
    """0.0 and -0.0 are equal but have two encodings: the order of arrival must not choose."""
    return value + 0.0


def _days(value: datetime.date) -> int:
    return value.toordinal() - _EPOCH_DAY


def _micros(value: datetime.datetime) -> int:
    return (value - _EPOCH) // _MICROSECOND


def _millis(value: datetime.datetime) -> int:
    return (value - _EPOCH) // _MILLISECOND


_PLAIN: dict[str, Callable[[Any], Plain]] = {
    "float": _without_negative_zero,
    "double": _without_negative_zero,
    "date": _days,
    "timestamp-micros": _micros,
    "timestamp-millis": _millis,
    "uuid": str,
}

_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    int: _INT64.pack,
    str: str.encode,
    bool: lambda value: b"\x01" if value else b"\x00",
    float: _DOUBLE.pack,
    bytes: bytes,
}


def _int(encoded: bytes, _scale: int) -> int:
    return int(_INT64.unpack(encoded)[0])


def _double(encoded: bytes, _scale: int) -> float:
    return float(_DOUBLE.unpack(encoded)[0])


def _text(encoded: bytes, _scale: int) -> str:
    return encoded.decode()


def _boolean(encoded: bytes, _scale: int) -> bool:
    return bool(struct.unpack(">?", encoded)[0])


_DECODERS: dict[str, Callable[[bytes, int], Any]] = {
    "int": _int,
    "long": _int,
    "float": _double,
    "double": _double,
    "boolean": _boolean,
    "string": _text,
    "enum": _text,
    "uuid": lambda encoded, _scale: uuid.UUID(encoded.decode()),
    "bytes": lambda encoded, _scale: encoded,
    "date": lambda encoded, scale: datetime.date.fromordinal(_EPOCH_DAY + _int(encoded, scale)),
    "timestamp-micros": lambda encoded, scale: _EPOCH + _int(encoded, scale) * _MICROSECOND,
    "timestamp-millis": lambda encoded, scale: _EPOCH + _int(encoded, scale) * _MILLISECOND,
    "decimal": lambda encoded, scale: decimal.Decimal(_int(encoded, scale)).scaleb(-scale),
}
