"""What a shard of windows has to know of the metrics that are declared."""

from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from schemas.measures import Merge, merge_into, merges_of
from schemas.metric import REJECTS, Metric, Triggers
from schemas.window_parts import WindowPart

__all__ = ["HeldWindow", "Place", "WindowRules", "WindowTally"]

Place: TypeAlias = tuple[int, int, int, bytes]
"""A window under a key: slot of the metric, length and start, key."""


class WindowRules:
    """How parts of one metric are merged, and when its windows are told."""

    def __init__(self, metric: Metric) -> None:
        self.lengths = frozenset(metric.windows)
        self.merges: list[Merge] = merges_of(metric)
        self.lateness = metric.allowed_lateness
        self.triggers: Triggers = metric.triggers
        self.of_rejects = metric.source == REJECTS

    @classmethod
    def of(cls, metrics: Iterable[Metric]) -> "dict[int, WindowRules]":
        """Return the rules by the slot of their metric."""
        return {metric.slot: cls(metric) for metric in metrics}


class WindowTally(msgspec.Struct):
    """What is counted on the way to panes.

    `windows_withheld`: windows under a key that the job does not see all of, each once.
    `windows_reopened`: parts of events that came for a window that was forgotten.
    `rejects_too_late`: rejects of which that is so, once for each metric and window: they have no
    event time by which to tell before. `parts_unknown`: parts of metrics or lengths of windows that
    are no longer declared. `panes_early`, `panes_on_time` and `panes_late`: what left.
    """

    windows_withheld: int = 0
    windows_reopened: int = 0
    rejects_too_late: int = 0
    parts_unknown: int = 0
    panes_early: int = 0
    panes_on_time: int = 0
    panes_late: int = 0


class HeldWindow:
    """All that is known of a window under a key: `part` is all that was added to it.

    `index` is that of its next pane, and `told` how many events the last one had. Of one that is
    withheld nothing is kept.
    """

    __slots__ = ("index", "part", "told", "withheld")

    def __init__(self, place: Place) -> None:
        self.part = WindowPart(*place, 0, [])
        self.index = self.told = 0
        self.withheld = False

    def add(self, part: WindowPart, merges: list[Merge]) -> None:
        """Merge a part, which is not changed."""
        if self.part.events:
            merge_into(self.part, part, merges)
        else:
            self.part.events, self.part.entries = part.events, part.entries.copy()

    def copied(self) -> WindowPart:
        """Return the part as it is now."""
        part = self.part
        entries = part.entries.copy()
        return WindowPart(part.metric, part.length, part.start, part.key, part.events, entries)
