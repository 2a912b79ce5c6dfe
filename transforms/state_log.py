"""A log of packs in the state of a shard, which is rewritten when it has doubled."""

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

__all__ = ["LogSize", "Snapshots", "append_log", "has_doubled", "rewrite_log"]

_SLACK_BYTES = 64 * 1024
_encode = msgspec.msgpack.Encoder().encode


class LogSize(Protocol):
    """What a shard's head says of its log.

    `logged` and `rewritten` are the bytes of the log now and when it was last rewritten, `dropped`
    the values forgotten since.
    """

    logged: int
    rewritten: int
    dropped: int


class Snapshots(Protocol):
    """What is logged."""

    def snapshot(self) -> Iterator[Any]:
        """Yield packs that load to the same."""


def append_log(log: Any, known: LogSize, pack: Any) -> None:
    """Add a pack to the log."""
    encoded = _encode(pack)
    log.add(encoded)
    known.logged += len(encoded)


def has_doubled(known: LogSize) -> bool:
    """Return whether the log has doubled since it was rewritten."""
    return known.logged > 2 * known.rewritten + _SLACK_BYTES


def rewrite_log(log: Any, known: LogSize, held: Snapshots) -> None:
    """Replace the log by what is held now."""
    log.clear()
    known.logged = known.dropped = 0
    for pack in held.snapshot():
        append_log(log, known, pack)
    known.rewritten = known.logged
