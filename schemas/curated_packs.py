"""Packed events on their way to dedupe together with the rows that they become."""

from collections.abc import Sequence
from itertools import compress

import msgspec
import zstandard

from schemas.packs import EventPack

__all__ = ["NO_TABLE", "CuratedPack", "compressed", "encoded", "unseal"]

NO_TABLE = -1
"""Stands for the table of an event that becomes no row."""

# Half of the time of the usual level, and nearly as small.
_LEVEL = 1


class CuratedPack(EventPack, array_like=True):
    """Events of one shard, each with its row.

    `tables`: for each event the number of its table, as sender and receiver count them, or
    `NO_TABLE`. `rows`: its row there, `b""` where it has none. `drifts`: its row of the drift
    table, likewise; None where no event has one.
    """

    tables: list[int] = msgspec.field(default_factory=list)
    rows: list[bytes] = msgspec.field(default_factory=list)
    drifts: list[bytes] | None = None

    def estimated_bytes(self) -> int:
        """Return about how many bytes the pack takes encoded."""
        return super().estimated_bytes() + sum(map(len, self.rows))

    def take(self, rows: Sequence[int]) -> "CuratedPack":
        """Return the pack of the given events, in the given order."""
        events = super().take(rows)
        return CuratedPack(
            events.ids, events.contents, events.event_times, events.raw, events.watermark,
            [self.tables[row] for row in rows],
            [self.rows[row] for row in rows],
            self.drifts and [self.drifts[row] for row in rows],
        )  # fmt: skip

    def without(self, rows: Sequence[int]) -> "CuratedPack":
        """Return the pack of all but the given events, which ascend.

        >>> from schemas.packs import RawPack
        >>> two = EventPack([b"a", b"b"], [b"", b""], [5, 6], RawPack([b"x", b"y"]))
        >>> CuratedPack(*msgspec.structs.astuple(two), [0, 1], [b"{}", b"[]"]).without([0]).rows
        [b'[]']
        """
        events = super().without(rows)
        stays = bytearray(b"\1") * len(self)
        for row in rows:
            stays[row] = 0
        return CuratedPack(
            events.ids, events.contents, events.event_times, events.raw, events.watermark,
            [*compress(self.tables, stays)],
            [*compress(self.rows, stays)],
            self.drifts and [*compress(self.drifts, stays)],
        )  # fmt: skip


encoded = msgspec.msgpack.Encoder().encode
"""Returns a pack as bytes, to be compressed."""
_decode = msgspec.msgpack.Decoder(CuratedPack).decode


def compressed(pack: bytes) -> bytes:
    """Return an encoded pack as it travels through a shuffle, at about a tenth of its size.

    A row repeats most of its message. May run in any thread.
    """
    # A compressor must not be shared by threads, and making one costs little.
    return zstandard.ZstdCompressor(level=_LEVEL).compress(pack)


def unseal(sealed: bytes) -> CuratedPack:
    """Return a pack that was encoded and compressed.

    >>> from schemas.packs import RawPack
    >>> pack = CuratedPack([b"a"], [b"b"], [7], RawPack([b"x"]), 0, [2], [b"{}"])
    >>> unseal(compressed(encoded(pack))) == pack
    True
    """
    return _decode(zstandard.ZstdDecompressor().decompress(sealed))
