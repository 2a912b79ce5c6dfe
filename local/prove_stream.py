"""The stream of the proof: what it says, what of it gets lost or invented, and what is true."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from local.chance import Chance
from local.clock_text import time_text
from local.errors import ServiceError
from local.feature_rules import RuleSet, read_rules
from local.generate import Message, generate
from local.plan import DAY, HOUR, Faults, Plan
from local.prove_schedule import MINUTE, SECOND, Schedule
from local.publish import publish
from local.retime import Retiming, retimed
from local.truth import Truth
from schemas.contract import load_contracts

__all__ = [
    "GHOST",
    "LOST",
    "ProofStream",
    "rejected_of",
    "rivals_of",
]

LOST = "lost"
"""The attribute of messages that one of the live jobs is not to get."""
GHOST = "ghost"
"""The attribute of messages that only that job is to get, and the archive never."""

_LATEST = 8 * SECOND
# Messages up to a minute apart share a pack, whose oldest decides what is late: beyond that, and
# the horizon, there is no doubt.
_LATE_BY = (75 * SECOND, 150 * SECOND)
_SHRINK = 40
_FAULTS = Faults(duplicate=0.05, late=0.08, conflict=0.004, broken=0.03)
_LOSE = 0.4
_HAUNT = 0.2
_SOON = 2_000
_TICK = 0.2


@dataclass
class ProofStream:
    """A day of events with all faults, put to the clock.

    Args:
        events: messages, faults included.
        seed: of the story.
        schedule: when it is published.
        features: the feature files by which the truth is told.
    """

    events: int
    seed: int
    schedule: Schedule
    features: Path

    @cached_property
    def messages(self) -> list[Message]:
        """All messages in the order in which they are published."""
        length = (self.schedule.end - self.schedule.begin) * _SHRINK
        plan = Plan(
            events=self.events,
            seed=self.seed,
            span=min(DAY, length),
            horizon=HOUR,
            lines=False,
            clocked=True,
            faults=_FAULTS,
        )
        least, most = (self.schedule.horizon + extra for extra in _LATE_BY)
        to = Retiming(self.schedule.begin, self.schedule.end, self.schedule.delay, (least, most))
        told = retimed(list(generate(plan, load_contracts(None))), to, Chance(self.seed))
        lost = self._to_be_lost(told)
        return [_without(message) if self._is_lost(message, lost) else message for message in told]

    @cached_property
    def ghosts(self) -> list[Message]:
        """Events that never happened: each like one that did, and two milliseconds before it.

        So last values are those of the real ones, and only tiles are wrong.
        """
        chance = Chance(self.seed + 1)
        tile = self.schedule.tile * MINUTE
        likely = [
            message
            for message in self.messages
            if self._is_early(message)
            and (message.time - _SOON) // tile == message.time // tile
            and chance.random() < _HAUNT
        ]
        return [_ghost(message, chance.hex(32)) for message in likely]

    @cached_property
    def truth(self) -> Truth:
        """What a live job has to make of it."""
        return self._truth(batch=False)

    @cached_property
    def full_truth(self) -> Truth:
        """What a replay or a repair has to make of it: nothing is late there."""
        return self._truth(batch=True)

    @property
    def lost(self) -> int:
        """The number of messages that the lossy job does not get."""
        return sum(LOST in message.attributes for message in self.messages)

    @property
    def span(self) -> tuple[int, int]:
        """Event time, in whole tiles, of all events."""
        tile = self.schedule.tile * MINUTE
        times = [message.time for message in self.messages if message.event]
        return min(times) // tile * tile, (max(times) // tile + 1) * tile

    def publish(self, topic: str, tick: Callable[[int], None]) -> None:
        """Publish each message at its time, ghosts among them.

        `tick` is told how many messages without the ghosts were, several times a second.

        Raises:
            ServiceError: the topic cannot be reached, or events became late by mere delay.
        """
        waiting = sorted([*self.messages, *self.ghosts], key=lambda each: each.publish_time)
        waiting.reverse()
        while waiting:
            now = time.time_ns() // 1_000
            due = []
            while waiting and waiting[-1].publish_time <= now:
                due.append(waiting.pop())
            if due and now - due[0].publish_time > _LATEST:
                msg = "messages were published too late; try again on a machine less busy"
                raise ServiceError(msg)
            if due:
                publish(topic, due)
            tick(len(self.messages) - sum(GHOST not in each.attributes for each in waiting))
            time.sleep(_TICK)

    def _to_be_lost(self, messages: Sequence[Message]) -> set[str]:
        chance = Chance(self.seed)
        early = [message.event["event_id"] for message in messages if self._is_early(message)]
        return {event_id for event_id in early if chance.random() < _LOSE}

    def _is_early(self, message: Message) -> bool:
        early = message.label == "event" and message.time < self.schedule.closing
        return early and not message.rival

    def _is_lost(self, message: Message, lost: set[str]) -> bool:
        if message.event:
            return message.event["event_id"] in lost
        return message.publish_time % 4 == 0

    def _truth(self, *, batch: bool) -> Truth:
        truth = Truth(self._rules(), batch=batch)
        for message in self.messages:
            truth.add(message)
        return truth

    def _rules(self) -> list[RuleSet]:
        return read_rules(str(self.features), load_contracts(None))


def _without(message: Message) -> Message:
    return message._replace(attributes={**message.attributes, LOST: "1"})


def _ghost(message: Message, event_id: str) -> Message:
    moment = message.time - _SOON
    event = {**message.event, "event_id": event_id, "event_timestamp": time_text(moment)}
    payload = msgspec.json.encode(event)
    return message._replace(payload=payload, attributes={GHOST: "1"}, event=event, time=moment)


def rejected_of(messages: Sequence[Message]) -> set[tuple[bytes, str]]:
    """Return original bytes and reason of each message that has to be refused."""
    return {
        (message.payload, message.label.partition(".")[2])
        for message in messages
        if message.label.startswith("rejected")
    }


def rivals_of(messages: Sequence[Message]) -> dict[bytes, Any]:
    """Return the id of each message that is in conflict with another, by its payload."""
    return {message.payload: message.event["event_id"] for message in messages if message.rival}
