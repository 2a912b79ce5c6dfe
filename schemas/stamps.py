"""The time of an event as it was written, for what the decoder does not tell of it."""

from datetime import datetime
from typing import Annotated

import msgspec

from schemas.times import micros, parse_rfc3339

__all__ = ["is_finer", "readable_time"]


class _Stamp(msgspec.Struct):
    """The time as text; the strict decoder rounds what is finer than microseconds."""

    event_timestamp: str


class _Moment(msgspec.Struct):
    event_timestamp: Annotated[datetime, msgspec.Meta(tz=True)]


_stamp = msgspec.json.Decoder(_Stamp).decode
_moment = msgspec.json.Decoder(_Moment).decode


def is_finer(payload: bytes) -> bool:
    """Return whether the time of a payload that was decoded has more than microseconds.

    >>> is_finer(b'{"event_timestamp": "2026-01-31T12:00:00.1234567Z"}')
    True
    """
    fraction = _stamp(payload).event_timestamp[20:27]
    return len(fraction) == 7 and fraction.isdigit()


def readable_time(payload: bytes) -> int | None:
    """Return the time of a payload that was refused, in microseconds; None where it has none.

    >>> readable_time(b'{"event_timestamp": "1970-01-01T00:00:02Z"}')
    2000000
    """
    try:
        return micros(_moment(payload).event_timestamp)
    except msgspec.ValidationError:
        # Where the field comes twice the last one counts, even if the first is no time.
        pass
    except (ValueError, RecursionError):
        return None
    try:
        return parse_rfc3339(_stamp(payload).event_timestamp)
    except (ValueError, RecursionError):
        return None
