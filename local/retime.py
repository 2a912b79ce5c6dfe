"""Moves a generated story to a stretch of the clock, so that a day of faults passes in a minute."""

import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from local.chance import Chance
from local.clock_text import offset_text, time_text
from local.faults import GZIP, zipped
from local.generate import Message

__all__ = ["Retiming", "retimed"]

_MILLI = 1_000
_STAMP = re.compile(rb'("event_timestamp"\s*:\s*")([^"]*)')
_OFFSET = re.compile(r"[+-]\d\d(?=:00$)")


@dataclass(frozen=True)
class Retiming:
    """Where a story is to be put. Times and lengths are in microseconds.

    begin: its first message is published then. end: its last one. delay: how much older than their
    publish time all events are, at least. late_by: how much older late ones are, at least and at
    most.
    """

    begin: int
    end: int
    delay: int
    late_by: tuple[int, int]


def retimed(messages: Sequence[Message], to: Retiming, chance: Chance) -> list[Message]:
    """Return the messages with other publish and event times, in payload, content and note alike.

    All distances shrink by one factor: what came later than it happened still does, but by less.
    Late events are late by what is asked for, in odd milliseconds of their own; the others are in
    even ones, so a late event ties with nothing. Copies keep their other bytes; broken payloads are
    left as they are.
    """
    told = _Told(messages, to, chance)
    return [told.again(message) for message in messages]


@dataclass
class _Told:
    messages: Sequence[Message]
    to: Retiming
    chance: Chance
    _late: dict[str, int] = field(default_factory=dict)
    _taken: set[int] = field(default_factory=set)

    def again(self, message: Message) -> Message:
        publish_time = self._moved(message.publish_time)
        if message.label.startswith("rejected"):
            return message._replace(publish_time=publish_time)
        time = self._event_time(message, publish_time)
        event = {**message.event, "event_timestamp": time_text(time)}
        payload = _restamped(message.payload, message.attributes, time)
        return message._replace(payload=payload, publish_time=publish_time, event=event, time=time)

    def _moved(self, moment: int) -> int:
        first, last = self.messages[0].publish_time, self.messages[-1].publish_time
        return self.to.begin + (moment - first) * (self.to.end - self.to.begin) // (last - first)

    def _event_time(self, message: Message, publish_time: int) -> int:
        event_id = message.event["event_id"]
        if message.label == "late":
            self._late[event_id] = self._late_time(publish_time)
        if event_id in self._late:
            return self._late[event_id]
        moved = self._moved(message.time) - self.to.delay
        return _in_millis(moved, 0) + message.time % _MILLI

    def _late_time(self, publish_time: int) -> int:
        time = _in_millis(publish_time - self.chance.between(*self.to.late_by), 1)
        while time in self._taken:
            time -= 2 * _MILLI
        self._taken.add(time)
        return time


def _in_millis(time: int, odd: int) -> int:
    """Cut a time to an even millisecond, or to the odd one after it."""
    return time // (2 * _MILLI) * 2 * _MILLI + odd * _MILLI


def _restamped(payload: bytes, attributes: dict[str, str], time: int) -> bytes:
    if attributes == GZIP:
        return zipped(_restamped(gzip.decompress(payload), {}, time))
    return _STAMP.sub(lambda found: found[1] + _text_like(found[2].decode(), time), payload, 1)


def _text_like(text: str, time: int) -> bytes:
    offset = _OFFSET.search(text)
    return (offset_text(time, int(offset[0])) if offset else time_text(time)).encode()
