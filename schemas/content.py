"""The digest by which dedupe tells a copy from a conflict."""

import json
from hashlib import blake2b

import msgspec

from schemas.record_types import Record

__all__ = ["content_digest", "id_digest"]

_LONG = 4_000
"""Python refuses to read longer integers."""

# A copy of a begun digest costs half as much as beginning one by the name of its size.
_begun = blake2b(digest_size=16).copy
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def content_digest(record: Record, drift: str | None = None) -> bytes:
    """Return 16 bytes of all that was decoded, the unknown fields (JSON text) too.

    The same for every spelling of the same content: order of keys, white space, escapes, offset of
    a time, digits of a number; absent and null. It is taken before pseudonymising.
    """
    content = _encode(record)
    if drift is not None:
        content += _canonical(drift)
    return _digest(content)


def _digest(content: bytes) -> bytes:
    digest = _begun()
    digest.update(content)
    return digest.digest()


def _canonical(drift: str) -> bytes:
    # Not msgspec: a lone surrogate is legal in an unknown field, and only this decoder keeps it.
    value = json.loads(drift, parse_int=_integer, parse_float=_real)
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _integer(digits: str) -> object:
    return int(digits) if len(digits) < _LONG else {"": digits}


def _real(digits: str) -> object:
    number = float(digits)
    return int(number) if number.is_integer() else number


def id_digest(event_id: str) -> bytes:
    """Return the 16 bytes that stand for an event id in packs and state.

    >>> id_digest("e1").hex()
    'afdd4403c41069df839dbe2249f98aee'
    """
    digest = _begun()
    digest.update(event_id.encode())
    return digest.digest()
