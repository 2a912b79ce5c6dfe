"""Refused messages that are good now, and what they touch."""

import msgspec

from schemas.changes import RowPart
from schemas.rejected import Rejected

__all__ = ["Candidate", "Touch", "touch_of"]


class Touch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What some event changes in one row.

    `state`: the slots of last values. `tiles`: slot and start, in minutes since the epoch.
    """

    row_key: bytes
    state: list[int]
    tiles: list[tuple[int, int]]


class Candidate(msgspec.Struct, frozen=True, array_like=True):
    """A refused message that is good now: what dedupe knows of its event, and what that touches.

    `event_id` and `content` are the 16-byte digests that dedupe compares. `start` and `end`, in
    microseconds, hold the event and all tiles that it touches; the end is exclusive.
    """

    record: Rejected
    event_id: bytes
    content: bytes
    start: int
    end: int
    touches: list[Touch]


def touch_of(part: RowPart) -> Touch:
    """Return what a part touches, without the values.

    >>> touch_of(RowPart(b"r", {7: (5, "e", "x")}, {60: {9: 1}}))
    Touch(row_key=b'r', state=[7], tiles=[(9, 60)])
    """
    tiles = [(slot, start) for start, entries in part.tiles.items() for slot in entries]
    return Touch(part.row_key, sorted(part.state), sorted(tiles))
