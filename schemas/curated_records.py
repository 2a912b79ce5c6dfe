"""Rows of curated tables as records: what programs read of events, read of their rows instead.

Of a row only the asked fields are kept, and what says which of several rows of an event counts.
Values are those of the decoded event after pseudonymising; a field that a row lacks is null, or has
its default where null is none of its values.
"""

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from types import GenericAlias
from typing import Annotated, Any, TypeAlias

import msgspec

from schemas.bigquery_schema import UNKNOWN_FIELDS
from schemas.column_number import column_number
from schemas.contract_set import Contracts
from schemas.current_rows import row_rank
from schemas.field_types import FieldType
from schemas.quality import Relation
from schemas.quality_sql import relation_sql
from schemas.silver_tables import silver_table
from schemas.times import format_rfc3339, micros, parse_rfc3339
from schemas.unfilled import Unfilled, hidden_by

__all__ = ["CuratedRecord", "CuratedRecords", "Paths", "published_of", "rank_of"]

Paths: TypeAlias = Mapping[str, Iterable[str]]
"""By event type, the paths of the single values that are read of its events."""

CuratedRecord: TypeAlias = Any
"""A struct with the asked fields of envelope and `event_details`, and what a row says beside them.

Its event type is `type(record).__struct_config__.tag`; times of the row are RFC 3339 text.
"""

_TYPE, _DETAILS = "event_type", "event_details"
_ALWAYS = ("event_type", "event_id", "event_timestamp")
_BESIDE = ("content_digest", "ingest_time", "message_id", "publish_time", UNKNOWN_FIELDS)
_AWARE = Annotated[datetime, msgspec.Meta(tz=True)]
_KINDS: dict[str, Any] = {
    "boolean": bool,
    "int": int | str,
    "long": int | str,
    "float": float,
    "double": float,
    "bytes": bytes,
    "date": date,
    "timestamp-millis": _AWARE,
    "timestamp-micros": _AWARE,
    "decimal": Decimal,
}
"""The others are text. Integers that readers of JSON would round are written as text."""


class CuratedRecords:
    """Reads rows of the tables of some event types; picklable, its types are made where it is used.

    Args:
        contracts: of all event types.
        paths: what is read; of other types there are no records.
    """

    def __init__(self, contracts: Contracts, paths: Paths) -> None:
        self._given = (contracts, {each: sorted(asked) for each, asked in paths.items()})
        self._paths = {
            name: [path for path in asked if _has_column(contracts, name, path)]
            for name, asked in self._given[1].items()
        }
        structs = [_event(contracts, name, asked) for name, asked in self._paths.items()]
        kind: Any = functools.reduce(operator.or_, structs)
        self._kind = kind
        self._line = msgspec.json.Decoder(kind).decode
        self._pack = msgspec.msgpack.Decoder(GenericAlias(list, kind)).decode
        self._numbers = {
            struct: _numbers_of(contracts, name, self._paths[name])
            for struct, name in zip(structs, self._paths, strict=True)
        }

    def __reduce__(self) -> tuple[type["CuratedRecords"], tuple[Contracts, Paths]]:
        return CuratedRecords, self._given

    @property
    def event_types(self) -> Sequence[str]:
        """The types that there are records of."""
        return list(self._paths)

    def of_line(self, line: bytes) -> CuratedRecord:
        """Return the record of a row as `--rows_output` wrote it; `DecodeError`: it is none."""
        return self._settled(self._line(line))

    def of_parsed(self, row: Mapping[str, Any]) -> CuratedRecord:
        """Return the record of such a line that was parsed; `ValidationError`: it is none."""
        return self._settled(msgspec.convert(row, self._kind))

    def query(self, event_type: str, *, once: bool = False) -> str:
        """Return the query of the rows of a type from `@first` on and before `@end`.

        With `once` of each event the current one of them.
        """
        asked = [f"{_quoted(path)} AS c{n}" for n, path in enumerate(self._paths[event_type])]
        columns = ", ".join(["event_id", "event_timestamp", *_BESIDE, *asked])
        return relation_sql(Relation(silver_table(self._given[0], event_type), once), columns)

    def of_row(self, event_type: str, row: Mapping[str, Any]) -> CuratedRecord:
        """Return the record of a row that `query` gave, as BigQuery's client has it."""
        told: dict[str, Any] = {name: row[name] for name in _BESIDE if row[name] is not None}
        for name in ("ingest_time", "publish_time"):
            if name in told:
                told[name] = format_rfc3339(micros(told[name]))
        whole: dict[str, Any] = {
            _TYPE: event_type,
            "event_id": row["event_id"],
            "event_timestamp": row["event_timestamp"],
            **told,
        }
        for number, path in enumerate(self._paths[event_type]):
            if (value := row[f"c{number}"]) is not None:
                *around, last = path.split(".")
                inside = whole
                for name in around:
                    inside = inside.setdefault(name, {})
                inside[last] = value
        return self._settled(msgspec.convert(whole, self._kind))

    def unpack(self, pack: bytes) -> list[CuratedRecord]:
        """Return the records of a MessagePack array of them."""
        records: list[CuratedRecord] = self._pack(pack)
        return records

    def unfilled(self, record: CuratedRecord) -> Unfilled | None:
        """Return what is read and lacks its value in the row: only the drift has it, or may."""
        if not record.unknown_fields:
            return None
        for path in self._paths[type(record).__struct_config__.tag]:
            hidden = hidden_by(path, record.unknown_fields)
            if hidden is False or (hidden and self._is_unsaid(record, path)):
                return Unfilled(path, masked=hidden)
        return None

    def _is_unsaid(self, record: CuratedRecord, path: str) -> bool:
        """Return whether a record has no more of a path than a row without it gives."""
        value = _Getter(tuple(path.split(".")))(record)
        field = self._given[0].field(type(record).__struct_config__.tag, path)
        return value is None or value == _default(field)

    def _settled(self, record: CuratedRecord) -> CuratedRecord:
        for get, name in self._numbers[type(record)]:
            holder = get(record)
            if holder is not None:
                setattr(holder, name, column_number(getattr(holder, name)))
        return record


def rank_of(record: CuratedRecord) -> Any:
    """Return what decides between records of one event id, as `row_rank` does of rows."""
    return row_rank({name: getattr(record, name) for name in _BESIDE})


def published_of(record: CuratedRecord) -> int | None:
    """Return when the message of a record's row was published, in microseconds."""
    return None if record.publish_time is None else parse_rfc3339(record.publish_time)


def _has_column(contracts: Contracts, event_type: str, path: str) -> bool:
    """Return whether a path is to be read: what a type does not have is null of all its events."""
    if path in _ALWAYS:
        return False
    try:
        contracts.field(event_type, path)
    except KeyError:
        return False
    return True


def _event(contracts: Contracts, event_type: str, paths: Sequence[str]) -> Any:
    known = contracts.event(event_type).fields
    names = [tuple(path.split(".")) for path in paths]
    details = {path[1:] for path in names if path[0] == _DETAILS}
    inside = _record(f"{event_type}_details", known[_DETAILS].fields, details)
    envelope = _members(event_type, known, {path for path in names if path[0] != _DETAILS})
    members: list[Any] = [
        ("event_id", str),
        ("event_timestamp", _AWARE),
        ("content_digest", str),
        ("ingest_time", str),
        ("message_id", str | None, None),
        ("publish_time", str | None, None),
        (UNKNOWN_FIELDS, list[str], []),
        *envelope,
        (_DETAILS, inside, msgspec.field(default_factory=inside)),
    ]
    return msgspec.defstruct(
        event_type, members, kw_only=True, omit_defaults=True, tag_field=_TYPE, tag=event_type
    )


def _record(name: str, fields: Mapping[str, FieldType], paths: Iterable[tuple[str, ...]]) -> Any:
    members = _members(name, fields, paths)
    return msgspec.defstruct(name, members, kw_only=True, omit_defaults=True)


def _members(
    name: str, fields: Mapping[str, FieldType], paths: Iterable[tuple[str, ...]]
) -> list[Any]:
    below: dict[str, set[tuple[str, ...]]] = {}
    for path in paths:
        below.setdefault(path[0], set()).update([path[1:]] if path[1:] else [])
    members: list[Any] = []
    for head, inside in below.items():
        field = fields[head]
        if inside:
            kind = _record(f"{name}_{head}", field.fields, inside)
            members.append((head, kind | None, None))
        else:
            kind = _KINDS.get(field.kind, str)
            members.append((head, kind | None, _default(field)))
    return members


def _default(field: FieldType) -> Any:
    """Return what a row without the field says: it was made before the contract had it, or null."""
    return None if field.nullable or field.pii else field.default


def _numbers_of(
    contracts: Contracts, event_type: str, paths: Iterable[str]
) -> list[tuple[Any, str]]:
    found = []
    for path in paths:
        if contracts.field(event_type, path).kind in ("int", "long", "decimal"):
            around, _, last = path.rpartition(".")
            found.append((_Getter(tuple(filter(None, around.split(".")))), last))
    return found


class _Getter:
    """Follows names into a record; None where one is null."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def __call__(self, record: Any) -> Any:
        for name in self._names:
            record = None if record is None else getattr(record, name)
        return record


def _quoted(path: str) -> str:
    return ".".join(f"`{name}`" for name in path.split("."))
