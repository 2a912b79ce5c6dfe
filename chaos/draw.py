"""Draws a case from a seed: a stream with copies, rivals, late and broken messages, and faults."""

import copy
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from chaos.case import Case, Published
from chaos.draw_faults import draw_faults
from chaos.kinds import Kind
from local.chance import Chance
from local.clock_text import time_text
from local.faults import BROKEN, GZIP, Breaker, add_unknown_fields, again, zipped
from local.sample import Facts, detail_maker
from schemas.contract import Contracts, load_contracts

__all__ = ["BEGINNING", "draw_case"]

BEGINNING = 1_768_003_200_000_000
"""2026-01-10T00:00:00Z: when the streams of all cases begin."""

_MILLI = 1_000
_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_USERS = 9
# A payload of a megabyte for each seed would be most of the work, and shows nothing more.
_REASONS = tuple(sorted(set(BROKEN) - {"payload_too_large"}))
_SHAPES = {
    Kind.HOT_KEY: 0.15,
    Kind.POISON_HALF: 0.08,
    Kind.POISON_ALL: 0.06,
    Kind.BACKLOG_OF_DAYS: 0.12,
    Kind.CLOCK_SKEW: 0.2,
}
_POISON = {Kind.POISON_HALF: 0.5, Kind.POISON_ALL: 1.0}


class _Makers(NamedTuple):
    contracts: Contracts
    details: dict[str, Any]


def draw_case(seed: int) -> Case:
    """Return the case of a seed: the same on every machine."""
    chance = Chance(seed)
    shape = tuple(kind for kind, share in _SHAPES.items() if chance.random() < share)
    faults = draw_faults(chance.fork())
    leaps = chance.random() < 0.25
    late_writes = any(fault.kind is Kind.SLOW_CONNECTION for fault in faults)
    # Of two events in one millisecond the last writer stays where one of them is late, or where a
    # write arrives after its worker was given up: docs/bigtable.md says so.
    ties = not leaps and not late_writes
    messages = tuple(_Stream(chance.fork(), shape, ties=ties).messages())
    begins = BEGINNING
    if Kind.BACKLOG_OF_DAYS in shape:
        begins = messages[-1].published + chance.between(1, 3) * _HOUR
    return Case(
        seed, begins, messages, faults, shape, leaps,
        drains=chance.random() < 0.1,
        on_disk=any(fault.kind is Kind.FULL_DISK for fault in faults) and chance.random() < 0.1,
    )  # fmt: skip


@functools.cache
def _makers() -> _Makers:
    contracts = load_contracts(None)
    types = contracts.types
    return _Makers(contracts, {name: detail_maker(types[name].fields) for name in sorted(types)})


class _Stream:
    def __init__(self, chance: Chance, shape: tuple[Kind, ...], *, ties: bool) -> None:
        self._chance, self._shape, self._ties = chance, shape, ties
        self._breaker = Breaker(_makers().contracts, chance.fork(), True)
        self._facts: dict[str, Facts] = {}
        self._taken: set[int] = set()
        self._poisoned = max((_POISON.get(kind, 0.04) for kind in shape), default=0.04)
        self._sent: list[tuple[int, bytes, dict[str, str]]] = []

    def messages(self) -> Iterator[Published]:
        """Yield the messages in order of publishing."""
        chance = self._chance
        count = chance.between(8, 40) if chance.random() < 0.97 else chance.between(80, 150)
        span = chance.between(10, 200) * _MINUTE
        if Kind.BACKLOG_OF_DAYS in self._shape:
            span = chance.between(2, 5) * _DAY
        published = BEGINNING
        for _ in range(count):
            published += chance.below(2 * span // count) + 1
            if chance.random() < self._poisoned:
                self._break(published)
            else:
                self._happen(published)
        self._sent.sort(key=lambda sent: sent[0])
        for number, (time, payload, attributes) in enumerate(self._sent):
            yield Published(f"m{number}", time, payload, attributes)

    def _happen(self, published: int) -> None:
        chance = self._chance
        event, time = self._event(published)
        if chance.random() < 0.05:
            add_unknown_fields(event, chance)
        payload = msgspec.json.encode(event)
        attributes: dict[str, str] = {}
        if chance.random() < 0.04:
            payload, attributes = zipped(payload), GZIP
        self._send(published, payload, attributes)
        while chance.random() < 0.12:
            # Mostly within the horizon, seldom long after it.
            apart = chance.of((_SECOND, _MINUTE, 30 * _MINUTE, 7 * _HOUR))
            published += 1 + chance.below(apart)
            if chance.random() < 0.5:
                payload, attributes = again(event, time, chance, lines=False), {}
            self._send(published, payload, attributes)
        if chance.random() < 0.03:
            self._rival(event, published)

    def _rival(self, event: dict[str, Any], published: int) -> None:
        """Send two events of one id, of users that nothing else tells of."""
        chance = self._chance
        one = copy.deepcopy(event)
        mark = chance.hex(12)
        one.update(event_id=chance.hex(32), user_id=f"r{mark}", session_id=f"rs{mark}")
        other = {**one, "user_id": f"r{mark}b", "session_id": f"rs{mark}b"}
        for each in (one, other):
            self._send(published, msgspec.json.encode(each), {})
            published += chance.below(_HOUR)

    def _break(self, published: int) -> None:
        broken = None
        while broken is None:
            event, _ = self._event(published)
            broken = self._breaker.breaks(self._chance.of(_REASONS), event)
        self._send(published, broken.payload, broken.attributes)

    def _event(self, published: int) -> tuple[dict[str, Any], int]:
        chance = self._chance
        user: str | None = f"u{chance.below(_USERS)}"
        if Kind.HOT_KEY in self._shape and chance.random() < 0.5:
            user = "u0"
        time = self._time(published)
        kind = chance.of(tuple(_makers().details))
        event: dict[str, Any] = {
            "event_id": chance.hex(32),
            "event_type": kind,
            "user_id": user,
            "session_id": None if chance.random() < 0.05 else f"s{chance.below(4 * _USERS)}",
            "event_timestamp": time_text(time),
        }
        facts = self._facts.setdefault(user or "", {})
        event["event_details"] = _makers().details[kind](chance, facts, {})
        return event, time

    def _time(self, published: int) -> int:
        """Return when it happened: mostly just before, seldom long before, by some clocks after."""
        chance = self._chance
        drawn = chance.random()
        delay = chance.below(5 * _SECOND)
        if drawn < 0.1:
            delay = chance.below(90 * _MINUTE)
        elif drawn < 0.16:
            delay = chance.between(2 * _HOUR, 9 * _HOUR)
        elif drawn < 0.17:
            delay = chance.between(1, 4) * _DAY
        elif Kind.CLOCK_SKEW in self._shape and drawn < 0.5:
            delay = -chance.below(chance.of((_MINUTE, _HOUR, 23 * _HOUR)))
        time = (published - delay) // _MILLI * _MILLI
        if self._ties and delay < _HOUR and self._taken and chance.random() < 0.1:
            return max(self._taken)
        while time in self._taken:
            time -= _MILLI
        self._taken.add(time)
        return time

    def _send(self, published: int, payload: bytes, attributes: dict[str, str]) -> None:
        self._sent.append((published, payload, dict(attributes)))
