"""What is to be generated: how much, over which time, and how much of it goes wrong."""

from dataclasses import dataclass, field, fields

__all__ = ["DAY", "HOUR", "MINUTE", "Faults", "Plan"]

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# 2025-03-03, a Monday: behind every clock that this runs under
_START = 1_740_960_000_000_000
_EVENTS_A_USER = 40


@dataclass(frozen=True)
class Faults:
    """The share of events that each fault befalls, from 0 to 1.

    duplicate: the message comes again, with the same bytes or serialised anew. late: the event is
    older than the horizon when it is published. reordered: it is published later than others that
    happened after it. conflict: another event has its id. synthetic: the same content comes under
    an id of its own, which is no duplicate to dedupe by id. drift: fields that the contract does
    not know. gzip: the payload is compressed (never in lines). broken: a payload that has to be
    refused is sent beside it.
    """

    duplicate: float = 0.02
    late: float = 0.05
    reordered: float = 0.1
    conflict: float = 0.001
    synthetic: float = 0.002
    drift: float = 0.01
    gzip: float = 0.01
    broken: float = 0.01

    def __post_init__(self) -> None:
        for rate in fields(self):
            value = getattr(self, rate.name)
            if not 0 <= value <= 1:
                msg = f"{rate.name}={value}: give a share from 0 to 1"
                raise ValueError(msg)

    @classmethod
    def none(cls) -> "Faults":
        """Return the faults of a perfect world."""
        return cls(**{rate.name: 0.0 for rate in fields(cls)})


@dataclass(frozen=True)
class Plan:
    """One generated stream. Times and lengths are in microseconds.

    `events` messages are generated, faults included. They happen over `span` from `start` on. Each
    is published when it happened, plus a delay; or, where `publish_span` is given, they are
    published in the same order within that time after `start + span`, so that hours of events can
    be published in a minute and none but the late ones is older than `horizon`.

    `lines`: every payload can be a line of a file (nothing empty, compressed or with a line end).
    `clocked`: the reader knows publish times, so events of a far future are refused too.
    `same_bytes`: duplicates are never serialised anew.

    Raises:
        ValueError: a combination in which events would be late that are not meant to be.
    """

    events: int
    seed: int = 0
    users: int = 0
    start: int = _START
    span: int = DAY
    publish_span: int | None = None
    horizon: int = HOUR
    lines: bool = True
    clocked: bool = False
    same_bytes: bool = False
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        if self.events < 1:
            msg = f"events={self.events}: give at least 1"
            raise ValueError(msg)
        if min(self.span, self.horizon) < MINUTE:
            msg = "span and horizon: give at least a minute"
            raise ValueError(msg)
        if self.publish_span is not None and self.span + self.publish_span >= self.horizon:
            msg = "publish_span: span and publish span together must be shorter than the horizon"
            raise ValueError(msg)

    @property
    def population(self) -> int:
        """The number of users there are to draw from."""
        return self.users or self.events // _EVENTS_A_USER + 1

    @property
    def patience(self) -> int:
        """The longest delay of an event that is not meant to be late."""
        return min(self.horizon // 4, 2 * MINUTE)

    def published(self, arrival: int) -> int:
        """Return the publish time of what arrives at this time of the story."""
        if self.publish_span is None:
            return arrival
        passed = (arrival - self.start) * self.publish_span // self.span
        return self.start + self.span + passed
