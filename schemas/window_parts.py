"""What events add to windows on their way from events to panes: parts that merge in any order."""

from typing import Any, TypeAlias

import msgspec

__all__ = ["Pane", "PartPack", "WindowPart"]

Entry: TypeAlias = Any
"""What is kept of a measure (see `schemas.aggregates`); None where no event has contributed."""

_PART_BYTES = 60


# None of these structs can be in a cycle, and there are many: see `schemas.changes`.
class WindowPart(msgspec.Struct, array_like=True, gc=False):
    """What some events add to one window of one metric under one key.

    `metric` is the slot of the metric, a number that changes with its definition; `length` and
    `start` of the window are in microseconds; `key` holds the values of the dimensions, a
    MessagePack array in the order of their declaration; `events` is how many were added; `entries`
    are those of the measures, in the order of their declaration.
    """

    metric: int
    length: int
    start: int
    key: bytes
    events: int
    entries: list[Entry]


class PartPack(msgspec.Struct, array_like=True, gc=False):
    """Parts of one shard; the same window and key may be in it more than once."""

    parts: list[WindowPart]

    def __len__(self) -> int:
        return len(self.parts)

    def estimated_bytes(self) -> int:
        """Return about how many bytes the pack takes encoded, large sets of values left out."""
        entries = sum(len(part.entries) for part in self.parts)
        return _PART_BYTES * len(self.parts) + 10 * entries


class Pane(msgspec.Struct, array_like=True, gc=False):
    """The whole value of a window under a key at some moment: `part` is all that was added so far.

    `index` counts the panes of a window and key from 0; `timing` is `early`, `on_time` or `late`;
    `generation` is 0 of what a live job says, and that of the recomputation else.
    """

    part: WindowPart
    index: int
    timing: str
    generation: int = 0
