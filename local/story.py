"""Sessions that make sense: who does what, when and in which order.

A session belongs to one user, drawn by a Zipf law. It opens with a signup (the user's first one, if
the user is new) or a login and goes on with errands: a lesson is started before it is completed and
its quiz submitted, a refund follows its purchase. Types that no errand knows are errands of their
own, so any set of contracts makes a story.
"""

from typing import Any, NamedTuple

from local.chance import Chance, Zipf
from local.clock_text import time_text
from local.sample import Facts, detail_maker
from schemas.contract import Contracts

__all__ = ["Happening", "Session", "Story"]

_OPENERS = ("signup", "login")
_ERRANDS: tuple[tuple[int, tuple[tuple[str, float], ...]], ...] = (
    (6, (("page_view", 1.0), ("click", 0.6), ("page_view", 0.3))),
    (3, (("search", 1.0), ("page_view", 0.8), ("click", 0.5))),
    (3, (("feature_used", 1.0),)),
    (4, (("lesson_started", 1.0), ("lesson_completed", 0.7), ("quiz_submitted", 0.6))),
    (2, (("page_view", 1.0), ("purchase", 0.9), ("refund", 0.12))),
    (1, (("subscription_changed", 1.0),)),
    (1, (("profile_updated", 1.0),)),
)
_CHANGES_A_USER = frozenset(("subscription_changed", "profile_updated"))
_SYSTEMS = ("web", "ios", "android", "backend")

_SECOND = 1_000_000
_MILLI = 1_000
_NEW_USER = 0.5
_NO_SESSION_ID = 0.05
_NO_USER_ID = 0.02
_NO_SYSTEM = 0.1
_NEW_DEVICE = 0.15
_SAME_MILLI = 0.03


class Happening(NamedTuple):
    """One event before anything goes wrong; `time` is its event time in microseconds."""

    event: dict[str, Any]
    time: int


class Session(NamedTuple):
    """What one user did in one visit. `returning`: nothing of the user depends on its order."""

    happenings: list[Happening]
    returning: bool


class Story:
    """Makes sessions, one after another; the same chance gives the same story.

    Event times are even in their milliseconds: odd ones are left to events that are late.
    """

    def __init__(self, contracts: Contracts, chance: Chance, users: int) -> None:
        self._chance = chance
        self._zipf = Zipf(users)
        self._facts: dict[int, Facts] = {}
        self._newcomers: set[int] = set()
        self._seen: set[int] = set()
        # the busiest have been here for long
        self._known = max(1, users // 4)
        types = contracts.types
        self._details = {name: detail_maker(types[name].fields) for name in sorted(types)}
        self._errands = _known_errands(set(types))
        self._openers = [name for name in _OPENERS if name in types]
        self._anonymous = contracts.envelope.fields["user_id"].nullable

    def session(self, start: int) -> Session:
        """Return the session that begins at this time."""
        chance = self._chance
        rank = self._zipf.draw(chance)
        opening = self._opening(rank)
        if chance.random() < _NEW_DEVICE:
            self._forget(rank, "device_id")
        visit = _Visit(self, rank, start)
        for event_type in opening:
            visit.happen(event_type, {})
        for _ in range(chance.between(1 - len(opening), 5)):
            self._errand(visit)
        return Session(visit.happenings, rank not in self._newcomers)

    def details(self, event_type: str, rank: int, thread: Facts) -> dict[str, Any]:
        """Return the details of one event of this user, within this errand."""
        if event_type in _CHANGES_A_USER:
            self._forget(rank, "")
        return self._details[event_type](self._chance, self._facts.setdefault(rank, {}), thread)

    def envelope(
        self, event_type: str, time: int, user: str | None, session: str | None
    ) -> dict[str, Any]:
        """Return an event without its details, under a new id."""
        event: dict[str, Any] = {
            "event_id": self._chance.hex(32),
            "event_type": event_type,
            "user_id": user,
            "session_id": session,
            "event_timestamp": time_text(time),
        }
        if self._chance.random() >= _NO_SYSTEM:
            event["source_system"] = self._chance.of(_SYSTEMS)
        return event

    def _forget(self, rank: int, prefix: str) -> None:
        facts = self._facts.get(rank, {})
        self._facts[rank] = {key: facts[key] for key in facts if not key.startswith(prefix)}

    def _opening(self, rank: int) -> list[str]:
        chance = self._chance
        if rank in self._seen:
            return self._logins()
        self._seen.add(rank)
        if rank >= self._known and chance.random() < _NEW_USER and "signup" in self._openers:
            self._newcomers.add(rank)
            return ["signup"]
        return self._logins()

    def _logins(self) -> list[str]:
        return [name for name in self._openers if name == "login" and self._chance.random() < 0.7]

    def _errand(self, visit: "_Visit") -> None:
        thread: Facts = {}
        for event_type, likely in self._chance.of(self._errands):
            if self._chance.random() >= likely:
                return
            visit.happen(event_type, thread)


class _Visit:
    """One session while it is being told."""

    def __init__(self, story: Story, rank: int, start: int) -> None:
        self._story = story
        self._chance = chance = story._chance
        self._rank = rank
        self._user: str | None = f"u{rank:06d}"
        if story._anonymous and chance.random() < _NO_USER_ID:
            self._user = None
        self._session = None if chance.random() < _NO_SESSION_ID else f"s{chance.hex(12)}"
        self._time = start
        self.happenings: list[Happening] = []

    def happen(self, event_type: str, thread: Facts) -> None:
        time = self._next_time()
        event = self._story.envelope(event_type, time, self._user, self._session)
        event["event_details"] = self._story.details(event_type, self._rank, thread)
        self.happenings.append(Happening(event, time))

    def _next_time(self) -> int:
        chance = self._chance
        if not self.happenings or chance.random() >= _SAME_MILLI:
            self._time += chance.between(1, 90 * _SECOND)
            self._time -= self._time // _MILLI % 2 * _MILLI
            return self._time
        # the same millisecond as the last one: only the event id tells which of them wins
        return self._time - self._time % _MILLI + chance.below(_MILLI)


def _known_errands(types: set[str]) -> list[tuple[tuple[str, float], ...]]:
    known = set(_OPENERS)
    errands: list[tuple[tuple[str, float], ...]] = []
    for weight, steps in _ERRANDS:
        known.update(name for name, _ in steps)
        possible = tuple(step for step in steps if step[0] in types)
        errands += [possible] * weight if possible else []
    errands += [((name, 1.0),) for name in sorted(types - known)] * 2
    return errands or [((name, 1.0),) for name in sorted(types)]
