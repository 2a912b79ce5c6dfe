"""The windows' step without Beam: open and closed windows of the keys of one shard."""

import heapq
from collections.abc import Iterable, Iterator, Mapping

from schemas.coverage import Coverage
from schemas.times import SECOND
from schemas.window_parts import Pane, PartPack, WindowPart
from transforms.window_rules import HeldWindow, Place, WindowRules, WindowTally
from transforms.window_state import WindowLog, WindowMark

__all__ = ["WindowShard"]

_EARLY, _ON_TIME, _LATE = "early", "on_time", "late"
_SNAPSHOT_WINDOWS = 500
_GRAINS = 32


class WindowShard:
    """Merges parts of windows, and says what their panes are and when the next is due.

    The greatest pane of a window does not depend on the order of parts, nor on how they were split
    into packs. `lower` is always a time that the watermark has passed, in microseconds; the least
    there is in batch. A window is *open* until `lower` has reached its end; it is *forgotten*
    when `lower` has reached that, the metric's allowed lateness and `horizon`, rounded up to a 32nd
    of the horizon, and parts that come then are counted only. A window that is not wholly inside
    the coverage is *withheld*: the job may have missed some of its events.

    Args:
        rules: by the slot of their metric.
        horizon: of dedupe, in microseconds.
        coverage: what the input is complete for.
        generation: of the panes.
    """

    def __init__(
        self,
        rules: Mapping[int, WindowRules],
        horizon: int,
        coverage: Coverage,
        generation: int = 0,
    ) -> None:
        self._rules = rules
        self._horizon = horizon
        self._grain = max(1, horizon // _GRAINS // SECOND) * SECOND
        self._coverage = coverage
        self._generation = generation
        self._windows: dict[Place, HeldWindow] = {}
        self._open: dict[int, list[Place]] = {}
        self._expiring: dict[int, list[Place]] = {}
        self._due: list[int] = []

    def __len__(self) -> int:
        return len(self._windows)

    def load(self, logs: Iterable[WindowLog], lower: int) -> int:
        """Take up what was saved; return how much is of windows that are no longer declared."""
        unknown = 0
        for log in logs:
            for part in log.parts:
                held = self._loaded(part)
                if held is None:
                    unknown += 1
                else:
                    held.add(part, self._rules[part.metric].merges)
            for mark in log.marks:
                held = self._loaded(mark)
                if held is None:
                    unknown += 1
                else:
                    held.index = max(held.index, mark.index)
                    held.told = max(held.told, mark.told)
                    held.withheld = held.withheld or mark.withheld
        # The log still has what was forgotten since it was rewritten.
        for place in [place for place in self._windows if lower >= self._expiry(place)]:
            del self._windows[place]
        for place in self._windows:
            self._schedule(place, lower)
        return unknown

    def absorb(self, pack: PartPack, lower: int, tally: WindowTally) -> WindowLog:
        """Merge what counts; return that, which is to be saved and told."""
        kept = WindowLog([], [])
        for part in pack.parts:
            rules = self._known(part)
            if rules is None:
                tally.parts_unknown += 1
                continue
            place = (part.metric, part.length, part.start, part.key)
            held = self._windows.get(place)
            if held is None:
                if lower >= self._expiry(place):
                    _count_forgotten(part, rules, tally)
                    continue
                held = self._begin(place, lower, kept, tally)
            if not held.withheld:
                held.add(part, rules.merges)
                kept.parts.append(part)
        return kept

    def late(self, kept: WindowLog, lower: int, tally: WindowTally) -> list[Pane]:
        """Return panes of closed windows that an absorbed pack has changed."""
        closed = {
            (part.metric, part.length, part.start, part.key)
            for part in kept.parts
            if part.start + part.length <= lower and self._rules[part.metric].triggers.on_late
        }
        return self._told(closed, _LATE, kept, tally)

    def changed(self, kept: WindowLog, lower: int) -> set[int]:
        """Return the slots of metrics that tell early, and of which an open window has changed."""
        return {
            part.metric
            for part in kept.parts
            if part.start + part.length > lower
            and self._rules[part.metric].triggers.speculative_every is not None
        }

    def speculate(self, slots: Iterable[int], kept: WindowLog, tally: WindowTally) -> list[Pane]:
        """Return panes of open windows of some metrics that have changed since they were told."""
        wanted = {*slots}
        places = (place for places in self._open.values() for place in places)
        changed = [place for place in places if place[0] in wanted and self._is_news(place)]
        return self._told(changed, _EARLY, kept, tally)

    def close(self, lower: int, kept: WindowLog, tally: WindowTally) -> list[Pane]:
        """Return the panes of windows that the watermark has passed the end of."""
        while self._due and self._due[0] <= lower:
            heapq.heappop(self._due)
        ended = [end for end in self._open if end <= lower]
        places = [place for end in ended for place in self._open.pop(end)]
        told = [place for place in places if self._rules[place[0]].triggers.on_time]
        return self._told(told, _ON_TIME, kept, tally)

    def expire(self, lower: int) -> int:
        """Forget what is to be forgotten; return how many windows that were."""
        gone = [moment for moment in self._expiring if moment <= lower]
        places = [place for moment in gone for place in self._expiring.pop(moment)]
        for place in places:
            del self._windows[place]
        return len(places)

    def whole(self, tally: WindowTally) -> Iterator[Pane]:
        """Yield one pane for each window, as in batch: nothing is told before."""
        places = (place for place, held in self._windows.items() if not held.withheld)
        yield from self._told(places, _ON_TIME, WindowLog([], []), tally)

    def next_due(self) -> int | None:
        """Return the event time at which to `close` and `expire` next, None: nothing is held."""
        return self._due[0] if self._due else None

    def snapshot(self) -> Iterator[WindowLog]:
        """Yield log entries that load to the same shard."""
        held = list(self._windows.items())
        for first in range(0, len(held), _SNAPSHOT_WINDOWS):
            some = held[first : first + _SNAPSHOT_WINDOWS]
            yield WindowLog(
                [window.copied() for _, window in some if window.part.events],
                [
                    WindowMark(*place, window.index, window.told, window.withheld)
                    for place, window in some
                    if window.index or window.withheld
                ],
            )

    def _known(self, part: WindowPart | WindowMark) -> WindowRules | None:
        rules = self._rules.get(part.metric)
        return rules if rules is not None and part.length in rules.lengths else None

    def _loaded(self, part: WindowPart | WindowMark) -> HeldWindow | None:
        if self._known(part) is None:
            return None
        place = (part.metric, part.length, part.start, part.key)
        held = self._windows.get(place)
        if held is None:
            held = self._windows[place] = HeldWindow(place)
        return held

    def _begin(self, place: Place, lower: int, kept: WindowLog, tally: WindowTally) -> HeldWindow:
        held = self._windows[place] = HeldWindow(place)
        self._schedule(place, lower)
        if not self._coverage.holds(place[2], place[1]):
            held.withheld = True
            kept.marks.append(WindowMark(*place, 0, 0, withheld=True))
            tally.windows_withheld += 1
        return held

    def _schedule(self, place: Place, lower: int) -> None:
        end = place[1] + place[2]
        if end > lower:
            self._put(self._open, end, place)
        self._put(self._expiring, self._expiry(place), place)

    def _put(self, places: dict[int, list[Place]], moment: int, place: Place) -> None:
        found = places.get(moment)
        if found is None:
            places[moment] = [place]
            heapq.heappush(self._due, moment)
        else:
            found.append(place)

    def _expiry(self, place: Place) -> int:
        kept_until = place[1] + place[2] + self._rules[place[0]].lateness + self._horizon
        return -(-kept_until // self._grain) * self._grain

    def _is_news(self, place: Place) -> bool:
        held = self._windows[place]
        return held.part.events > held.told

    def _told(
        self, places: Iterable[Place], timing: str, kept: WindowLog, tally: WindowTally
    ) -> list[Pane]:
        panes = []
        for place in sorted(places):
            held = self._windows[place]
            if held.withheld:
                continue
            panes.append(Pane(held.copied(), held.index, timing, self._generation))
            held.index, held.told = held.index + 1, held.part.events
            kept.marks.append(WindowMark(*place, held.index, held.told))
        name = f"panes_{timing}"
        setattr(tally, name, getattr(tally, name) + len(panes))
        return panes


def _count_forgotten(part: WindowPart, rules: WindowRules, tally: WindowTally) -> None:
    if rules.of_rejects:
        tally.rejects_too_late += part.events
    else:
        tally.windows_reopened += 1
