"""A model of an engine for one job: queues, watermarks, timers, bundles that commit or do not."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from apache_beam.utils.timestamp import MIN_TIMESTAMP

from chaos.bundle import Bundle, Element
from chaos.calls import Live
from chaos.graph import Graph, Step
from chaos.saved import Alarm, Saved
from chaos.troubles import Troubles
from chaos.worker import Clock, Worker
from schemas.events import MAX_MICROS
from transforms.mutate_rows import NothingWrittenError
from transforms.object_store import ObjectStoreError

__all__ = ["WATERMARK_END", "Engine", "Task"]

WATERMARK_END = MAX_MICROS
_BEGINNING: int = MIN_TIMESTAMP.micros
_REPEATED = (NothingWrittenError, ObjectStoreError)
"""What the suite raises so that the engine repeats a bundle."""
_MOST = 6
_BUNDLE_SECONDS = 0.05
_ELSEWHERE = 0.2


class Task(NamedTuple):
    """What a bundle could be of: elements that wait at a root, or timers of it that are due."""

    root: int
    timers: tuple[tuple[Any, str, Alarm], ...] = ()


class Engine:
    """Runs a graph bundle by bundle; who drives it says what comes in and what goes wrong.

    Args:
        graph: of the job.
        troubles: of the world, with its clock.
        chance: what the engine is free to choose is drawn from it.
        warm: see `Worker`.
    """

    def __init__(
        self, graph: Graph, troubles: Troubles, chance: random.Random, warm: dict[int, Live]
    ) -> None:
        self.graph, self.chance = graph, chance
        self.clock: Clock = troubles.clock
        self.workers = [Worker(self.clock, warm) for _ in range(2)]
        self.counts: Counter[str] = Counter()
        self.saved = Saved()
        self.queues: dict[int, list[Element]] = {}
        self.bundles = self.repeated = 0
        self.source_watermark = _BEGINNING
        self._reached: dict[int, int] = {}
        for step in graph.steps:
            if step.kind == "values":
                self.queues[step.number] = [Element(value, _BEGINNING) for value in step.values]

    def tasks(self) -> list[Task]:
        """Return what could be done now."""
        ready = [Task(number) for number, waiting in self.queues.items() if self._is_ready(number)]
        ringing = ((root, self._due(root)) for root in self.graph.before)
        return ready + [Task(root, tuple(due)) for root, due in ringing if due]

    def next_alarm(self) -> int | None:
        """Return when the clock next has a timer due."""
        alarms = (alarm for root in self.graph.before for _, _, alarm in self.saved.alarms(root))
        return min((alarm.due for alarm in alarms if alarm.by_clock), default=None)

    def feed(self, elements: list[Element], spoil: Callable[[Bundle], bool]) -> bool:
        """Run elements of the source as a bundle; return whether it committed."""
        source = self.graph.source
        assert source is not None
        return self._attempt(self.graph.steps[source], lambda bundle: bundle.run(elements), spoil)

    def do(self, task: Task, spoil: Callable[[Bundle], bool]) -> bool:
        """Run one task as a bundle; return whether it committed."""
        root = self.graph.steps[task.root]
        if task.timers:
            some = self.chance.randint(1, len(task.timers))
            fired = self.chance.sample(task.timers, some)
            return self._attempt(root, lambda bundle: bundle.fire(fired), spoil)
        taken = self._taken(root)
        given = _grouped(taken, self.chance) if root.kind == "group" else taken
        if not self._attempt(root, lambda bundle: bundle.run(given), spoil):
            return False
        waiting = self.queues[root.number]
        gone = set(map(id, taken))
        waiting[:] = [element for element in waiting if id(element) not in gone]
        return True

    def watermark(self, root: int) -> int:
        """Return the watermark of what comes into a root; it never goes back."""
        before = self.graph.before[root]
        found = min((self._after(number) for number in before), default=WATERMARK_END)
        if self.graph.steps[root].kind == "source":
            found = self.source_watermark
        waiting = (element.time for element in self.queues.get(root, ()))
        reached = max(self._reached.get(root, _BEGINNING), min(found, min(waiting, default=found)))
        self._reached[root] = reached
        return reached

    def _after(self, root: int) -> int:
        holds = (alarm.hold for _, _, alarm in self.saved.alarms(root))
        return min(self.watermark(root), min(holds, default=WATERMARK_END))

    def _is_ready(self, number: int) -> bool:
        if not self.queues[number]:
            return False
        if self.graph.steps[number].kind != "group":
            return True
        return not any(map(self._is_busy, self.graph.before[number]))

    def _is_busy(self, number: int) -> bool:
        before = self.graph.before[number]
        return bool(self.queues.get(number)) or any(map(self._is_busy, before))

    def _due(self, root: int) -> list[tuple[Any, str, Alarm]]:
        alarms = list(self.saved.alarms(root))
        if not alarms:
            return []
        watermark = self.watermark(root)
        return [
            (key, name, alarm)
            for key, name, alarm in alarms
            if alarm.due <= (self.clock.now if alarm.by_clock else watermark)
        ]

    def _taken(self, root: Step) -> list[Element]:
        waiting = list(self.queues[root.number])
        if root.kind == "group":
            # A key comes once, with all of its values.
            return waiting
        self.chance.shuffle(waiting)
        return waiting[: self.chance.randint(1, _MOST)]

    def _attempt(
        self, root: Step, work: Callable[[Bundle], None], spoil: Callable[[Bundle], bool]
    ) -> bool:
        self.bundles += 1
        self.clock.sleep(_BUNDLE_SECONDS)
        # Mostly the same one, as engines do it: it has in memory what the other has to read.
        worker = self.workers[self.chance.random() < _ELSEWHERE]
        bundle = Bundle(self.graph, self.saved, root, worker)
        try:
            work(bundle)
        except _REPEATED:
            self.repeated += 1
            return False
        if spoil(bundle):
            return False
        bundle.commit()
        self.counts.update(bundle.counts)
        for number, elements in bundle.out.items():
            self.queues.setdefault(number, []).extend(elements)
        return True


def _grouped(elements: list[Element], chance: random.Random) -> list[Element]:
    groups: dict[Any, list[Any]] = {}
    for (key, value), _ in elements:
        groups.setdefault(key, []).append(value)
    keys = list(groups)
    chance.shuffle(keys)
    for values in groups.values():
        chance.shuffle(values)
    return [Element((key, groups[key]), _BEGINNING) for key in keys]
