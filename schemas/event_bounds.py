"""What bounds the ids and the time of every event, whatever its type."""

from schemas.refusal import Refusal
from schemas.rejected import Reason

__all__ = ["EARLIEST", "LATEST", "MAX_ID_BYTES", "fits", "out_of_range"]

EARLIEST = 946_684_800_000_000
"""2000-01-01T00:00:00Z: no event is older."""
LATEST = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z: a time of that year west of Greenwich has no UTC form."""
MAX_ID_BYTES = 256


def fits(identifier: str | None) -> bool:
    """Return whether an id has 1 to 256 bytes; null is none, and fits.

    >>> fits("e1"), fits(""), fits(None)
    (True, False, True)
    """
    return identifier is None or 0 < len(identifier.encode()) <= MAX_ID_BYTES


def out_of_range(event_time: int) -> Refusal:
    """Return the refusal of an event time that is out of range."""
    if event_time < EARLIEST:
        rule = "event_timestamp: before 2000"
    elif event_time > LATEST:
        rule = "event_timestamp: after the year 9999"
    else:
        rule = "event_timestamp: too far ahead of the publish time"
    return Refusal(Reason.TIME_OUT_OF_RANGE, rule, event_time)
