"""Messages as they arrived, as an Avro object container file: what the raw archive keeps."""

import hashlib
import itertools
import operator
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType, to_parsing_canonical_form

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from schemas.archive_blocks import ARCHIVE_SCHEMA, CODECS, ObjectBlocks, in_blocks
from schemas.avro_blocks import AvroBlocks, OversizedBlockError
from schemas.packs import RawPack
from schemas.raw_avro_columns import Columns
from schemas.raw_avro_rows import encoded_rows

__all__ = [
    "ARCHIVE_SCHEMA",
    "CODECS",
    "BadObjectError",
    "Fault",
    "digest_of",
    "from_avro",
    "in_order",
    "read_blocks",
    "to_avro",
]

_PARSED = fastavro.parse_schema(ARCHIVE_SCHEMA)
_CANONICAL = to_parsing_canonical_form(_PARSED)
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
    if not size:
        return pack
    times, ids = pack.publish_times or [0] * size, pack.message_ids or [""] * size
    # Most packs are in order: to see that takes a quarter of the time of sorting, and no memory.
    following = zip(times[1:], ids[1:], strict=True)
    if all(map(operator.lt, zip(times, ids, strict=True), following)):
        return pack
    few = list(zip(times, ids, strict=True))
    rows = sorted(range(size), key=few.__getitem__)
    # Messages that agree so far are rare, where they have ids.
    if any(few[row] == few[after] for row, after in itertools.pairwise(rows)):
        every = list(zip(times, ids, pack.payloads, _keys(pack), _texts(pack), strict=True))
        rows = sorted(range(size), key=every.__getitem__)
    return pack if rows == list(range(size)) else pack.take(rows)


def to_avro(pack: RawPack, codec: str, variant: int = 0) -> bytes:
    """Encode messages, each with a publish time, in the order of the pack.

    Equal packs give equal bytes, as long as the library of the codec stays the same.

    Args:
        pack: the messages, in the order in which a reader gets them.
        codec: one of `CODECS`.
        variant: another number, other bytes, and with them another digest; the same messages.
    """
    made = ObjectBlocks(codec)
    for block in in_blocks(encoded_rows(pack), len):
        made.add(block)
        # Or it would be in memory until the next one is full as well.
        del block
    return made.content(str(variant).encode())


def from_avro(content: bytes, codec: str | None = None) -> RawPack:
    """Decode what `to_avro` encoded, all of it.

    A file that was cut between two blocks, or a flipped bit, may go unnoticed here: who knows the
    object's digest and count compares them as well (`ManifestEntry.read`).

    Raises:
        BadObjectError: empty, no Avro, cut or damaged, of another schema, not of this codec, or a
            block is larger than any that the archive writes.
    """
    columns = Columns()
    with _reading(content, codec) as blocks:
        for count, block in blocks:
            columns.read(block, count)
    return columns.pack()


def read_blocks(content: bytes, codec: str | None = None) -> Iterator[RawPack]:
    """Yield the messages of an object block by block, a few MB each; otherwise as `from_avro`."""
    with _reading(content, codec) as blocks:
        for count, block in blocks:
            columns = Columns()
            columns.read(block, count)
            yield columns.pack()


@contextmanager
def _reading(content: bytes, codec: str | None) -> Iterator[AvroBlocks]:
    """Open a file and check what it is; what its damage raises inside is told as such."""
    if not content:
        raise BadObjectError(Fault.EMPTY, "an empty object")
    if not content.startswith(_MAGIC):
        raise BadObjectError(Fault.NOT_AVRO, "not an Avro file")
    try:
        blocks = AvroBlocks(content)
        _check(blocks.schema, blocks.codec, codec)
        yield blocks
    except BadObjectError:
        raise
    except OversizedBlockError as error:
        raise BadObjectError(Fault.DAMAGED, str(error)) from None
    except _DAMAGED as error:
        detail = f"cut or damaged ({type(error).__name__})"
        raise BadObjectError(Fault.DAMAGED, detail) from None


def _keys(pack: RawPack) -> list[str]:
    return pack.ordering_keys or [""] * len(pack)


def _texts(pack: RawPack) -> list[list[tuple[str, str]]]:
    return [sorted(each.items()) for each in pack.attributes or [{}] * len(pack)]


def _check(schema: Any, codec: str, expected: str | None) -> None:
    if to_parsing_canonical_form(schema) != _CANONICAL:
        detail = "of another Avro schema than that of the archive"
        raise BadObjectError(Fault.FOREIGN_SCHEMA, detail)
    if codec not in CODECS.values() or (expected is not None and codec != CODECS[expected]):
        wanted = expected or ", ".join(CODECS)
        raise BadObjectError(Fault.WRONG_CODEC, f"compressed by {codec:.20}, not by {wanted}")
