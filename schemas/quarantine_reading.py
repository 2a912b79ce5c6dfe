"""Reads an object of the quarantine that somebody may have damaged, cut or put there."""

import io
import struct
import sys
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import fastavro
import msgspec

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from schemas.archive_avro import BadObjectError, Fault
from schemas.avro_blocks import AvroBlocks, OversizedBlockError
from schemas.quarantine_avro import QUARANTINE_SCHEMA
from schemas.rejected import Rejected
from schemas.times import micros

__all__ = ["proven_records", "records_of"]

_NAME = f"{QUARANTINE_SCHEMA['namespace']}.{QUARANTINE_SCHEMA['name']}"
_FIELDS = Rejected.__struct_fields__
_OPTIONAL = len(Rejected.__struct_defaults__)
_REQUIRED = frozenset(_FIELDS[:-_OPTIONAL])
_DEFAULTS = dict(zip(_FIELDS[-_OPTIONAL:], Rejected.__struct_defaults__, strict=True))
_SYNC_BYTES = 16
_HELD_BYTES = 64_000_000
_RECORD_BYTES = 1_000
_PAIR_BYTES = 200
"""In memory, of a record and of an attribute, what they hold aside."""
# What the Avro reader raises for bytes that are none, are cut or changed; it has no error of its
# own for that, and its lengths are read from the bytes, so memory may not suffice for them.
_DAMAGED = (
    ValueError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError,
    RecursionError, NotImplementedError, zlib.error, struct.error, zstd.ZstdError,
    fastavro.schema.SchemaParseException, fastavro.schema.UnknownType,
)  # fmt: skip


def records_of(content: bytes | None) -> Iterator[Rejected]:
    """Yield the records of an object, which may lack later fields, or have some beyond these.

    Damage may be found after some records; `None` is an object that was deleted meanwhile.

    Raises:
        BadObjectError: why it is none of a quarantine, without a word of what is in it.
    """
    if content is None:
        raise BadObjectError(Fault.MISSING, "was deleted while it was listed")
    if not content:
        raise BadObjectError(Fault.EMPTY, "is empty, and no Avro object")
    try:
        blocks = AvroBlocks(content)
    except _DAMAGED:
        detail = "is no Avro object, or its beginning is damaged"
        raise BadObjectError(Fault.NOT_AVRO, detail) from None
    if not _is_ours(blocks.schema):
        detail = "is Avro, and holds no records of a quarantine"
        raise BadObjectError(Fault.FOREIGN_SCHEMA, detail)
    # An Avro file ends with the marker that is in its head too; the reader does not ask for that.
    if content.count(content[-_SYNC_BYTES:]) < 2:
        raise BadObjectError(Fault.DAMAGED, "is cut or damaged")
    try:
        schema = fastavro.parse_schema(blocks.schema)
        for count, block in blocks:
            rows = io.BytesIO(block)
            for _ in range(count):
                yield _record(fastavro.schemaless_reader(rows, schema, None))
    except OversizedBlockError as error:
        raise BadObjectError(Fault.DAMAGED, f"has {error}") from None
    except _DAMAGED:
        raise BadObjectError(Fault.DAMAGED, "is cut or damaged") from None


def proven_records(content: bytes | None) -> Iterator[Rejected]:
    """Return the records of an object, which is whole; otherwise as `records_of`.

    A small object is decoded once. Of a large one, as a few kilobytes may be, no more than a block
    is held, so it is decoded once as proof, and then again.

    Raises, before the first record is yielded:
        BadObjectError: why it is none of a quarantine.
    """
    held: list[Rejected] = []
    size = 0
    for record in records_of(content):
        size += _estimated_bytes(record)
        held.append(record)
        if size > _HELD_BYTES:
            held.clear()
    return iter(held) if size <= _HELD_BYTES else records_of(content)


def _estimated_bytes(record: Rejected) -> int:
    fields = msgspec.structs.astuple(record)
    texts = sum(len(each) for each in fields if isinstance(each, str | bytes))
    pairs = sum(_PAIR_BYTES + len(name) + len(text) for name, text in record.attributes.items())
    return _RECORD_BYTES + texts + pairs


def _is_ours(schema: Any) -> bool:
    if not isinstance(schema, dict) or schema.get("name") != _NAME:
        return False
    names = {str(field["name"]) for field in schema.get("fields", ())}
    if not names >= _REQUIRED:
        return False
    # Items of an array may take no bytes, so a few of them can say that there are a trillion.
    return not _holds_array(schema)


def _holds_array(kind: Any) -> bool:
    if isinstance(kind, list):
        return any(map(_holds_array, kind))
    if not isinstance(kind, dict):
        return bool(kind == "array")
    inside = (kind.get("type"), kind.get("values"), *kind.get("fields", ()))
    return any(map(_holds_array, inside))


def _record(row: Any) -> Rejected:
    known = {**_DEFAULTS, **row}
    return msgspec.convert([_plain(known[name]) for name in _FIELDS], Rejected)


def _plain(value: object) -> object:
    return micros(value) if isinstance(value, datetime) else value
