"""The rows of `ops.late`: events that came too late for a window, whole and pseudonymised."""

import hashlib

import msgspec

from schemas.bigquery_json import encode_json
from schemas.late import LateEvent
from schemas.ops_tables import LATE
from schemas.silver_rows import stamp

__all__ = ["late_row"]


class _Line(msgspec.Struct):
    event_id: str
    event_type: str
    user_id: str | None = None


_decode = msgspec.json.Decoder(_Line).decode


def late_row(event: LateEvent) -> tuple[bytes, str]:
    """Return the row of a late event, and its insert id: the same for equal events.

    >>> line = b'{"event_id":"e","event_type":"click","user_id":"u"}'
    >>> row, _ = late_row(LateEvent(0, None, line, ("activity/1m",)))
    >>> msgspec.json.decode(row)["late_for"]
    ['activity/1m']
    """
    known = _decode(event.line)
    row = {
        "event_id": known.event_id,
        "event_type": known.event_type,
        "event_timestamp": msgspec.Raw(stamp(event.event_time)),
        "late_for": event.late_for,
        "event": event.line.decode(),
    }
    if known.user_id is not None:
        row["user_id"] = known.user_id
    if event.publish_time is not None:
        row["publish_time"] = msgspec.Raw(stamp(event.publish_time))
    encoded = encode_json(row)
    about = LATE.full_name.encode() + encoded
    return encoded, hashlib.blake2b(about, digest_size=16).hexdigest()
