"""Times as text, quickly: events of a stream share their minutes."""

import datetime
import functools

__all__ = ["date_text", "offset_text", "time_text"]

_MINUTE = 60_000_000
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def time_text(micros: int) -> str:
    """Return the RFC 3339 text, in UTC, of microseconds since the epoch.

    >>> time_text(1_500_000)
    '1970-01-01T00:00:01.500000Z'
    """
    minute, rest = divmod(micros, _MINUTE)
    seconds, fraction = divmod(rest, 1_000_000)
    return f"{_minute_text(minute)}:{seconds:02d}.{fraction:06d}Z"


def offset_text(micros: int, hours: int) -> str:
    """Return the text of the same instant as a clock shows it that many hours east of UTC.

    >>> offset_text(1_500_000, 2)
    '1970-01-01T02:00:01.500000+02:00'
    """
    sign = "-" if hours < 0 else "+"
    return f"{time_text(micros + hours * 60 * _MINUTE)[:-1]}{sign}{abs(hours):02d}:00"


def date_text(micros: int) -> str:
    """Return the UTC date.

    >>> date_text(1_500_000)
    '1970-01-01'
    """
    return _minute_text(micros // _MINUTE)[:10]


@functools.lru_cache(maxsize=4_096)
def _minute_text(minute: int) -> str:
    moment = _EPOCH + datetime.timedelta(minutes=minute)
    return moment.strftime("%Y-%m-%dT%H:%M")
