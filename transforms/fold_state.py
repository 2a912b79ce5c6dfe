"""What a stream saves of one shard of rows: a log of changes, and a head that is read first."""

from typing import Any

import msgspec

from schemas.changes import ChangePack
from transforms.entity_shard import EntityShard
from transforms.watermark_clock import WatermarkClock

__all__ = ["FoldHead", "encode_head", "read_head", "read_log"]


class FoldHead(msgspec.Struct, array_like=True):
    """The small part of a shard's state, written with every change.

    `nonce` is the fence's; the others are those of `LogSize`.
    """

    clock: WatermarkClock
    nonce: bytes = b""
    logged: int = 0
    rewritten: int = 0
    dropped: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode_pack = msgspec.msgpack.Decoder(ChangePack).decode
_decode_head = msgspec.msgpack.Decoder(FoldHead).decode


def read_head(head: Any, tick: int) -> FoldHead:
    """Return what is saved, or the head of a shard that has nothing yet."""
    encoded = head.read()
    return FoldHead(WatermarkClock(tick)) if encoded is None else _decode_head(encoded)


def encode_head(known: FoldHead) -> bytes:
    """Return the bytes that `read_head` takes."""
    return _encode(known)


def read_log(log: Any, rows: EntityShard) -> int:
    """Load the log; return how many values were left out because their definitions are gone."""
    return sum(rows.load(_decode_pack(encoded)) for encoded in log.read())
