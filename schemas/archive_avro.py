"""Messages as they arrived, as an Avro object container file: what the raw archive keeps."""

import hashlib
import io
import sys
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import fastavro
import msgspec
from fastavro.schema import SchemaParseException, UnknownType

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from schemas.events import RawEvent

__all__ = ["ARCHIVE_SCHEMA", "CODECS", "BadObjectError", "digest_of", "from_avro", "to_avro"]

CODECS = {"zstd": "zstandard", "deflate": "deflate", "null": "null"}
"""The names of the options and what Avro calls them."""

# Times are plain longs: fastavro takes ten times as long for a logical type, and a time outside the
# years that it can show must be kept as well.
ARCHIVE_SCHEMA: dict[str, object] = {
    "type": "record",
    "name": "RawEvent",
    "namespace": "penstock",
    "doc": "A message of Pub/Sub as it arrived.",
    "fields": [
        {"name": "payload", "type": "bytes", "doc": "As received; nothing was looked at."},
        {"name": "attributes", "type": {"type": "map", "values": "string"}},
        {"name": "message_id", "type": "string", "doc": "Empty where the source has none."},
        {"name": "publish_time", "type": "long", "doc": "Microseconds since the epoch, UTC."},
        {"name": "ordering_key", "type": "string", "doc": "Empty where the source has none."},
    ],
}
_PARSED = fastavro.parse_schema(ARCHIVE_SCHEMA)
_FIELDS = [field["name"] for field in _PARSED["fields"]]
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_MAGIC = b"Obj\x01"
# What a damaged file makes fastavro and its codecs raise has no common class.
_DAMAGED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    SchemaParseException,
    UnknownType,
    zlib.error,
    zstd.ZstdError,
)


class BadObjectError(ValueError):
    """An object is not what the archive wrote: one line that says what is wrong with it."""


def digest_of(rows: Sequence[RawEvent]) -> str:
    """Return the digest of some messages, in hexadecimal: it names their object.

    It depends on all that is kept of each message and on their order, not on the codec.
    """
    return hashlib.blake2b(_ENCODER.encode(rows), digest_size=16).hexdigest()


def to_avro(rows: Sequence[RawEvent], codec: str) -> tuple[str, bytes]:
    """Encode messages, each with a publish time; return their digest and the object.

    Equal messages in equal order give equal bytes.

    Args:
        rows: the messages, in the order in which a reader gets them.
        codec: one of `CODECS`.
    """
    digest, file = digest_of(rows), io.BytesIO()
    marker = bytes.fromhex(digest)
    fastavro.writer(file, _PARSED, map(_record, rows), codec=CODECS[codec], sync_marker=marker)
    return digest, file.getvalue()


def from_avro(data: bytes) -> list[RawEvent]:
    """Decode what `to_avro` encoded, all of it.

    Raises:
        BadObjectError: empty, cut or damaged, of another schema, or with a codec that nobody has.
    """
    if not data:
        msg = "an empty file"
        raise BadObjectError(msg)
    if not data.startswith(_MAGIC):
        msg = "not an Avro file"
        raise BadObjectError(msg)
    try:
        reader = fastavro.reader(io.BytesIO(data))
        _check(reader.writer_schema)
        return [_raw(row) for row in reader]
    except BadObjectError:
        raise
    except _DAMAGED as error:
        msg = f"cut or damaged ({type(error).__name__})"
        raise BadObjectError(msg) from None


def _check(schema: object) -> None:
    fields = schema.get("fields", []) if isinstance(schema, Mapping) else []
    names = [field.get("name") for field in fields]
    if names != _FIELDS:
        msg = "of another Avro schema than that of the archive"
        raise BadObjectError(msg)


def _record(row: RawEvent) -> dict[str, object]:
    return {
        "payload": row.payload,
        "attributes": dict(sorted(row.attributes.items())),
        "message_id": row.message_id,
        "publish_time": row.publish_time,
        "ordering_key": row.ordering_key,
    }


def _raw(row: dict[str, Any]) -> RawEvent:
    return RawEvent(**row)
