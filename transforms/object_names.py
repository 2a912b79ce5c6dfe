"""Names of objects, by content and by day, and packs of records as one value."""

import array
import datetime
import hashlib
from collections.abc import Sequence

import msgspec

__all__ = ["date_folder", "object_name", "pack", "unpack"]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_UNPACK = msgspec.msgpack.Decoder(list[bytes])


def date_folder(micros: int) -> str:
    """Return the folder of a time's day, in UTC; `dt=unknown` outside the years 1 to 9999.

    >>> date_folder(1_767_225_600_000_000)
    'dt=2026-01-01'
    """
    try:
        day = (_EPOCH + datetime.timedelta(microseconds=micros)).date().isoformat()
    except OverflowError:
        day = "unknown"
    return f"dt={day}"


def object_name(identities: Sequence[bytes], suffix: str, copy: int = 0) -> str:
    """Return the name of an object: a digest of its records' identities, in their order.

    >>> object_name([b"a", b"b"], ".avro") == object_name([b"a", b"b"], ".avro", copy=1)
    False
    """
    lengths = array.array("Q", [copy, *map(len, identities)])
    digest = hashlib.blake2b(lengths.tobytes(), digest_size=16)
    digest.update(b"".join(identities))
    return digest.hexdigest() + suffix


def pack(records: Sequence[bytes]) -> bytes:
    """Return records as one value: to Beam, an element costs more than its bytes."""
    return msgspec.msgpack.encode(records)


def unpack(packed: bytes) -> list[bytes]:
    """Return the records of a pack.

    >>> unpack(pack([b"a", b"b"]))
    [b'a', b'b']
    """
    return _UNPACK.decode(packed)
