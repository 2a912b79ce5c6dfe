"""Inflates a payload without ever holding more than it may have."""

import zlib
from collections.abc import Mapping

from schemas.refusal import Refusal
from schemas.rejected import Reason

__all__ = ["ENCODING", "inflate", "is_gzip"]

ENCODING = "content-encoding"
"""The message attribute that says how the payload is packed; its only known value is gzip."""

_CHUNK = 16 * 1024
"""What is fed at a time: of each member the rest of it is copied, and a payload may have many."""
_GZIP = 16 + zlib.MAX_WBITS
_BROKEN = Refusal(Reason.BAD_COMPRESSION, "payload: not a whole gzip stream")


def is_gzip(attributes: Mapping[str, str]) -> bool:
    """Return whether the attributes say gzip; any other encoding is left to the JSON decoder.

    >>> is_gzip({"content-encoding": "GZIP"})
    True
    """
    return attributes.get(ENCODING, "").strip().lower() in ("gzip", "x-gzip")


def inflate(payload: bytes, limit: int) -> bytes | Refusal:
    """Return the inflated payload, all members of it, or why not; memory is bounded by `limit`."""
    plain, stream = bytearray(), zlib.decompressobj(_GZIP)
    for first in range(0, len(payload), _CHUNK):
        rest = payload[first : first + _CHUNK]
        while rest:
            if stream.eof:
                stream = zlib.decompressobj(_GZIP)
            try:
                plain += stream.decompress(rest, limit + 1 - len(plain))
            except zlib.error:
                return _BROKEN
            if len(plain) > limit:
                rule = f"payload: more than {limit} bytes when inflated"
                return Refusal(Reason.PAYLOAD_TOO_LARGE, rule)
            rest = stream.unused_data if stream.eof else stream.unconsumed_tail
    return bytes(plain) if stream.eof or not payload else _BROKEN
