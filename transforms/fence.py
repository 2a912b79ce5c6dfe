"""The version fence: keep decoded state in memory between bundles without ever trusting it blindly.

Reading and decoding a shard's state for every element costs more than the work on it. The fence
keeps the decoded form in the DoFn under a nonce that the same bundle writes to Beam state. A bundle
that is thrown away (a retry, a crash, a restore from a checkpoint) leaves another nonce in state
than in memory, so the copy is dropped and the state is read again.
"""

import os
from typing import Generic, TypeVar

__all__ = ["Fence"]

_Held = TypeVar("_Held")


class Fence(Generic[_Held]):
    """In-memory copies by shard, each valid only for the nonce it was put under.

    Take the copy out before changing it and put it back when all state writes of the element are
    done: an exception in between leaves nothing behind.

    >>> fence = Fence()
    >>> nonce = fence.put(3, ["decoded"])
    >>> fence.take(3, nonce), fence.take(3, nonce)
    (['decoded'], None)
    """

    def __init__(self) -> None:
        self._held: dict[int, tuple[bytes, _Held]] = {}

    def take(self, shard: int, nonce: bytes | None) -> _Held | None:
        """Remove and return the copy of a shard if it is of this version, else None."""
        held = self._held.pop(shard, None)
        return held[1] if held is not None and held[0] == nonce else None

    def put(self, shard: int, copy: _Held) -> bytes:
        """Keep a copy; return the nonce to write to state in the same bundle."""
        nonce = os.urandom(8)
        self._held[shard] = (nonce, copy)
        return nonce
