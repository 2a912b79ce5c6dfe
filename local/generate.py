"""A seeded stream of events with faults: the same plan gives the same bytes on any machine."""

import copy
import heapq
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from local.chance import Chance
from local.clock_text import time_text
from local.faults import BROKEN, GZIP, Breaker, add_unknown_fields, again, zipped
from local.plan import MINUTE, Plan
from local.story import Happening, Session, Story
from schemas.contract import Contracts

__all__ = ["Message", "generate", "write_lines"]

_SECOND = 1_000_000
_MILLI = 1_000
_PILOT = 200
_MOST_LARGE = 3


class Message(NamedTuple):
    """One message as it is published, and what has to become of it.

    `label` is "event" (to be accepted), "late" (too old for a tile; in batch an event like others),
    "duplicate", "conflict" (the second of two contents of one id; `rival` marks both, and either
    may be kept) or "rejected.<reason>". `event` is the content and `time` its event time; both mean
    nothing in a rejected message. Times are microseconds since the epoch.
    """

    payload: bytes
    attributes: dict[str, str]
    publish_time: int
    label: str
    event: dict[str, Any]
    time: int
    ordering_key: str = ""
    rival: bool = False


class _Draft(NamedTuple):
    label: str
    event: dict[str, Any]
    time: int
    payload: bytes
    attributes: dict[str, str]
    rival: bool = False


def generate(plan: Plan, contracts: Contracts) -> Iterator[Message]:
    """Yield the messages of a plan in the order in which they are published."""
    return itertools.islice(_Stream(plan, contracts).messages(), plan.events)


def write_lines(messages: Iterator[Message], path: Path) -> int:
    """Write payloads as lines, for a plan with `lines`; return their number."""
    count = 0
    with path.open("wb") as file:
        for count, message in enumerate(messages, 1):  # noqa: B007 (the last count is the answer)
            file.write(message.payload)
            file.write(b"\n")
    return count


class _Stream:
    """Tells session after session and lets faults befall them.

    Sessions overlap: what has happened waits in a heap until no later session can come before it.
    """

    def __init__(self, plan: Plan, contracts: Contracts) -> None:
        self._plan = plan
        self._faults = plan.faults
        chance = Chance(plan.seed)
        self._chance = chance.fork()
        self._gap = _gap(plan, contracts, chance.fork())
        self._story = Story(contracts, chance.fork(), plan.population)
        self._breaker = Breaker(contracts, chance.fork(), plan.clocked)
        self._reasons = self._reason_cycle()
        self._waiting: list[tuple[int, int, _Draft]] = []
        self._serial = itertools.count()
        self._late_millis: set[int] = set()
        self._encode = msgspec.json.Encoder().encode

    def messages(self) -> Iterator[Message]:
        """Yield messages without end."""
        for number in itertools.count():
            start = self._plan.start + number * self._gap + self._chance.below(self._gap)
            while self._waiting and self._waiting[0][0] < start - self._gap - 2 * _MILLI:
                yield self._published()
            self._tell(self._story.session(start))

    def _published(self) -> Message:
        arrival, _, draft = heapq.heappop(self._waiting)
        user = draft.event.get("user_id") or ""
        published = self._plan.published(arrival)
        return Message(
            draft.payload, draft.attributes, published, draft.label, draft.event, draft.time, user,
            draft.rival,
        )  # fmt: skip

    def _tell(self, session: Session) -> None:
        chance = self._chance
        shift = 0
        if session.returning and chance.random() < self._faults.late / 0.9:
            shift = self._lateness(session)
        for happening in session.happenings:
            arrival = happening.time + chance.below(2 * _SECOND)
            if chance.random() < self._faults.reordered:
                arrival += chance.below(self._plan.patience)
            if shift:
                self._send("late", self._moved(happening, shift), arrival)
            else:
                self._send("event", happening, arrival)
                self._add_strangers(happening, arrival)

    def _lateness(self, session: Session) -> int:
        """How much earlier a session has to be for all of it to be older than the horizon."""
        extra = self._chance.between(20 * MINUTE, 120 * MINUTE)
        ahead = max(it.time - self._plan.published(it.time) for it in session.happenings)
        return self._plan.horizon + extra + max(0, ahead)

    def _moved(self, happening: Happening, shift: int) -> Happening:
        """Move an event back to a millisecond of its own: a tie with a late event has no winner."""
        time = happening.time - shift
        time -= (1 - time // _MILLI % 2) * _MILLI
        while time // _MILLI in self._late_millis:
            time -= 2 * _MILLI
        self._late_millis.add(time // _MILLI)
        happening.event["event_timestamp"] = time_text(time)
        return Happening(happening.event, time)

    def _send(self, label: str, happening: Happening, arrival: int, *, rival: bool = False) -> None:
        chance, faults = self._chance, self._faults
        event, time = happening
        if chance.random() < faults.drift:
            add_unknown_fields(event, chance)
        payload: bytes = self._encode(event)
        attributes: dict[str, str] = {}
        if chance.random() < faults.gzip and not self._plan.lines:
            payload, attributes = zipped(payload), GZIP
        self._push(arrival, _Draft(label, event, time, payload, attributes, rival))
        while chance.random() < faults.duplicate and not rival:
            arrival += 1 + chance.below(self._plan.patience)
            if not self._plan.same_bytes and chance.random() < 0.5:
                payload, attributes = again(event, time, chance, lines=self._plan.lines), {}
            self._push(arrival, _Draft("duplicate", event, time, payload, attributes))

    def _add_strangers(self, happening: Happening, arrival: int) -> None:
        """Send what is no part of the story: the same under a new id, rivals, broken payloads."""
        chance, faults = self._chance, self._faults
        if chance.random() < faults.synthetic:
            twin = copy.deepcopy(happening.event)
            twin["event_id"] = chance.hex(32)
            self._send("event", Happening(twin, happening.time), arrival + chance.below(_SECOND))
        if chance.random() < faults.conflict:
            self._send_rivals(happening, arrival)
        if chance.random() < faults.broken:
            self._send_broken(happening.event, arrival)

    def _send_rivals(self, happening: Happening, arrival: int) -> None:
        """Two events with one id, of users that nothing else tells of: either may be kept."""
        chance = self._chance
        one = copy.deepcopy(happening.event)
        mark = chance.hex(12)
        one.update(event_id=chance.hex(32), user_id=f"r{mark}", session_id=f"rs{mark}")
        other, time = copy.deepcopy(one), happening.time
        if chance.random() < 0.5:
            other.update(user_id=f"r{mark}b", session_id=f"rs{mark}b")
        else:
            time += 2 * _SECOND
            other["event_timestamp"] = time_text(time)
        self._send("event", Happening(one, happening.time), arrival, rival=True)
        arrival += MINUTE // 2 + chance.below(self._plan.patience)
        self._send("conflict", Happening(other, time), arrival, rival=True)

    def _send_broken(self, event: dict[str, Any], arrival: int) -> None:
        broken = self._breaker.breaks(next(self._reasons), event)
        while broken is None or (self._plan.lines and not broken.line):
            broken = self._breaker.breaks(next(self._reasons), event)
        label = f"rejected.{broken.reason}"
        self._push(arrival, _Draft(label, {}, 0, broken.payload, broken.attributes))

    def _reason_cycle(self) -> Iterator[str]:
        reasons = list(BROKEN)
        for turn in itertools.count():
            if turn == _MOST_LARGE:
                reasons.remove("payload_too_large")
            yield from reasons

    def _push(self, arrival: int, draft: _Draft) -> None:
        heapq.heappush(self._waiting, (arrival, next(self._serial), draft))


def _gap(plan: Plan, contracts: Contracts, chance: Chance) -> int:
    """Return the time from session to session that spreads the events over the span."""
    story = Story(contracts, chance, plan.population)
    told = sum(len(story.session(plan.start).happenings) for _ in range(_PILOT))
    faults = plan.faults
    messages = 1 + faults.duplicate + faults.synthetic + 2 * faults.conflict + faults.broken
    return max(1, int(plan.span * told * messages / (_PILOT * plan.events)))
