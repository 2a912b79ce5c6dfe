"""Where the raw archive keeps what: folders by source and hour of publishing.

    <archive>/raw/events/source=<name>/dt=YYYY-MM-DD/hr=HH/<digest>.avro
    <archive>/raw/cdc/..., <archive>/raw/external/...

The hour is that of the publish time, which is the same for every retry of a message.
"""

import datetime
import re
from urllib.parse import quote, unquote

__all__ = ["CDC", "EVENTS", "EXTERNAL", "HOUR", "hour_folder", "parse_hour_folder", "source_folder"]

EVENTS = "raw/events"
CDC = "raw/cdc"
EXTERNAL = "raw/external"

HOUR = 3_600_000_000
"""In microseconds."""

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_FOLDER = re.compile(r"source=([^/]+)/dt=(\d{4}-\d\d-\d\d)/hr=(\d\d)")


def source_folder(source: str) -> str:
    """Return the folder of a source, relative to `EVENTS`.

    >>> source_folder("orders/eu")
    'source=orders%2Feu'
    """
    return f"source={quote(source, safe='')}"


def hour_folder(source: str, publish_time: int) -> str:
    """Return the folder of the hour in which a message was published, relative to `EVENTS`.

    Raises:
        ValueError: the time, in microseconds, is not in the years 1 to 9999.

    >>> hour_folder("events", 1_767_225_600_000_000)
    'source=events/dt=2026-01-01/hr=00'
    """
    try:
        moment = _EPOCH + datetime.timedelta(microseconds=publish_time)
    except OverflowError:
        msg = f"publish time {publish_time}: not in the years 1 to 9999"
        raise ValueError(msg) from None
    return f"{source_folder(source)}/dt={moment.date().isoformat()}/hr={moment.hour:02}"


def parse_hour_folder(folder: str) -> tuple[str, int] | None:
    """Return source and start of the hour, in microseconds, of an hour's folder; None for others.

    >>> parse_hour_folder("source=events/dt=2026-01-01/hr=00")
    ('events', 1767225600000000)
    """
    found = _FOLDER.fullmatch(folder)
    if found is None:
        return None
    name, day, hour = found.groups()
    try:
        moment = datetime.datetime.fromisoformat(f"{day}T{hour}:00:00+00:00")
    except ValueError:
        return None
    return unquote(name), (moment - _EPOCH) // datetime.timedelta(microseconds=1)
