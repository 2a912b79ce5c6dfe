"""Fills columns that a contract gained after an event was curated, from what was unknown then."""

from collections.abc import Mapping
from typing import Any

import msgspec

from schemas.bigquery_json import compile_form, encode_json
from schemas.bigquery_schema import UNKNOWN_FIELDS, has_column
from schemas.contract_set import Contract, Contracts
from schemas.decoder import Decoder, Refusal
from schemas.field_types import FieldType
from schemas.pseudonym import Pseudonymiser, PseudonymKey
from schemas.rejected import Reason
from schemas.surrogates import has_hidden, hide
from schemas.unknown_fields import drift_names, members

__all__ = ["DriftFill"]

_DETAILS = "event_details"
_TYPE = "event_type"
_ENVELOPE = (
    b'{"event_id":"e","event_type":"fill","user_id":"u","event_timestamp":"2026-01-01T00:00:00Z"'
)

_HALF = Refusal(Reason.BAD_VALUE, "drift: half a character (lone surrogate)")

Row = dict[str, Any]
_Rest = dict[str, Any]


class _RefusedError(ValueError):
    """A value does not fit the field that is known now."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


class _Field:
    """Reads values of one field from JSON text, as an event of a contract with that field only."""

    def __init__(
        self, name: str, field: FieldType, contracts: Contracts, key: PseudonymKey | str | None
    ) -> None:
        self._name = name
        optional = msgspec.structs.replace(field, required=False)
        details = {name: optional}
        # The envelope is not looked at, so nothing of it is personal here.
        envelope = {
            each: msgspec.structs.replace(it, pii=None)
            for each, it in contracts.envelope.fields.items()
        }
        only = Contracts(
            {"fill": Contract("fill", "", "", details)},
            msgspec.structs.replace(contracts.envelope, fields=envelope),
        )
        self._decoder = Decoder(only)
        self._pseudonymiser = Pseudonymiser(only, key)
        self._prepare = compile_form(FieldType(kind="record", fields=details))

    def read(self, text: Any) -> tuple[Row, Any]:
        """Return what of a record the value makes, and what of it is unknown still, as JSON text.

        Raises:
            _RefusedError: the value does not fit.
        """
        payload = b'%b,"event_details":{%b:%b}}' % (_ENVELOPE, encode_json(self._name), bytes(text))
        read = self._decoder.read(payload, {}, None)
        if isinstance(read, Refusal):
            raise _RefusedError(read)
        record, _, drift = read
        details = self._pseudonymiser.apply(record).event_details
        if self._prepare is not None:
            details = self._prepare(details)
        known = encode_json(details)
        if has_hidden(known):
            raise _RefusedError(_HALF)
        rest = members(members(drift)[_DETAILS])[self._name] if drift else None
        return msgspec.json.decode(known), rest


class DriftFill:
    """Brings rows to what the contracts know now; holds the key, so it is made where it is used.

    A filled row is the one that the event would have now, made of the same message, but for the
    digest of its content, which is taken of values that a row does not hold, and for defaults of
    fields that the event did not carry.

    Args:
        contracts: as they are now.
        key: for pseudonyms; None where nothing is personal.
    """

    def __init__(self, contracts: Contracts, key: PseudonymKey | str | None) -> None:
        self._contracts, self._key = contracts, key
        self._fields: dict[tuple[str, str], _Field] = {}

    def fill(self, row: Mapping[str, Any], drift: str, ingest_time: str) -> bytes | Refusal | None:
        """Return a row with what is known of its drift now; None: nothing more than before.

        Args:
            row: as it is, parsed.
            drift: what was unknown of its event.
            ingest_time: of the new row.
        """
        contract = self._contracts.types.get(row[_TYPE])
        unknown = set(row.get(UNKNOWN_FIELDS, ()))
        if contract is None or not unknown:
            return None
        details = FieldType(kind="record", fields=contract.fields)
        filled = msgspec.json.decode(encode_json(row))
        given = members(hide(drift.encode()))
        whole = _Walk(self, row[_TYPE], unknown)
        try:
            if _DETAILS in given:
                inside = filled.setdefault(_DETAILS, {})
                left = whole.value(inside, details, given[_DETAILS], _DETAILS)
                given[_DETAILS] = msgspec.Raw(left)
        except _RefusedError as error:
            return error.refusal
        return _ordered(filled, given, details, ingest_time) if whole.found else None

    def field(self, event_type: str, path: str, name: str, field: FieldType) -> _Field:
        """Return what reads the values of a field, compiled once."""
        place = (event_type, path)
        if place not in self._fields:
            self._fields[place] = _Field(name, field, self._contracts, self._key)
        return self._fields[place]


class _Walk:
    """Follows a drift into a row, and puts whole values of fields that are known now in place."""

    def __init__(self, fill: DriftFill, event_type: str, unknown: set[str]) -> None:
        self._fill, self._event_type, self._unknown = fill, event_type, unknown
        self.found = False

    def value(self, held: Any, field: FieldType, text: Any, path: str) -> Any:
        """Fill what a row holds of a field; return what is unknown still, as JSON text.

        A field without a column is held nowhere: None.
        """
        if field.items is None:
            return encode_json(self._record(held, field, members(text), f"{path}."))
        rest = {}
        for place, inner in members(text).items():
            item = _item(held, field, place)
            left = self.value(item, field.items, inner, f"{path}[]")
            rest[place] = msgspec.Raw(left)
        return encode_json(rest)

    def _record(
        self, held: Row | None, record: FieldType, drift: Mapping[str, Any], at: str
    ) -> _Rest:
        rest: _Rest = {}
        for name, text in drift.items():
            field, path = record.fields.get(name), at + name
            if field is None:
                rest[name] = text
            elif path in self._unknown:
                self.found = True
                known, left = self._fill.field(self._event_type, path, name, field).read(text)
                if held is not None:
                    held.update(known)
                if left is not None:
                    rest[name] = left
            else:
                inside = _member(held, name, field)
                rest[name] = msgspec.Raw(self.value(inside, field, text, path))
        return rest


def _member(held: Row | None, name: str, field: FieldType) -> Any:
    if held is None or not has_column(field):
        return None
    return held.setdefault(name, {}) if field.kind == "record" else held[name]


def _item(held: Any, field: FieldType, place: str) -> Any:
    """Return what a row holds of an item of an array, by position, or of a map, by key."""
    assert field.items is not None
    if held is None or not has_column(field.items):
        return None
    if field.kind == "map":
        entry = next(each for each in held if each["key"] == place)
        return entry.setdefault("value", {})
    item = held[int(place)]
    wrapped = field.items.nullable or field.items.items is not None
    return item.setdefault("value", {}) if wrapped else item


def _ordered(row: Row, rest: Mapping[str, Any], details: FieldType, ingest_time: str) -> bytes:
    """Return a row in the order that all rows have, with the names of what is unknown still."""
    fields = {_DETAILS: details}
    names = drift_names(encode_json(rest).decode(), fields)
    row = {**row, "ingest_time": ingest_time, UNKNOWN_FIELDS: names}
    if not names:
        del row[UNKNOWN_FIELDS]
    if not has_column(details):
        row.pop(_DETAILS, None)
    told = ("content_digest", "ingest_time", "message_id", "publish_time", UNKNOWN_FIELDS)
    event = sorted(row.keys() - {_TYPE, *told})
    order = [_TYPE, *event, *(name for name in told if name in row)]
    return encode_json({name: _sorted(row[name]) for name in order})


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value
