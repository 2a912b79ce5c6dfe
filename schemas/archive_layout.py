"""Where the raw archive keeps what: folders by source and hour of publishing.

    <archive>/raw/events/source=<name>/dt=YYYY-MM-DD/hr=HH/<digest>.avro
    <archive>/raw/cdc/..., <archive>/raw/external/...

The hour is that of the publish time, which is the same for every retry of a message.
"""

import datetime
import re
from urllib.parse import quote, unquote

from schemas.locations import is_remote

__all__ = [
    "CDC",
    "EVENTS",
    "EXTERNAL",
    "HOUR",
    "archive_root",
    "hour_folder",
    "hour_of",
    "parse_hour_folder",
    "parse_source_folder",
    "source_folder",
    "source_problem",
]

EVENTS = "raw/events"
CDC = "raw/cdc"
EXTERNAL = "raw/external"

HOUR = 3_600_000_000
"""In microseconds."""

_LONGEST_NAME = 200
"""In bytes; file systems allow 255 for the name of a folder."""
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_FIRST_HOUR = -62_135_596_800_000_000
"""The first hour of the year 1; the last one is the last of the year 9999."""
_LAST_HOUR = 253_402_297_200_000_000
_SOURCE = "source="
_FOLDER = re.compile(r"source=([^/]+)/dt=(\d{4}-\d\d-\d\d)/hr=(\d\d)")


def archive_root(path: str, option: str = "source") -> str:
    """Return the archive of a path that may name its events.

    Raises:
        ValueError: the path leads deeper; the message says which root to give, and with which
            source, by its option.

    >>> archive_root("gs://b/raw/events/"), archive_root("gs://b")
    ('gs://b', 'gs://b')
    """
    bare = path.rstrip("/")
    above, part, below = bare.partition(f"{EVENTS}/{_SOURCE}")
    if part and above.rpartition("/")[2] == "" and not above.endswith("://"):
        root, source = archive_root(above + EVENTS), unquote(below.partition("/")[0])
        msg = f"{bare}: a part of an archive; give its root, {root}, and --{option}={source}"
        raise ValueError(msg)
    if bare == EVENTS:
        return "."
    root = bare.removesuffix(f"/{EVENTS}")
    if is_remote(bare) and not is_remote(root):
        # The folder `events` of a bucket called `raw`.
        return bare
    return root or "/"


def source_problem(source: str) -> str | None:
    """Return what is wrong with the name of a source, in a few words; None: nothing.

    >>> source_problem("orders/eu"), source_problem("")
    (None, 'empty; give it a name')
    """
    if not source:
        return "empty; give it a name"
    try:
        length = len(source_folder(source))
    except UnicodeEncodeError:
        return "not UTF-8; give it another name"
    if length > _LONGEST_NAME:
        return f"takes {length} bytes as a folder; give it a name of at most {_LONGEST_NAME}"
    return None


def source_folder(source: str) -> str:
    """Return the folder of a source, relative to `EVENTS`.

    >>> source_folder("orders/eu")
    'source=orders%2Feu'
    """
    return f"source={quote(source, safe='')}"


def parse_source_folder(folder: str) -> str | None:
    """Return the source of a folder; None for other folders, also of names that none is given.

    >>> parse_source_folder("source=orders%2Feu"), parse_source_folder("source=my copy")
    ('orders/eu', None)
    """
    source = unquote(folder.partition("=")[2])
    return source if source and source_folder(source) == folder else None


def hour_of(publish_time: int) -> int:
    """Return the start of the hour in whose folder a message is kept, in microseconds.

    It is the hour of its publish time. Years before 1 and after 9999 have no folders: what was
    published then, as no service says, is kept in the first and in the last folder there is; the
    message and the manifest have its time as it is.

    >>> hour_of(3_600_000_001), hour_of(10**18) == hour_of(10**17 * 3)
    (3600000000, True)
    """
    return min(max(publish_time - publish_time % HOUR, _FIRST_HOUR), _LAST_HOUR)


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
