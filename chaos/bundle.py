"""One bundle: elements or a timer through a run of fused steps, up to where an engine shuffles."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from apache_beam.runners.worker import statesampler

from chaos.calls import Live, Output, Tallies
from chaos.graph import Graph, Step
from chaos.saved import Alarm, Saved, Staged
from chaos.worker import Worker

__all__ = ["Bundle", "Element"]


class Element(NamedTuple):
    """A value on its way, with its time in microseconds."""

    value: Any
    time: int


class Bundle:
    """What one bundle does; it leaves nothing behind but in memory and in sinks until it commits.

    Args:
        graph: of the job.
        saved: its state.
        root: the step that the bundle begins with.
        worker: who does it.
    """

    def __init__(self, graph: Graph, saved: Saved, root: Step, worker: Worker) -> None:
        self._graph, self._root, self.worker = graph, root, worker
        self._staged = Staged(saved)
        self._tallies = Tallies()
        self._started: dict[int, Live] = {}
        self.out: dict[int, list[Element]] = {}

    @property
    def counts(self) -> dict[str, int]:
        """The suite's counters of this bundle."""
        return self._tallies.counts

    def run(self, elements: Iterable[Element]) -> None:
        """Process elements; raises what the steps raise."""
        self._do(lambda: self._enter(elements))

    def fire(self, timers: Iterable[tuple[Any, str, Alarm]]) -> None:
        """Let timers fire, by key and name."""
        self._do(lambda: self._ring(timers))

    def commit(self) -> None:
        """Let state and timers last."""
        self._staged.commit()

    def _do(self, work: Any) -> None:
        # Metrics go to whoever stands where an engine has its sampler, by thread.
        statesampler.set_current_tracker(self._tallies)
        try:
            work()
            done: set[int] = set()
            while left := self._started.keys() - done:
                number = min(left)
                done.add(number)
                self._hand_on(self._graph.steps[number], self._started[number].finish())
        finally:
            statesampler.set_current_tracker(None)

    def _live(self, step: Step) -> Live:
        if step.number not in self._started:
            live = self.worker.live(step)
            live.start()
            self._started[step.number] = live
        return self._started[step.number]

    def _enter(self, elements: Iterable[Element]) -> None:
        root = self._root
        for value, time in elements:
            if root.kind == "do":
                self._process(root, value, time)
            else:
                self._hand_on(root, [Output(None, value, time)])

    def _ring(self, timers: Iterable[tuple[Any, str, Alarm]]) -> None:
        for key, name, alarm in timers:
            held = self._staged.of(self._root.number, key)
            held.clear(name)
            outputs = self._live(self._root).fire(name, alarm.due, alarm.hold, held)
            self._hand_on(self._root, outputs)

    def _process(self, step: Step, value: Any, time: int) -> None:
        held = self._staged.of(step.number, value[0]) if step.stateful else None
        self._hand_on(step, self._live(step).process(value, time, held))

    def _hand_on(self, step: Step, outputs: Iterable[Output]) -> None:
        for tag, value, time in outputs:
            for number in step.outputs.get(tag, ()):
                taker = self._graph.steps[number]
                if taker.is_root:
                    self.out.setdefault(number, []).append(Element(value, time))
                else:
                    self._process(taker, value, time)
