"""The messages of the demo: half an hour's story, told in half a minute by the clock."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from local.chance import Chance
from local.feature_rules import read_rules
from local.generate import Message, generate
from local.plan import HOUR, Plan
from local.publish import publish
from local.retime import Retiming, retimed
from local.truth import Truth
from schemas.contract import load_contracts

__all__ = ["HORIZON_SECONDS", "LATEST_SECONDS", "DemoStream", "stretched"]

_SECOND = 1_000_000
_SHRINK = 60
_LATE_BY = (12, 18)
# What comes out of order is late for its window by this factor more than the story says: up to 6 s.
_STRETCH = 3
_PROMPT = 2 * _SECOND
_TICK = 0.2
_TOLD = 5

HORIZON_SECONDS = 6 * 3_600
"""The horizon of the hot path: nothing in the demo is late for its hourly tiles."""

LATEST_SECONDS = _LATE_BY[1] + 2
"""How long after its event time an event may be published at the latest."""


def stretched(messages: Iterable[Message]) -> Iterator[Message]:
    """Make events that come out of order happen earlier, copies alike; what is late stays.

    Two contents of one id keep their distance, for they must not become one.
    """
    times: dict[tuple[str, int], int] = {}
    for message in messages:
        if message.label not in ("event", "duplicate") or message.rival:
            yield message
            continue
        lag = message.publish_time - message.time
        moved = message.time - (_STRETCH - 1) * lag if lag > _PROMPT else message.time
        key = message.event["event_id"], message.time
        yield message._replace(time=times.setdefault(key, moved))


@dataclass
class DemoStream:
    """A story of events with faults, each message published when its time has come.

    Of two contents of one id each job keeps one, and not the same if they reach it in another
    order. So where a job is killed, both are held back until `released`, and one job decides.

    Args:
        events: messages in all.
        seed: of the story.
        seconds: time in which they are published.
        say: takes one line of progress.
    """

    events: int
    seed: int
    seconds: float
    say: Callable[[str], None]
    released: bool = False
    published: int = 0
    messages: list[Message] = field(default_factory=list)
    sent: dict[int, int] = field(default_factory=dict)
    """When events were published, by the milliseconds of their time; microseconds."""

    def __post_init__(self) -> None:
        self._contracts = load_contracts(None)
        self._told = 0
        self._held: list[Message] = []
        self._waiting: deque[Message] = deque()
        plan = Plan(
            events=self.events,
            seed=self.seed,
            span=max(60 * _SECOND, int(self.seconds * _SHRINK * _SECOND)),
            horizon=HOUR,
            lines=False,
            clocked=True,
        )
        self._story = list(stretched(generate(plan, self._contracts)))

    @property
    def held(self) -> int:
        """How many messages are due and held back."""
        return len(self._held)

    @property
    def middle(self) -> bool:
        """Whether half of the messages are published."""
        return 2 * self.published >= self.events

    @property
    def span(self) -> tuple[int, int]:
        """The event times of all events, from the first to after the last, in microseconds."""
        times = [message.time for message in self.messages if message.event]
        return min(times), max(times) + 1

    def publish(self, topic: str, tick: Callable[[], None]) -> None:
        """Publish everything from now on, and call `tick` several times a second meanwhile."""
        begin = time.time_ns() // 1_000 + _SECOND // 2
        end = begin + int(self.seconds * _SECOND)
        late_by = (_LATE_BY[0] * _SECOND, _LATE_BY[1] * _SECOND)
        to = Retiming(begin, end, 0, late_by)
        self.messages = retimed(self._story, to, Chance(self.seed))
        self._waiting = deque(self.messages)
        while self._waiting or self._held:
            if due := self._due():
                publish(topic, due)
                self._note(due)
            tick()
            time.sleep(_TICK)

    def truth(self) -> dict[str, Any]:
        """Return what has to be in every row; nothing of it is late."""
        truth = Truth(read_rules(None, self._contracts), batch=True)
        for message in self.messages:
            truth.add(message)
        return truth.document()

    def _due(self) -> list[Message]:
        due: list[Message] = []
        if self.released:
            due, self._held = self._held, []
        now = time.time_ns() // 1_000
        while self._waiting and self._waiting[0].publish_time <= now:
            message = self._waiting.popleft()
            (self._held if message.rival and not self.released else due).append(message)
        return due

    def _note(self, published: list[Message]) -> None:
        now = time.time_ns() // 1_000
        for message in published:
            if message.event:
                self.sent.setdefault(message.time // 1_000, now)
        self.published += len(published)
        share = self.published * _TOLD // self.events
        if share > self._told:
            self._told = share
            self.say(f"published {self.published:,} of {self.events:,}")
