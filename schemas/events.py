"""The two forms of an event: as it arrived, and as its contract reads it.

Times are integers, in microseconds since 1970-01-01T00:00:00Z.
"""

import msgspec

__all__ = ["MAX_MICROS", "MIN_MICROS", "Event", "RawEvent"]

MIN_MICROS = -(2**63)
"""Before every event; also "no watermark is known"."""
MAX_MICROS = 2**63 - 1
"""After every event."""


class RawEvent(msgspec.Struct, frozen=True, array_like=True):
    """One message exactly as it was received; the archive keeps this and nothing else.

    `publish_time` is None where the source has none (files).
    """

    payload: bytes
    attributes: dict[str, str] = {}
    message_id: str = ""
    publish_time: int | None = None
    ordering_key: str = ""


class Event(msgspec.Struct, frozen=True, array_like=True):
    """One decoded event.

    `details` holds the contract's fields as normalised JSON values; `drift` holds, as JSON text,
    the fields that the contract does not know, and is None where there were none. `content` is the
    16-byte digest that dedupe compares: of all decoded fields, the drift included. `raw` is the
    message that it was decoded from.
    """

    event_id: str
    event_type: str
    user_id: str | None
    session_id: str | None
    event_time: int
    source_system: str | None
    details: dict[str, object]
    drift: str | None
    content: bytes
    raw: RawEvent
