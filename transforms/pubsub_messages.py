"""From Pub/Sub's messages to packs, and the time that each message counts with."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from schemas.events import RawEvent
from schemas.packs import RawPack
from schemas.times import micros, parse_rfc3339

__all__ = [
    "PACK_BYTES",
    "PACK_MESSAGES",
    "attribute_time",
    "event_time",
    "pack_messages",
    "raw_of",
    "row_times",
]

PACK_MESSAGES = 500
PACK_BYTES = 1 << 20
_MILLIS = re.compile(r"-?[0-9]{1,20}")
_MOST_MILLIS = 253_402_300_799_999
"""The last millisecond of the year 9999, the last that RFC 3339 can write."""


def attribute_time(value: str | None) -> int | None:
    """Read a timestamp attribute as Beam does: epoch milliseconds, or RFC 3339; else None.

    >>> attribute_time("1500"), attribute_time("1970-01-01T00:00:02Z"), attribute_time("soon")
    (1500000, 2000000, None)
    """
    if value is None:
        return None
    try:
        return _millis(value) if _MILLIS.fullmatch(value) else parse_rfc3339(value)
    except ValueError:
        return None


def event_time(value: str | None, publish_time: int) -> int:
    """Return the time that a timestamp attribute tells.

    A value that is missing or unreadable counts as the publish time: one message must not stop the
    job, and what it is really about is said by its payload.

    >>> event_time("1500", 7), event_time("soon", 7)
    (1500000, 7)
    """
    told = attribute_time(value)
    return publish_time if told is None else told


def row_times(pack: RawPack, attribute: str | None) -> list[int]:
    """Return the time of each row: its publish time, or what its attribute says."""
    published = [time or 0 for time in pack.publish_times or [None] * len(pack)]
    if attribute is None or pack.attributes is None:
        return published
    rows = zip(pack.attributes, published, strict=True)
    return [event_time(attributes.get(attribute), time) for attributes, time in rows]


def raw_of(message: Any) -> RawEvent:
    """Return Beam's `PubsubMessage` as the suite's record."""
    return RawEvent(
        message.data or b"",
        dict(message.attributes or {}),
        message.message_id or "",
        None if message.publish_time is None else micros(message.publish_time),
        message.ordering_key or "",
    )


def pack_messages(received: Sequence[Any]) -> Iterator[RawPack]:
    """Pack ReceivedMessage protobufs in their order, by up to 500 messages or 1 MB."""
    start = size = 0
    for index, each in enumerate(received):
        more = len(each.message.data)
        if index > start and (index - start >= PACK_MESSAGES or size + more > PACK_BYTES):
            yield _pack([each.message for each in received[start:index]])
            start, size = index, 0
        size += more
    if received:
        yield _pack([each.message for each in received[start:]])


def _pack(messages: list[Any]) -> RawPack:
    times = [message.publish_time for message in messages]
    attributes = [dict(message.attributes) for message in messages]
    keys = [message.ordering_key for message in messages]
    return RawPack(
        [message.data for message in messages],
        [time.seconds * 1_000_000 + time.nanos // 1000 for time in times],
        [message.message_id for message in messages],
        attributes if any(attributes) else None,
        keys if any(keys) else None,
    )


def _millis(digits: str) -> int:
    millis = int(digits)
    if abs(millis) > _MOST_MILLIS:
        raise ValueError(digits)
    return millis * 1000
