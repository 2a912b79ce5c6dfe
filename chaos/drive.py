"""Drives one job of a case through the model of an engine: what comes in, when, and what fails."""

import random
from collections import defaultdict

from chaos.bundle import Bundle, Element
from chaos.calls import Live
from chaos.case import Case, Fault, Published
from chaos.engine import WATERMARK_END, Engine
from chaos.graph import Graph
from chaos.kinds import Kind
from chaos.troubles import Troubles
from schemas.events import RawEvent
from schemas.packs import RawPack

__all__ = ["StuckError", "drive"]

_SECOND = 1_000_000
_SLACK = 2 * _SECOND
_MOST_AT_ONCE = 12
_AHEAD = 24
_TRIES = 400
_MOST_BUNDLES = 20_000
# What waits for a window's end, and for the age of a batch; events of fast clocks are a day ahead.
_AFTERWARDS = (1_200 * _SECOND, 400 * _SECOND)
_DAY_AHEAD = 24 * 3_600 * _SECOND


class StuckError(RuntimeError):
    """A job does not come to its end."""


def drive(graph: Graph, case: Case, job: str, troubles: Troubles, warm: dict[int, Live]) -> Engine:
    """Run a job to its end; return the engine with its counters.

    Raises:
        StuckError: it tries and tries.
    """
    chance = random.Random(f"{case.seed} {job}")
    troubles.clock.now = case.begins
    engine = Engine(graph, troubles, chance, warm)
    _Drive(engine, case, job, troubles).run()
    troubles.end()
    return engine


class _Drive:
    def __init__(self, engine: Engine, case: Case, job: str, troubles: Troubles) -> None:
        self._engine, self._troubles, self._case = engine, troubles, case
        self._faults: defaultdict[int, list[Fault]] = defaultdict(list)
        for fault in case.faults:
            if fault.job == job:
                self._faults[fault.at].append(fault)
        self._messages = case.messages if engine.graph.source is not None else ()
        self._pending = list(self._messages)
        self._spoiling: list[Kind] = []
        self._failed = 0

    def run(self) -> None:
        """Work until nothing is left to do, and after that as long as something could happen."""
        while self._advance():
            self._work()
        if self._messages:
            if Kind.CLOCK_SKEW in self._case.shape:
                self._troubles.clock.now += _DAY_AHEAD
            for time in _AFTERWARDS:
                self._troubles.clock.now += time
                self._work()
                while (due := self._engine.next_alarm()) and due <= self._troubles.clock.now + time:
                    self._troubles.clock.now = max(self._troubles.clock.now, due)
                    self._work()
            if self._case.drains:
                self._drain()

    def _drain(self) -> None:
        self._engine.source_watermark = WATERMARK_END
        self._work(drained=True)

    def _work(self, *, drained: bool = False) -> None:
        engine = self._engine
        while True:
            if not drained and self._messages:
                engine.source_watermark = self._watermark()
            tasks = engine.tasks()
            visible = self._visible()
            if not tasks and not visible:
                return
            self._break()
            if visible and (not tasks or engine.chance.random() < 0.4):
                done = self._pull(visible)
            else:
                done = engine.do(engine.chance.choice(tasks), self._spoil)
            self._failed = 0 if done else self._failed + 1
            if self._failed > _TRIES or engine.bundles > _MOST_BUNDLES:
                msg = f"{engine.bundles} bundles were tried, the last {self._failed} in vain"
                raise StuckError(msg)

    def _advance(self) -> bool:
        """Let time pass up to what happens next; return whether anything does."""
        clock, engine = self._troubles.clock, self._engine
        alarm = engine.next_alarm() if self._pending else None
        nearest = [message.published for message in self._pending[:1]]
        moments = [moment for moment in (alarm, *nearest) if moment is not None]
        if not moments:
            return bool(engine.tasks())
        clock.now = max(clock.now, min(moments))
        return True

    def _visible(self) -> list[Published]:
        now = self._troubles.clock.now
        return [message for message in self._pending[:_AHEAD] if message.published <= now]

    def _watermark(self) -> int:
        held = [] if self._case.leaps else self._pending[:1]
        oldest = min((each.published for each in held), default=self._troubles.clock.now)
        return min(oldest, self._troubles.clock.now) - _SLACK

    def _pull(self, visible: list[Published]) -> bool:
        """Hand in some messages as a bundle; they are acknowledged when it has committed."""
        chance = self._engine.chance
        taken = chance.sample(visible, chance.randint(1, min(len(visible), _MOST_AT_ONCE)))
        if not self._engine.feed([*map(_packed, _cut(taken, chance))], self._spoil):
            return False
        gone = set(map(id, taken))
        self._pending = [message for message in self._pending if id(message) not in gone]
        return True

    def _break(self) -> None:
        for fault in self._faults.pop(self._engine.bundles, ()):
            if fault.kind in (Kind.KILL_BETWEEN_WRITE_AND_COMMIT, Kind.BUNDLE_REPLAY):
                self._spoiling.append(fault.kind)
            elif fault.kind is Kind.REDELIVERY:
                self._redeliver(fault.amount)
            elif fault.kind is Kind.CLOCK_SKEW:
                self._engine.chance.choice(self._engine.workers).skew = fault.amount
                self._troubles.struck[fault.kind.value] += 1
            else:
                self._troubles.begin(fault.kind, fault.amount)

    def _redeliver(self, percent: int) -> None:
        now, chance = self._troubles.clock.now, self._engine.chance
        again = [
            message
            for message in self._messages
            if message.published <= now and chance.random() * 100 < percent
        ]
        self._pending = sorted([*self._pending, *again], key=lambda message: message.published)
        self._troubles.struck[Kind.REDELIVERY.value] += len(again)

    def _spoil(self, bundle: Bundle) -> bool:
        """Return whether a bundle that has run, sinks and all, is thrown away."""
        if not self._spoiling or (not bundle.out and not bundle.counts):
            return False
        kind = self._spoiling.pop(0)
        self._troubles.struck[kind.value] += 1
        if kind is Kind.KILL_BETWEEN_WRITE_AND_COMMIT:
            bundle.worker.die()
        return True


def _cut(taken: list[Published], chance: random.Random) -> list[list[Published]]:
    """Put messages into packs, as a reader does with what it was given at once."""
    packs: list[list[Published]] = []
    for message in taken:
        near = packs and abs(packs[-1][0].published - message.published) < 60 * _SECOND
        if near and chance.random() < 0.7:
            packs[-1].append(message)
        else:
            packs.append([message])
    return packs


def _packed(messages: list[Published]) -> Element:
    rows = (
        RawEvent(each.payload, dict(each.attributes), each.message_id, each.published)
        for each in messages
    )
    return Element(RawPack.of(rows), min(each.published for each in messages))
