"""The digest by which dedupe tells a copy from a conflict."""

from hashlib import blake2b

import msgspec

from schemas.record_types import Record

__all__ = ["content_digest", "id_digest"]

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def content_digest(record: Record) -> bytes:
    """Return 16 bytes of what was decoded, the drift excluded.

    The same for every spelling of the same content: order of keys, white space, escapes, offset of
    a time, digits of a number; absent and null. It is taken before pseudonymising.
    """
    return blake2b(_encode(record), digest_size=16).digest()


def id_digest(event_id: str) -> bytes:
    """Return the 16 bytes that stand for an event id in packs and state.

    >>> id_digest("e1").hex()
    'afdd4403c41069df839dbe2249f98aee'
    """
    return blake2b(event_id.encode(), digest_size=16).digest()
