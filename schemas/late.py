"""Late events as they leave tiles and windows: whole, pseudonymised, as one JSON line."""

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.events import RawEvent
from schemas.times import format_rfc3339

__all__ = ["LateEvent", "late_event"]

_ENCODER = msgspec.json.Encoder(decimal_format="string")


class LateEvent(msgspec.Struct, frozen=True, array_like=True):
    """One event that came too late for its tiles, or for some of its windows.

    Times are in microseconds; `publish_time` is None where the source has none. `line` is a JSON
    object without a line end: the envelope, `event_details`, `publish_time`, `message_id`, and in
    `unknown_fields` the names, never the values, of what the contract does not know. Fields that
    are null are left out. `late_for` names the windows (`<metric>/<window>`) that it was too late
    for, also in the line; it is empty, and not in the line, of tiles.
    """

    event_time: int
    publish_time: int | None
    line: bytes
    late_for: tuple[str, ...] = ()


def late_event(
    record: Any,
    event_time: int,
    raw: RawEvent,
    unknown: Sequence[str],
    late_for: Sequence[str] = (),
) -> LateEvent:
    """Return the late form of a record whose personal values are pseudonyms already."""
    line = msgspec.to_builtins(record)
    if raw.publish_time is not None:
        line["publish_time"] = format_rfc3339(raw.publish_time)
    if raw.message_id:
        line["message_id"] = raw.message_id
    line["unknown_fields"] = list(unknown)
    if late_for:
        line["late_for"] = list(late_for)
    return LateEvent(event_time, raw.publish_time, _ENCODER.encode(line), tuple(late_for))
