"""Writes an archived object, an Avro object container file, block by block.

The one way in which the archive job, compaction and whoever else writes one: equal messages in
equal order are equal blocks, whoever wrote them.
"""

import functools
import hashlib
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from schemas.raw_avro_rows import container

__all__ = ["ARCHIVE_SCHEMA", "BLOCK_BYTES", "CODECS", "ObjectBlocks", "in_blocks"]

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
BLOCK_BYTES = 4_000_000
"""Many times the usual block: codecs work by block, and see more of what repeats in a larger one.

A block ends with the row that brings it to so many bytes, uncompressed.
"""

# Events repeat each other in long runs: to look for no shorter ones makes objects 3 % smaller.
_ZSTD = {
    int(zstd.CompressionParameter.compression_level): 3,
    int(zstd.CompressionParameter.min_match): 7,
}
_Row = TypeVar("_Row")


class ObjectBlocks:
    r"""An object that is being written: of its blocks only the compressed bytes are held.

    Equal blocks give equal bytes, as long as the library of the codec stays the same.

    >>> made = ObjectBlocks("null")
    >>> made.add([b"row", b"another row"])
    >>> made.size, made.content()[:4]
    (14, b'Obj\x01')

    Args:
        codec: one of `CODECS`.
    """

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._blocks: list[tuple[int, bytes]] = []
        self.size = 0

    def add(self, rows: Sequence[bytes]) -> None:
        """Add a block of encoded rows, at least one."""
        data = _COMPRESS[self._codec](b"".join(rows))
        self._blocks.append((len(rows), data))
        self.size += len(data)

    def content(self, mark: bytes = b"") -> bytes:
        """Return the whole object.

        Another mark gives other bytes, and with them another digest; the messages are the same.
        """
        marker = functools.partial(_marker, mark)
        return container(ARCHIVE_SCHEMA, CODECS[self._codec], self._blocks, marker)


def in_blocks(
    rows: Iterable[_Row], length: Callable[[_Row], int], most: int | None = None
) -> Iterator[list[_Row]]:
    """Yield the rows in their order as blocks, each ended by the row that brings it to `most`.

    >>> list(in_blocks([b"a", b"bc", b"d"], len, most=2))
    [[b'a', b'bc'], [b'd']]

    Args:
        rows: taken as they are needed; a block at a time is held.
        length: of a row, encoded.
        most: bytes of a block; None: `BLOCK_BYTES`.
    """
    bound = BLOCK_BYTES if most is None else most
    block: list[_Row] = []
    size = 0
    for row in rows:
        block.append(row)
        size += length(row)
        if size >= bound:
            full, block, size = block, [], 0
            yield full
            del full
    if block:
        yield block


def _deflate(data: bytes) -> bytes:
    # Avro has the bare stream, without a header.
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": functools.partial(zstd.compress, options=_ZSTD),
    "deflate": _deflate,
    "null": bytes,
}


def _marker(mark: bytes, blocks: list[bytes]) -> bytes:
    """Return what stands between the blocks: as good as random, and the same for equal ones."""
    digest = hashlib.blake2b(mark, digest_size=16)
    for block in blocks:
        digest.update(block)
    return digest.digest()
