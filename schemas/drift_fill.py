"""Fills columns that a contract gained after an event was curated, from what was unknown then."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from schemas.bigquery_json import encode_json
from schemas.bigquery_schema import UNKNOWN_FIELDS, has_column
from schemas.contract_set import Contracts
from schemas.decoder import Refusal
from schemas.drift_field import DriftField, RefusedValueError
from schemas.field_types import FieldType, holds_record
from schemas.pseudonym import Key, ring_of
from schemas.pseudonym_key import PseudonymKey
from schemas.rejected import Reason
from schemas.surrogates import hide
from schemas.times import parse_rfc3339
from schemas.unfilled import may_be_masked
from schemas.unknown_fields import drift_names, elements, members

__all__ = ["DriftFill"]

_DETAILS = "event_details"
_TYPE = "event_type"

Row = dict[str, Any]
_Rest = dict[str, Any]


class DriftFill:
    """Brings rows to what the contracts know now; holds the key, so it is made where it is used.

    A filled row is the one that the event would have now, made of the same message, but for the
    digest of its content, which is taken of values that a row does not hold, and for defaults of
    fields that may be null: whether such a null was sent, nothing tells. A row can be filled
    whenever its contract gains a field, always from the same drift.

    Args:
        contracts: as they are now.
        key: for pseudonyms; of several the one that made those of the row, by its publish time or,
            where it has none, its event time. None where nothing is personal.
    """

    def __init__(self, contracts: Contracts, key: Key) -> None:
        self._contracts, self._ring = contracts, ring_of(contracts, key)
        keys = self._ring.keys if self._ring else (None,)
        self._readers = [_Readers(contracts, each) for each in keys]

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
        readers = self._readers_of(row)
        whole = _Walk(readers, row[_TYPE], unknown)
        try:
            if _DETAILS in given:
                inside = filled.setdefault(_DETAILS, {})
                given[_DETAILS] = whole.value(inside, details, given[_DETAILS], _DETAILS)
                if whole.found:
                    _Defaults(readers, row[_TYPE]).value(inside, details, _DETAILS)
        except RefusedValueError as error:
            return error.refusal
        names = drift_names(encode_json(given).decode(), {_DETAILS: details})
        if not whole.found or names == row[UNKNOWN_FIELDS]:
            return None
        return _ordered(filled, names, details, ingest_time)

    def _readers_of(self, row: Mapping[str, Any]) -> "_Readers":
        if self._ring is None or len(self._readers) == 1:
            return self._readers[0]
        time = parse_rfc3339(row.get("publish_time") or row["event_timestamp"])
        return self._readers[self._ring.place(time)]


class _Readers:
    """What reads the values of each field, with one key."""

    def __init__(self, contracts: Contracts, key: PseudonymKey | None) -> None:
        self._contracts, self._key = contracts, key
        self._fields: dict[tuple[str, str], DriftField] = {}

    def field(self, event_type: str, path: str, name: str, field: FieldType) -> DriftField:
        """Return what reads the values of a field, compiled once."""
        place = (event_type, path)
        if place not in self._fields:
            self._fields[place] = DriftField(name, field, self._contracts, self._key)
        return self._fields[place]


class _Walk:
    """Follows a drift into a row, and puts whole values of fields that are known now in place."""

    def __init__(self, readers: _Readers, event_type: str, unknown: set[str]) -> None:
        self._readers, self._event_type, self._unknown = readers, event_type, unknown
        self.found = False

    def value(self, held: Any, field: FieldType, text: Any, path: str) -> Any:
        """Fill what a row holds of a field; return what is unknown still, as JSON text.

        The text is the drift of the field: its unknown parts alone, or, where it was unknown whole
        when its event came, all of it. A field without a column is held nowhere: None.
        """
        if field.items is None:
            return msgspec.Raw(encode_json(self._record(held, field, members(text), f"{path}.")))
        rest = {
            place: self.value(_item(held, field, place), field.items, inner, f"{path}[]")
            for place, inner in _places(text)
            if _opens(inner)
        }
        return msgspec.Raw(encode_json(rest))

    def _record(
        self, held: Row | None, record: FieldType, drift: Mapping[str, Any], at: str
    ) -> _Rest:
        rest: _Rest = {}
        for name, text in drift.items():
            field, path = record.fields.get(name), at + name
            if field is None:
                rest[name] = text
            elif self._was_unknown(path, name):
                self.found = True
                known, left = self._readers.field(self._event_type, path, name, field).read(text)
                if held is not None:
                    held.update(known)
                if left is not None:
                    rest[name] = left
            # What is known all through was filled before.
            elif holds_record(field) and _opens(text):
                rest[name] = self.value(_member(held, name, field), field, text, path)
        return rest

    def _was_unknown(self, path: str, name: str) -> bool:
        """Return whether a field was unknown to the row; it is said again where nothing tells."""
        return path in self._unknown or may_be_masked(path, name, self._unknown)


class _Defaults:
    """Puts defaults in place of fields that a row lacks and that cannot be null."""

    def __init__(self, readers: _Readers, event_type: str) -> None:
        self._readers, self._event_type = readers, event_type

    def value(self, held: Any, field: FieldType, path: str) -> None:
        """Complete what a row holds of a field."""
        if field.items is None:
            self._record(held, field, f"{path}.")
        elif holds_record(field.items) and has_column(field.items):
            for each in held:
                item = each.get("value") if field.kind == "map" or _is_wrapped(field) else each
                if item is not None:
                    self.value(item, field.items, f"{path}[]")

    def _record(self, held: Row, record: FieldType, at: str) -> None:
        for name, field in record.fields.items():
            if not has_column(field):
                continue
            if name not in held and field.default is not None and not field.nullable:
                read = self._readers.field(self._event_type, at + name, name, field)
                held.update(read.absent())
            elif name in held and holds_record(field):
                self.value(held[name], field, at + name)


def _member(held: Row | None, name: str, field: FieldType) -> Any:
    if held is None or not has_column(field):
        return None
    return held.setdefault(name, _nothing(field))


def _item(held: Any, field: FieldType, place: str) -> Any:
    """Return what a row holds of an item of an array, by position, or of a map, by key."""
    assert field.items is not None
    if held is None or not has_column(field.items):
        return None
    if field.kind == "map":
        entry = next(each for each in held if each["key"] == place)
        return entry.setdefault("value", _nothing(field.items))
    if int(place) >= len(held):
        # They had no column, and a drift tells of some items only.
        detail = "drift: the row lacks the items of a list; curate its span again from the archive"
        raise RefusedValueError(Refusal(Reason.BAD_VALUE, detail))
    item = held[int(place)]
    return item.setdefault("value", _nothing(field.items)) if _is_wrapped(field) else item


def _nothing(field: FieldType) -> Any:
    return {} if field.kind == "record" else []


def _is_wrapped(array: FieldType) -> bool:
    """Return whether the items of an array stand in a record of their own."""
    assert array.items is not None
    return array.items.nullable or array.items.items is not None


def _opens(text: Any) -> bool:
    """Return whether JSON text is an object or an array."""
    return bytes(text).lstrip()[:1] in (b"{", b"[")


def _places(text: Any) -> Iterable[tuple[str, Any]]:
    """Return the items of an array or a map, of which a drift has some by their place."""
    if bytes(text).lstrip()[:1] == b"{":
        return members(text).items()
    return ((str(place), each) for place, each in enumerate(elements(text)))


def _ordered(row: Row, names: Sequence[str], details: FieldType, ingest_time: str) -> bytes:
    """Return a row in the order that all rows have, with the names of what is unknown still."""
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
