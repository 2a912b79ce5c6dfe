"""The stream of a seed: a generated story with the faults that are in events and publishers."""

import gzip
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from chaos.kinds import Kind
from chaos.loop_plan import POISON, STEPS, LoopPlan
from local.chance import Chance
from local.clock_text import time_text
from local.faults import BROKEN, GZIP, Breaker, zipped
from local.generate import Message, generate
from local.plan import DAY, HOUR, MINUTE, Faults, Plan
from schemas.contract import Contracts, load_contracts

__all__ = ["BACKLOG", "HORIZON", "Step", "steps_of"]

HORIZON = 8 * HOUR
"""Of all jobs, in microseconds: what is late is late by design of the stream, not by delay."""
BACKLOG = 3 * DAY
"""How long ago the oldest message of a backlog was published, in microseconds."""

_SPAN = 5 * HOUR
_FAULTS = Faults(duplicate=0.05, late=0.05, conflict=0.004, broken=0.03, gzip=0.02, drift=0.02)
_SKEWED = 3
# More than a day ahead an event is refused; behind the horizon it would be late.
_SKEWS = (-HOUR, -10 * MINUTE, 10 * MINUTE, 20 * HOUR, 40 * HOUR)
_LARGE = "payload_too_large"
_SECOND = 1_000_000
# The seed of a backlog is not that of any stream.
_OTHER = 1 << 40


class Step(NamedTuple):
    """Messages that are published at once.

    With `backlog` readers are told that they were published when the story says, days ago.
    """

    messages: list[Message]
    backlog: bool = False


def steps_of(plan: LoopPlan, now: int) -> list[Step]:
    """Return the steps of a plan's stream, whose events happened shortly before a time.

    The order of messages, and all but their times, depend on the plan alone.

    Args:
        plan: with the faults of the stream.
        now: in microseconds.
    """
    contracts = load_contracts(None)
    old: list[Message] = []
    if plan.has(Kind.BACKLOG_OF_DAYS):
        old = _story(plan.events // 2, plan.seed + _OTHER, now - BACKLOG, now - _SPAN, contracts)
    new = _story(plan.events - len(old), plan.seed, now - _SPAN, now, contracts)
    steps = [Step([_faulty(plan, message) for message in each]) for each in _equal(new, len(old))]
    if old:
        steps.insert(0, Step([_faulty(plan, message) for message in old], backlog=True))
    breaker = Breaker(contracts, Chance(plan.seed + 1), clocked=True)
    for fault in plan.faults:
        if fault.kind in POISON:
            steps[fault.step] = _poisoned(steps[fault.step], fault.kind, breaker)
    return steps


def _story(events: int, seed: int, start: int, end: int, contracts: Contracts) -> list[Message]:
    plan = Plan(
        events, seed, start=start // _SECOND * _SECOND, span=end - start, horizon=HORIZON,
        lines=False, clocked=True, faults=_FAULTS,
    )  # fmt: skip
    return list(generate(plan, contracts))


def _equal(messages: Sequence[Message], before: int) -> list[list[Message]]:
    steps = STEPS - bool(before)
    size = -(-len(messages) // steps)
    return [[*messages[at : at + size]] for at in range(0, size * steps, size)]


def _faulty(plan: LoopPlan, message: Message) -> Message:
    if not _is_ordinary(message):
        return message
    if plan.has(Kind.HOT_KEY):
        message = _with_hot_key(message)
    return _skewed(message) if plan.has(Kind.CLOCK_SKEW) else message


def _with_hot_key(message: Message) -> Message:
    if crc32(message.event["event_id"].encode()) % 2:
        return message
    return _changed(message, {"user_id": "u-hot", "session_id": "s-hot"})


def _skewed(message: Message) -> Message:
    """Let the clock of one user in three be wrong, always by the same amount."""
    user = crc32(str(message.event.get("user_id")).encode())
    if user % _SKEWED:
        return message
    time = message.time + _SKEWS[user // _SKEWED % len(_SKEWS)]
    return _changed(message, {"event_timestamp": time_text(time)})._replace(time=time)


def _is_ordinary(message: Message) -> bool:
    return message.label in ("event", "duplicate") and not message.rival


def _changed(message: Message, fields: dict[str, Any]) -> Message:
    plain = message.attributes != GZIP
    payload = message.payload if plain else gzip.decompress(message.payload)
    event = {**msgspec.json.decode(payload), **fields}
    told = msgspec.json.encode(event)
    return message._replace(
        payload=told if plain else zipped(told), event={**message.event, **fields}
    )


def _poisoned(step: Step, kind: Kind, breaker: Breaker) -> Step:
    """Put a broken payload in the place of all messages or of every other one."""
    reasons = _reasons()
    models = [message.event for message in step.messages if message.event]
    every = 1 if kind is Kind.POISON_ALL else 2
    told = [
        message if number % every else _broken(message, models, reasons, breaker)
        for number, message in enumerate(step.messages)
    ]
    return step._replace(messages=told)


def _broken(
    message: Message, models: Sequence[Any], reasons: Iterator[str], breaker: Breaker
) -> Message:
    event = message.event or models[0]
    while (broken := breaker.breaks(reason := next(reasons), event)) is None:
        pass
    return message._replace(
        payload=broken.payload,
        attributes=broken.attributes,
        label=f"rejected.{reason}",
        event={},
        rival=False,
    )


def _reasons() -> Iterator[str]:
    while True:
        # A flood of the largest would be one of bytes, not of messages.
        yield from (reason for reason in BROKEN if reason != _LARGE)
