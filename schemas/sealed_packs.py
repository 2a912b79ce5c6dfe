"""Packed messages on their way through a shuffle: compressed, beside what tells their copies."""

import struct
import zlib
from collections.abc import Sequence

import msgspec
import zstandard

from schemas.packs import RawPack

__all__ = ["HEAD_BYTES", "encoded", "head_of", "heads_in", "opened", "sealed"]

HEAD_BYTES = 4
"""Of a head in what `heads_in` returns: an unsigned number, the lowest byte first."""

# Half of the time of the usual level, and nearly as small.
_LEVEL = 1


class _Sealed(msgspec.Struct, array_like=True):
    heads: bytes
    pack: bytes


def head_of(event_id: str) -> int:
    """Return a number of 32 bits that copies of an event share: few others do.

    >>> head_of("e1")
    143494439
    """
    return zlib.crc32(event_id.encode())


encoded = msgspec.msgpack.Encoder().encode
"""Returns a pack as bytes, to be compressed; may be called in any thread."""
_decode = msgspec.msgpack.Decoder(_Sealed).decode
_decode_pack = msgspec.msgpack.Decoder(RawPack).decode


def sealed(heads: Sequence[int], pack: bytes) -> bytes:
    """Return an encoded pack as it travels, with the head of each message. May run in any thread.

    >>> opened(sealed([7], encoded(RawPack([b"x"])))).payloads
    [b'x']
    """
    # A compressor must not be shared by threads, and making one costs little.
    compressed = zstandard.ZstdCompressor(level=_LEVEL).compress(pack)
    return encoded(_Sealed(struct.pack(f"<{len(heads)}I", *heads), compressed))


def heads_in(sealed_pack: bytes) -> bytes:
    """Return the heads of the messages, each of `HEAD_BYTES`; the pack is not opened.

    >>> heads_in(sealed([7], encoded(RawPack([b"x"])))).hex()
    '07000000'
    """
    return _decode(sealed_pack).heads


def opened(sealed_pack: bytes) -> RawPack:
    """Return the messages."""
    return _decode_pack(zstandard.ZstdDecompressor().decompress(_decode(sealed_pack).pack))
