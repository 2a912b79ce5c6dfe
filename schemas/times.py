"""Times: integers in microseconds since 1970-01-01T00:00:00Z, and RFC 3339 text at the edges."""

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from itertools import repeat
from operator import sub
from typing import Annotated

import msgspec
import numpy as np

__all__ = [
    "DAY",
    "MILLISECOND",
    "SECOND",
    "all_micros",
    "format_rfc3339",
    "micros",
    "parse_rfc3339",
]

MILLISECOND = 1_000
SECOND = 1_000_000
DAY = 86_400 * SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
# The decoder's own parser, so that an option and an event are read by the same rules.
_AWARE = Annotated[datetime, msgspec.Meta(tz=True)]
_encode = msgspec.msgpack.Encoder().encode
_WORTH_ENCODING = 32
"""Times from which on their encoded form is read quicker than they are."""
_ENCODED = np.dtype([("kind", ">u2"), ("time", ">u8")])
_KIND = 0xD7FF
_SECONDS_BITS = np.uint64(34)
_SECONDS = np.uint64(2**34 - 1)


def micros(moment: datetime) -> int:
    """Return an aware datetime as microseconds since the epoch, exactly.

    >>> micros(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=timezone.utc))
    1000005
    """
    return (moment - _EPOCH) // _MICROSECOND


def all_micros(moments: Iterable[datetime]) -> list[int]:
    """Return `micros` of each, quicker.

    >>> all_micros([datetime(1969, 12, 31, 23, 59, 59, tzinfo=timezone.utc)])
    [-1000000]
    """
    given = list(moments)
    read = _read_encoded(given) if len(given) >= _WORTH_ENCODING else None
    if read is not None:
        return read
    # Where whole numbers are large, to divide takes longer than three times to look.
    return [
        since.days * DAY + since.seconds * SECOND + since.microseconds
        for since in map(sub, given, repeat(_EPOCH))
    ]


def _read_encoded(moments: list[datetime]) -> list[int] | None:
    """Read times from how MessagePack writes them; None where it does not write all alike.

    From 1970 to 2514 it takes ten bytes: two that say so, then nanoseconds and seconds.
    """
    encoded = _encode(moments)
    head = len(encoded) - _ENCODED.itemsize * len(moments)
    if head != (1 if len(moments) < 16 else 3 if len(moments) < 65_536 else 5):
        return None
    rows = np.frombuffer(encoded, _ENCODED, offset=head)
    if (rows["kind"] != _KIND).any():
        return None
    both = rows["time"].astype(np.uint64)
    seconds, nanos = both & _SECONDS, both >> _SECONDS_BITS
    found: list[int] = (seconds * np.uint64(SECOND) + nanos // np.uint64(1_000)).tolist()
    return found


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
