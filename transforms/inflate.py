"""Inflates files as they are read, a bounded part at a time whatever they hold."""

import bz2
import functools
import io
import lzma
import sys
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

from apache_beam.io.filesystem import CompressionTypes

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["DAMAGES", "STREAMS", "Inflated"]

_PACKED_BYTES = 64 * 1024
_PLAIN_BYTES = 1024 * 1024
"""What is inflated at a time; 64 KB of some formats hold gigabytes."""
_MOST_WINDOW = 256 * 1024 * 1024


class _Zlib:
    """Zlib's decompressor, used as those of the other formats are."""

    def __init__(self, window: int) -> None:
        self._stream = zlib.decompressobj(window)
        self._tail, self.needs_input = b"", True

    def decompress(self, data: bytes, most: int) -> bytes:
        plain = self._stream.decompress(self._tail + data, most)
        self._tail = self._stream.unconsumed_tail
        # With as much as was asked for, there may be more inside.
        self.needs_input = not self._tail and len(plain) < most
        return plain

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data


STREAMS: dict[str, Callable[[], Any]] = {
    CompressionTypes.GZIP: functools.partial(_Zlib, 16 + zlib.MAX_WBITS),
    CompressionTypes.DEFLATE: functools.partial(_Zlib, zlib.MAX_WBITS),
    CompressionTypes.BZIP2: bz2.BZ2Decompressor,
    CompressionTypes.LZMA: functools.partial(lzma.LZMADecompressor, memlimit=_MOST_WINDOW),
    CompressionTypes.ZSTD: zstd.ZstdDecompressor,
}
"""What inflates a member of a file, by Beam's name of the format."""

DAMAGES = (zlib.error, lzma.LZMAError, zstd.ZstdError)
"""What damage raises, beside `OSError` and `EOFError`."""


class Inflated(io.RawIOBase):
    """A compressed file as its plain bytes, all members of it; a cut one raises `EOFError`.

    Args:
        packed: the compressed file; closed with this one.
        stream: makes what inflates a member, one of `STREAMS`.
    """

    def __init__(self, packed: BinaryIO, stream: Callable[[], Any]) -> None:
        self._packed, self._stream = packed, stream
        self._member: Any = None
        self._begun = False
        self._rest = b""
        self._plain = memoryview(b"")

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as what was inflated reaches; 0 is the end."""
        if not self._plain:
            self._plain = memoryview(self._inflate())
        taken = min(len(buffer), len(self._plain))
        buffer[:taken], self._plain = self._plain[:taken], self._plain[taken:]
        return taken

    def _inflate(self) -> bytes:
        while True:
            packed = b""
            if self._member is None or self._member.needs_input:
                packed, self._rest = self._rest or self._packed.read(_PACKED_BYTES), b""
            if self._member is None:
                if not packed:
                    return b""
                # Zeros between and behind members are padding; no member begins with one.
                packed = packed.lstrip(b"\0") if self._begun else packed
                if not packed:
                    continue
                self._member, self._begun = self._stream(), True
            elif not packed and self._member.needs_input:
                raise EOFError
            plain: bytes = self._member.decompress(packed, _PLAIN_BYTES)
            if self._member.eof:
                self._rest, self._member = self._member.unused_data, None
            if plain:
                return plain

    def close(self) -> None:
        """Close the compressed file too."""
        self._packed.close()
        super().close()
