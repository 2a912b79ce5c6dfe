"""Gives each pane of a live job its reason, by the words of docs/window_metrics.md."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

from tests.metric_builders import Seen

__all__ = ["End", "Place", "Step", "Told", "bundles", "explain"]

Step: TypeAlias = int | Sequence[Seen]
"""A time that the watermark goes on to, or what arrives together."""
Place: TypeAlias = tuple[object, ...]
"""A window and a key."""
End: TypeAlias = Callable[[Place], int]
Told: TypeAlias = tuple[int, str, int]
"""Index, timing and event count of a pane."""


def bundles(script: Iterable[Step]) -> list[Sequence[Seen]]:
    """Return what arrives, without the times."""
    return [step for step in script if not isinstance(step, int)]


def explain(
    told: Mapping[Place, Collection[Told]],
    script: Sequence[Step],
    places_of: Callable[[Seen], Collection[Place]],
    end: End,
    *,
    joined: bool = False,
) -> None:
    """Fail where a pane has no reason, or where there is a reason and no pane.

    Panes of a window and key are numbered from 0 and each tells all that has come so far. Early
    ones tell more and more of what came before the end. Then one is on time: it tells what came
    before the watermark passed the end, or, where the job learned of that later, some of what came
    until then. From there on each bundle that changes the window is told as late.

    Args:
        told: the panes of one job, which began without state.
        script: what came, and the watermark.
        places_of: the windows and keys that an event is to be counted in.
        end: of a window.
        joined: the engine may have made one bundle of what came one after the other.
    """
    places = {place for step in bundles(script) for one in step for place in places_of(one)}
    assert told.keys() <= places
    for place in places:
        before, after = _counts(place, script, places_of, end(place))
        panes = sorted(told.get(place, ()))
        assert [index for index, *_ in panes] == [*range(len(panes))]
        early = [count for _, timing, count in panes if timing == "early"]
        assert [timing for _, timing, _ in panes[: len(early)]] == ["early"] * len(early)
        assert early == sorted({*early}), "early panes tell more and more"
        assert {*early} <= {*before, *after}
        closed = [pane[1:] for pane in panes[len(early) :]]
        late = [count for timing, count in closed if timing == "late"]
        wanted = _late_counts(closed, before, after)
        assert [timing for timing, _ in closed[-len(late) :] if late] == ["late"] * len(late)
        assert late == (sorted({*late} & {*wanted}) if joined else wanted)
        assert late[-1:] == wanted[-1:]


def _late_counts(
    closed: Sequence[tuple[str, int]], before: Sequence[int], after: list[int]
) -> list[int]:
    """Return what late panes have to tell, behind the one on time if there has to be one."""
    assert closed, "what was counted was told"
    timing, count = closed[0]
    if timing == "late":
        assert not before, "what came before the end was told on time"
        return after
    assert timing == "on_time"
    assert count in {*before[-1:], *after}
    return [later for later in after if later > count]


def _counts(
    place: Place,
    script: Sequence[Step],
    places_of: Callable[[Seen], Collection[Place]],
    end: int,
) -> tuple[list[int], list[int]]:
    """Return how many events were there after each bundle before the end, and behind it."""
    watermark, there = 0, set[str]()
    before, after = list[int](), list[int]()
    for step in script:
        if isinstance(step, int):
            watermark = max(watermark, step)
            continue
        new = {one.event_id for one in step if place in places_of(one)} - there
        there |= new
        if new:
            (before if watermark < end else after).append(len(there))
    return before, after
