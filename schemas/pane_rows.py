"""The rows of panes: one of the metric's table `ops.panes_<metric>` per pane.

A row is a JSON object in BigQuery's form. Equal panes have equal rows, whoever makes them, and the
insert id is a digest of the row: a pane that an engine tells again is the same row again.
"""

import base64
import datetime
import hashlib
from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from typing import Any

import msgspec

from schemas.bigquery_json import compile_form, encode_json
from schemas.field_types import FieldType
from schemas.measures import measured
from schemas.metric import Metric, window_name
from schemas.metric_tables import pane_table
from schemas.silver_rows import stamp
from schemas.times import MILLISECOND
from schemas.values import Plain, ValueType
from schemas.window_parts import Pane, WindowPart

__all__ = ["PaneForm", "json_value"]

_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
_decode_key = msgspec.msgpack.Decoder(list[Any]).decode
# Sums are exact, however many digits they have.
_DIGITS = Context(prec=10_000)


class PaneForm:
    """The rows of one metric; picklable, so it can be made anywhere.

    Args:
        metric: whose panes these are.
    """

    def __init__(self, metric: Metric) -> None:
        self.table = pane_table(metric).full_name
        self._metric = metric
        self._windows = {length: window_name(length) for length in metric.windows}
        self._dimensions = [(each.name, _form(each.value)) for each in metric.dimensions]
        self._measures = [(each.name, _form(each.value)) for each in metric.measures]

    def __reduce__(self) -> tuple[type["PaneForm"], tuple[Metric]]:
        return PaneForm, (self._metric,)

    def row(self, pane: Pane) -> tuple[bytes, str]:
        """Return the row of a pane, and its insert id."""
        row = self._values(pane.part)
        row["event_count"] = pane.part.events
        row["pane_index"] = pane.index
        row["timing"] = pane.timing
        row["generation"] = pane.generation
        encoded = encode_json(row)
        about = self._metric.name.encode() + encoded
        insert_id = hashlib.blake2b(about, digest_size=16).hexdigest()
        return b'%b,"insert_id":"%b"}' % (encoded[:-1], insert_id.encode()), insert_id

    def zero(self, length: int, start: int, key: Sequence[Plain | None]) -> dict[str, Any]:
        """Return what the view says of a window without events under a key that is to be filled."""
        encoded = msgspec.msgpack.encode(list(key))
        nothing = [None] * len(self._metric.kept)
        return self.shown(WindowPart(0, length, start, encoded, 0, nothing))

    def shown(self, part: WindowPart) -> dict[str, Any]:
        """Return a row without the columns of its pane, as one that is read back."""
        return {**msgspec.json.decode(encode_json(self._values(part))), "event_count": part.events}

    def _values(self, part: WindowPart) -> dict[str, Any]:
        """Return the columns of window, key and measures; those that are null are left out."""
        row: dict[str, Any] = {
            "window": self._windows[part.length],
            "window_start": msgspec.Raw(stamp(part.start)),
            "window_end": msgspec.Raw(stamp(part.start + part.length)),
        }
        for (name, form), value in zip(self._dimensions, _decode_key(part.key), strict=True):
            if value is not None:
                row[name] = value if form is None else form(value)
        found = measured(self._metric, part.entries)
        for name, form in self._measures:
            value, theta = found[name]
            if value is not None:
                row[name] = value if form is None else form(value)
            if theta is not None:
                row[f"{name}_theta"] = base64.b64encode(theta).decode()
        return row


def json_value(value_type: ValueType, value: Plain | None) -> Any:
    """Return a plain value as a row that is read back has it.

    >>> json_value(ValueType("date"), 1), json_value(ValueType("decimal", 2), 1999)
    ('1970-01-02', '19.99')
    """
    form = _form(value_type)
    return value if form is None or value is None else msgspec.json.decode(encode_json(form(value)))


def _form(value_type: ValueType) -> Callable[[Any], Any] | None:
    """Return what brings plain values into BigQuery's form; None: they are in it."""
    if value_type.kind == "decimal":
        return _Digits(value_type.scale)
    return _FORMS.get(value_type.kind)


class _Digits:
    """A multiple of 10**-scale as text, without an exponent."""

    def __init__(self, scale: int) -> None:
        self._scale = scale

    def __call__(self, value: int) -> str:
        return format(Decimal(value).scaleb(-self._scale, _DIGITS), "f")


def _date(days: int) -> str:
    return datetime.date.fromordinal(_EPOCH_DAY + days).isoformat()


def _micros(value: int) -> msgspec.Raw:
    return msgspec.Raw(stamp(value))


def _millis(value: int) -> msgspec.Raw:
    return msgspec.Raw(stamp(value * MILLISECOND))


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


_FORMS: dict[str, Callable[[Any], Any] | None] = {
    "bytes": _base64,
    "date": _date,
    "timestamp-micros": _micros,
    "timestamp-millis": _millis,
    "long": compile_form(FieldType(kind="long")),
}
