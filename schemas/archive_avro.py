"""Messages as they arrived, as an Avro object container file: what the raw archive keeps."""

import hashlib
import io
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType, to_parsing_canonical_form

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from schemas.packs import RawPack

__all__ = [
    "ARCHIVE_SCHEMA",
    "CODECS",
    "BadObjectError",
    "Fault",
    "digest_of",
    "from_avro",
    "in_order",
    "to_avro",
]

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
        {"name": "message_id", "type": "string", "doc": "Of a line: file and place."},
        {"name": "publish_time", "type": "long", "doc": "Microseconds since the epoch, UTC."},
        {"name": "ordering_key", "type": "string", "doc": "Empty where the source has none."},
    ],
}
_PARSED = fastavro.parse_schema(ARCHIVE_SCHEMA)
_CANONICAL = to_parsing_canonical_form(_PARSED)
_MAGIC = b"Obj\x01"
# Ten times the usual block: codecs work by block, and see more of what repeats in a larger one.
_BLOCK_BYTES = 1_000_000
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


class Fault:
    """What can be wrong with an object: the codes that stand in counters and in the quarantine."""

    MISSING = "object_missing"
    EMPTY = "object_empty"
    NOT_AVRO = "object_not_avro"
    FOREIGN_SCHEMA = "object_foreign_schema"
    WRONG_CODEC = "object_wrong_codec"
    DAMAGED = "object_damaged"


class BadObjectError(ValueError):
    """An object is not what the archive wrote: one line that says what is wrong with it.

    `fault` is one of `Fault`.
    """

    def __init__(self, fault: str, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault


def digest_of(content: bytes) -> str:
    """Return the digest of an object's bytes, 32 hexadecimal digits: it is the object's name.

    >>> len(digest_of(b""))
    32
    """
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def in_order(pack: RawPack) -> RawPack:
    """Return the messages by publish time; equal messages in whatever order give equal packs.

    >>> in_order(RawPack([b"b", b"a"], [2, 1])).payloads
    [b'a', b'b']
    """
    size = len(pack)
    columns = [
        pack.publish_times or [0] * size,
        pack.message_ids or [""] * size,
        pack.payloads,
        pack.ordering_keys or [""] * size,
        [sorted(each.items()) for each in pack.attributes] if pack.attributes else [()] * size,
    ]
    places = list(zip(*columns, strict=True))
    return pack.take(sorted(range(size), key=places.__getitem__)) if size else pack


def to_avro(pack: RawPack, codec: str) -> bytes:
    """Encode messages, each with a publish time, in the order of the pack.

    Equal packs give equal bytes, as long as the library of the codec stays the same.

    Args:
        pack: the messages, in the order in which a reader gets them.
        codec: one of `CODECS`.
    """
    file = io.BytesIO()
    fastavro.writer(
        file,
        _PARSED,
        _records(pack),
        codec=CODECS[codec],
        sync_marker=_marker(pack),
        sync_interval=_BLOCK_BYTES,
    )
    return file.getvalue()


def from_avro(content: bytes, codec: str | None = None) -> RawPack:
    """Decode what `to_avro` encoded, all of it.

    A file that was cut between two blocks, or a flipped bit, may go unnoticed here: who knows the
    object's digest and count compares them as well (`ManifestEntry.read`).

    Raises:
        BadObjectError: empty, no Avro, cut or damaged, of another schema, or not of this codec.
    """
    if not content:
        raise BadObjectError(Fault.EMPTY, "an empty object")
    if not content.startswith(_MAGIC):
        raise BadObjectError(Fault.NOT_AVRO, "not an Avro file")
    try:
        reader = fastavro.reader(io.BytesIO(content))
        _check(reader.writer_schema, str(reader.codec), codec)
        return _pack(list(reader))
    except BadObjectError:
        raise
    except _DAMAGED as error:
        detail = f"cut or damaged ({type(error).__name__})"
        raise BadObjectError(Fault.DAMAGED, detail) from None


def _check(schema: Any, codec: str, expected: str | None) -> None:
    if to_parsing_canonical_form(schema) != _CANONICAL:
        detail = "of another Avro schema than that of the archive"
        raise BadObjectError(Fault.FOREIGN_SCHEMA, detail)
    if codec not in CODECS.values() or (expected is not None and codec != CODECS[expected]):
        wanted = expected or ", ".join(CODECS)
        raise BadObjectError(Fault.WRONG_CODEC, f"compressed by {codec:.20}, not by {wanted}")


def _records(pack: RawPack) -> Iterator[dict[str, object]]:
    size = len(pack)
    none: dict[str, str] = {}
    rows = zip(
        pack.payloads,
        pack.attributes or [none] * size,
        pack.message_ids or [""] * size,
        pack.publish_times or [None] * size,
        pack.ordering_keys or [""] * size,
        strict=True,
    )
    for payload, attributes, message_id, publish_time, ordering_key in rows:
        yield {
            "payload": payload,
            "attributes": dict(sorted(attributes.items())) if attributes else none,
            "message_id": message_id,
            "publish_time": publish_time,
            "ordering_key": ordering_key,
        }


def _marker(pack: RawPack) -> bytes:
    """Return what stands between the blocks: as good as random, and the same for equal packs."""
    digest = hashlib.blake2b(b"".join(pack.payloads), digest_size=16)
    digest.update(repr((pack.message_ids, pack.publish_times)).encode(errors="replace"))
    return digest.digest()


def _pack(rows: list[dict[str, Any]]) -> RawPack:
    attributes = [row["attributes"] for row in rows]
    message_ids = [row["message_id"] for row in rows]
    ordering_keys = [row["ordering_key"] for row in rows]
    return RawPack(
        [row["payload"] for row in rows],
        [row["publish_time"] for row in rows],
        message_ids if any(message_ids) else None,
        attributes if any(attributes) else None,
        ordering_keys if any(ordering_keys) else None,
    )
