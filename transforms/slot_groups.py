"""Which groups of rows belong to which slot of time: a slot moves or leaves without touching rows.

It is the half of `SeenIds` that an `IdTable` does not know: there a row has but a group's number.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["SlotGroups", "by_slot"]


class SlotGroups:
    """Slots, each with the groups that were filled for it, and how many rows they have.

    >>> slots = SlotGroups()
    >>> group = slots.add(7, rows=2)
    >>> slots.move(7, 8)
    >>> slots.slot(group), slots.slots(), len(slots)
    (8, [8], 2)
    """

    def __init__(self) -> None:
        # Group 0 is that of rows which have no slot yet.
        self._slots: list[int | None] = [None]
        self._rows = [0]
        self._groups: dict[int, list[int]] = {}
        self._free: list[int] = []
        self._kept = 0

    def __len__(self) -> int:
        """Return how many rows all slots have."""
        return self._kept

    def add(self, slot: int, rows: int) -> int:
        """Count so many rows more in a slot; return the group that they belong to."""
        groups = self._groups.setdefault(slot, [])
        if not groups:
            groups.append(self._new(slot))
        self._rows[groups[0]] += rows
        self._kept += rows
        return groups[0]

    def slot(self, group: int) -> int | None:
        """Return the slot of a group, None of one that is forgotten."""
        return self._slots[group]

    def slots(self) -> list[int]:
        """Return the slots that have rows."""
        return [*self._groups]

    def move(self, slot: int, target: int) -> None:
        """Make the rows of a slot those of another one, beside those that it has."""
        groups = self._groups.pop(slot)
        self._groups.setdefault(target, []).extend(groups)
        for group in groups:
            self._slots[group] = target

    def forget(self, slot: int) -> None:
        """Forget a slot and its rows."""
        for group in self._groups.pop(slot):
            self._kept -= self._rows[group]
            self._slots[group], self._rows[group] = None, 0

    def kept(self) -> list[bool]:
        """Return by group whether it is not forgotten."""
        return [slot is not None for slot in self._slots]

    def reuse(self) -> None:
        """Give out the numbers of forgotten groups again: no row is left that has them."""
        self._free = [group for group, slot in enumerate(self._slots) if group and slot is None]

    def ranks(self) -> tuple[NDArray[np.int64], list[tuple[int, int]]]:
        """Return by group the place of its slot, and by place (slot, rows); the forgotten last."""
        ranks = np.full(len(self._slots), len(self._groups), np.int64)
        places = []
        for place, (slot, groups) in enumerate(self._groups.items()):
            ranks[groups] = place
            places.append((slot, sum(self._rows[group] for group in groups)))
        return ranks, places

    def _new(self, slot: int) -> int:
        if self._free:
            group = self._free.pop()
            self._slots[group] = slot
            return group
        self._slots.append(slot)
        self._rows.append(0)
        return len(self._slots) - 1


def by_slot(slots: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each slot with the places that it has.

    >>> [(slot, places.tolist()) for slot, places in by_slot(np.array([8, 7, 8]))]
    [(7, [1]), (8, [0, 2])]
    """
    if not len(slots):
        return
    order = slots.argsort(kind="stable")
    ordered = slots[order]
    begin = 0
    for end in [*((ordered[1:] != ordered[:-1]).nonzero()[0] + 1).tolist(), len(slots)]:
        yield ordered.item(begin), order[begin:end]
        begin = end
