"""Reads the blocks of an Avro object container file that anyone may have put there.

`fastavro` inflates a block whole, whatever comes out of it; a few kilobytes can be gigabytes.
"""

import io
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import fastavro

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["MOST_BLOCK_BYTES", "AvroBlocks", "OversizedBlockError"]

MOST_BLOCK_BYTES = 256 * 1024 * 1024
"""Of a block, inflated. The suite ends one behind 4 MB, with the row that it has begun."""
MOST_BLOCK_ROWS = 1_000_000
"""Of a block: a row takes five bytes at least, and many times that once it is read."""

_SYNC_BYTES = 16
_BITS = 7
_LONGEST = 63
_CHUNK = 16 * 1024
"""What is fed at a time: of each frame the rest of it is copied, and a block may have many."""
_CUT = "a block is cut"
_BARE = -zlib.MAX_WBITS


class OversizedBlockError(ValueError):
    """A block holds more than any that the suite writes; the text says so."""


class AvroBlocks:
    """The schema, the codec and the blocks of a file; what is no such file raises a `ValueError`.

    Or another of what damage makes `fastavro` raise. Memory is bounded by the file's own size and
    the bound of one block; a block is inflated when it is asked for.

    Args:
        content: of the file.
        most: bytes of a block, inflated.
    """

    def __init__(self, content: bytes, most: int | None = None) -> None:
        head = io.BytesIO(content)
        reader = fastavro.block_reader(head)
        self.schema: Any = reader.writer_schema
        self.codec = str(reader.codec)
        self._content = content
        # The reader has read the head and no further, and its last bytes are the marker.
        self._place = head.tell()
        self._sync = content[self._place - _SYNC_BYTES : self._place]
        self._most = MOST_BLOCK_BYTES if most is None else most

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield the number of records of each block, and its bytes.

        Raises:
            OversizedBlockError: a block holds more than it may.
            ValueError: cut or damaged, or of an unknown codec.
            LookupError: cut.
            zlib.error, zstd.ZstdError: a block is damaged.
        """
        content, place = self._content, self._place
        while place < len(content):
            count, place = _long(content, place)
            size, place = _long(content, place)
            end = place + size
            if count < 0 or size < 0 or content[end : end + _SYNC_BYTES] != self._sync:
                msg = "a block does not end with the marker"
                raise ValueError(msg)
            if count > MOST_BLOCK_ROWS:
                msg = f"a block of more than {MOST_BLOCK_ROWS} records"
                raise OversizedBlockError(msg)
            yield count, self._inflated(content[place:end])
            place = end + _SYNC_BYTES

    def _inflated(self, data: bytes) -> bytes:
        if self.codec == "null":
            return data
        if self.codec == "deflate":
            return self._whole(zlib.decompressobj(_BARE), data)
        if self.codec == "zstandard":
            return self._frames(data)
        msg = f"compressed by {self.codec:.20}, which no job of the suite writes"
        raise ValueError(msg)

    def _frames(self, data: bytes) -> bytes:
        frame = zstd.ZstdDecompressor()
        plain = self._whole(frame, data)
        behind = frame.unused_data
        return self._joined(bytearray(plain), behind) if behind else plain

    def _joined(self, plain: bytearray, behind: bytes) -> bytes:
        """Add what further frames hold, as the suite writes none."""
        frame = zstd.ZstdDecompressor()
        for first in range(0, len(behind), _CHUNK):
            rest = behind[first : first + _CHUNK]
            while rest:
                if frame.eof:
                    frame = zstd.ZstdDecompressor()
                plain += frame.decompress(rest, self._most + 1 - len(plain))
                if len(plain) > self._most:
                    raise self._oversized()
                rest = frame.unused_data
        if not frame.eof:
            raise ValueError(_CUT)
        return bytes(plain)

    def _whole(self, stream: Any, data: bytes) -> bytes:
        plain: bytes = stream.decompress(data, self._most + 1)
        if len(plain) > self._most:
            raise self._oversized()
        if not stream.eof:
            raise ValueError(_CUT)
        return plain

    def _oversized(self) -> OversizedBlockError:
        return OversizedBlockError(f"a block of more than {self._most} bytes when inflated")


def _long(content: bytes, place: int) -> tuple[int, int]:
    """Return a number in Avro's form, and where it ends."""
    bits = shift = 0
    while True:
        byte = content[place]
        place += 1
        bits |= (byte & 0x7F) << shift
        if byte < 1 << _BITS:
            return (bits >> 1) ^ -(bits & 1), place
        shift += _BITS
        if shift > _LONGEST:
            msg = "a number of more than ten bytes"
            raise ValueError(msg)
