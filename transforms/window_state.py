"""What a stream saves of one shard of windows: a log of parts and marks, and a head."""

from typing import Any

import msgspec

from schemas.events import MIN_MICROS
from schemas.window_parts import WindowPart

__all__ = ["WindowHead", "WindowLog", "WindowMark", "decode_log", "encode_head", "read_head"]


# None of these can be in a cycle, and there are many: see `schemas.changes`.
class WindowMark(msgspec.Struct, array_like=True, gc=False):
    """What was told of a window under a key: marks merge in any order, as parts do."""

    metric: int
    length: int
    start: int
    key: bytes
    index: int
    told: int
    withheld: bool = False


class WindowLog(msgspec.Struct, array_like=True, gc=False):
    """An entry of the log: what came, and what was told; both may name a window repeatedly."""

    parts: list[WindowPart]
    marks: list[WindowMark]

    def __bool__(self) -> bool:
        return bool(self.parts or self.marks)


class WindowHead(msgspec.Struct, array_like=True):
    """The small part of a shard's state, written with every change.

    The watermark has passed `lower`. `closing` is when the event-time timer is to fire, None where
    none is set; `speculating` says for slots of metrics with a change that is not told yet, when it
    is, in processing time. All in microseconds. `nonce` is the fence's; the others are those of
    `LogSize`.
    """

    lower: int = MIN_MICROS
    closing: int | None = None
    speculating: dict[int, int] = {}
    nonce: bytes = b""
    logged: int = 0
    rewritten: int = 0
    dropped: int = 0

    def take_due(self) -> list[int]:
        """Remove and return the slots that are to be told first.

        >>> WindowHead(speculating={1: 20, 2: 10, 3: 10}).take_due()
        [2, 3]
        """
        first = min(self.speculating.values(), default=0)
        due = [slot for slot, moment in self.speculating.items() if moment <= first]
        for slot in due:
            del self.speculating[slot]
        return due


_encode = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(WindowHead).decode
decode_log = msgspec.msgpack.Decoder(WindowLog).decode
"""Read an entry of the log."""


def read_head(head: Any) -> WindowHead:
    """Return what is saved, or the head of a shard that has nothing yet."""
    encoded = head.read()
    return WindowHead() if encoded is None else _decode_head(encoded)


def encode_head(known: WindowHead) -> bytes:
    """Return the bytes that `read_head` takes."""
    return _encode(known)
