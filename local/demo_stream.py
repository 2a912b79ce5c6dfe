"""The messages of the demo: generated with faults, published in two parts, their truth kept."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from local.feature_rules import read_rules
from local.generate import Message, generate
from local.plan import HOUR, Plan
from local.publish import Published, publish
from local.truth import Truth
from schemas.contract import load_contracts

__all__ = ["HORIZON_SECONDS", "DemoStream", "parts"]

_SECOND = 1_000_000
_HORIZON = 6 * HOUR
_SPAN = 4 * HOUR
_TOLD = 5

HORIZON_SECONDS = _HORIZON // _SECOND
"""The horizon that the truth supposes; the job must have the same."""


def parts(messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
    """Return what is published before the kill and after it: halves, but for ids in conflict.

    Of two contents of one id each job keeps one, and not the same if they reach it in another
    order: so both are published after the kill, and only one job decides.
    """
    half = len(messages) // 2
    before, after = messages[:half], messages[half:]
    moved = [message for message in before if message.rival]
    return [message for message in before if not message.rival], moved + list(after)


class DemoStream:
    """Four hours of events that are published within `seconds`.

    Args:
        events: messages in all.
        seed: of the story.
        seconds: time in which they are published.
        lead: seconds from now on before the first; generating them takes a part of it.
        say: takes one line of progress.
    """

    def __init__(
        self, events: int, seed: int, seconds: float, lead: float, say: Callable[[str], None]
    ) -> None:
        self._begins = time.time() + lead
        contracts = load_contracts(None)
        plan = Plan(
            events=events,
            seed=seed,
            start=int(self._begins * _SECOND) - _SPAN,
            span=_SPAN,
            publish_span=int(seconds * _SECOND),
            horizon=_HORIZON,
            lines=False,
            clocked=True,
        )
        self.published = 0
        self._events = events
        self._rate = events / seconds
        self._say = say
        self._told = 0
        self._truth = Truth(read_rules(None, contracts), batch=False)
        self._parts = parts(list(generate(plan, contracts)))

    def publish(self, part: int, topic: str, check: Callable[[], None]) -> None:
        """Publish the first part (0) or the second (1), and call `check` after each request."""
        done = self.published

        def progress(published: Published) -> None:
            check()
            self.published = done + published.messages
            self._tell()

        time.sleep(max(0.0, self._begins - time.time()))
        publish(topic, self._truth.watch(self._parts[part]), self._rate, progress=progress)

    def truth(self) -> dict[str, Any]:
        """Return the truth of what has been published so far."""
        return self._truth.document()

    def _tell(self) -> None:
        share = self.published * _TOLD // self._events
        if share > self._told:
            self._told = share
            self._say(f"published {self.published:,} of {self._events:,}")
