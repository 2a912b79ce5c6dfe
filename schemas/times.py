"""Times: integers in microseconds since 1970-01-01T00:00:00Z, and RFC 3339 text at the edges."""

from datetime import datetime, timedelta, timezone
from typing import Annotated

import msgspec

__all__ = ["DAY", "SECOND", "format_rfc3339", "micros", "parse_rfc3339"]

SECOND = 1_000_000
DAY = 86_400 * SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
# The decoder's own parser, so that an option and an event are read by the same rules.
_AWARE = Annotated[datetime, msgspec.Meta(tz=True)]


def micros(moment: datetime) -> int:
    """Return an aware datetime as microseconds since the epoch, exactly.

    >>> micros(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=timezone.utc))
    1000005
    """
    return (moment - _EPOCH) // _MICROSECOND


def parse_rfc3339(text: str) -> int:
    """Read RFC 3339 text with an offset; `ValueError`, without the text, where it is not that.

    >>> parse_rfc3339("1970-01-01T01:00:01+01:00")
    1000000
    """
    try:
        return micros(msgspec.convert(text, _AWARE))
    except msgspec.ValidationError:
        message = "not an RFC 3339 time with an offset; write it like 2026-01-31T12:00:00Z"
        raise ValueError(message) from None


def format_rfc3339(moment: int) -> str:
    """Write microseconds since the epoch as UTC text, with a fraction only where there is one.

    >>> format_rfc3339(1_500_000)
    '1970-01-01T00:00:01.500000Z'
    """
    return (_EPOCH + timedelta(microseconds=moment)).isoformat().removesuffix("+00:00") + "Z"
