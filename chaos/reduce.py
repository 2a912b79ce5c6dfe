"""Reduces a failure to its smallest form: fewer messages, fewer faults, the same broken promise.

The method is delta debugging (Zeller and Hildebrandt, Simplifying and isolating failure-inducing
input, 2002).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeVar

from chaos.case import Case, Fault, Published

__all__ = ["reduced", "smallest"]

_Item = TypeVar("_Item")


def smallest(
    items: Sequence[_Item], fails: Callable[[Sequence[_Item]], bool], tries: int = 1_000
) -> list[_Item]:
    """Return a part of the items, in their order, with which it still fails.

    Of the whole it must be known that it fails. Where the tries suffice, leaving out any one item
    more makes it pass.

    >>> smallest(range(20), lambda some: {3, 11} <= set(some))
    [3, 11]
    """
    kept, parts = list(items), 2
    if tries > 0 and kept and fails([]):
        return []
    while kept and tries > 0:
        size = -(-len(kept) // parts)
        for start in range(0, len(kept), size):
            tries -= 1
            rest = kept[:start] + kept[start + size :]
            if rest and fails(rest):
                kept, parts = rest, max(2, parts - 1)
                break
            if tries <= 0:
                return kept
        else:
            if size == 1:
                return kept
            parts = min(len(kept), 2 * parts)
    return kept


def reduced(case: Case, fails: Callable[[Case], bool], tries: int = 250) -> Case:
    """Return a smaller case that fails in the same way.

    Args:
        case: one that fails.
        fails: whether a case breaks the same promise.
        tries: most cases to run for each of three rounds: faults, messages, faults.
    """

    def with_faults(faults: Sequence[Fault]) -> Case:
        return dataclasses.replace(case, faults=tuple(faults))

    def with_messages(messages: Sequence[Published]) -> Case:
        return dataclasses.replace(case, messages=tuple(messages))

    for calmer in (
        dataclasses.replace(case, drains=False, on_disk=False, leaps=False),
        dataclasses.replace(case, drains=False, on_disk=False),
    ):
        if calmer != case and fails(calmer):
            case = calmer
            break
    case = with_faults(smallest(case.faults, lambda some: fails(with_faults(some)), tries))
    case = with_messages(smallest(case.messages, lambda some: fails(with_messages(some)), tries))
    return with_faults(smallest(case.faults, lambda some: fails(with_faults(some)), tries))
