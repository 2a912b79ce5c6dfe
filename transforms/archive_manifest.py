"""Lists what an archive holds, hour by hour, from the names of its files."""

import datetime
import pathlib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from schemas.archive_layout import (
    EVENTS,
    HOUR,
    hour_folder,
    parse_hour_folder,
    parse_source_folder,
    source_folder,
)
from schemas.completeness import Completeness, marker_name
from schemas.events import MAX_MICROS, MIN_MICROS
from schemas.locations import is_remote
from schemas.manifest import (
    ENTRY_SUFFIX,
    OBJECT_SUFFIX,
    RECORD_SUFFIX,
    ManifestEntry,
    Replacement,
    parse_name,
    view,
)
from transforms.object_store import (
    Listed,
    ObjectStoreError,
    list_folders,
    list_objects,
    read_object,
)

__all__ = ["ArchivedHour", "list_hour", "list_hours", "list_sources", "read_marker"]

_DAY = "dt="
_OBJECT = re.compile(rf"[0-9a-f]{{32}}{re.escape(OBJECT_SUFFIX)}")
_BadRecord = Callable[[str], None] | None


class ArchivedHour(NamedTuple):
    """What was published in an hour, as the names in its folder tell.

    `start` is in microseconds, `folder` the full path. `entries` are those that count, in order of
    publish time; `replaced` those that compaction has put others in place of. `objects` are all
    objects by their name, also orphans, which have no entry; `records` the compactions. Files with
    other names than the archive gives, and what is in folders inside, are nobody's.
    """

    source: str
    start: int
    folder: str
    entries: tuple[ManifestEntry, ...]
    replaced: tuple[ManifestEntry, ...]
    objects: dict[str, Listed]
    records: tuple[Replacement, ...]

    @property
    def orphans(self) -> list[Listed]:
        """Objects without an entry: of a write that did not come to its end, or goes on."""
        known = {entry.object_name for entry in (*self.entries, *self.replaced)}
        return [listed for name, listed in sorted(self.objects.items()) if name not in known]

    @property
    def missing(self) -> list[ManifestEntry]:
        """Entries that count and whose object is not there."""
        return [entry for entry in self.entries if entry.object_name not in self.objects]

    def path_of(self, entry: ManifestEntry) -> str:
        """Return the full path of an entry's object."""
        return f"{self.folder}/{entry.object_name}"


def list_sources(root: str) -> list[str]:
    """Return the names of an archive's sources."""
    names = map(parse_source_folder, list_folders(f"{root}/{EVENTS}"))
    return [name for name in names if name is not None]


def list_hours(
    root: str,
    source: str,
    first: int = MIN_MICROS,
    last: int = MAX_MICROS,
    on_bad_record: _BadRecord = None,
) -> Iterator[ArchivedHour]:
    """Yield the hours of a source that may hold messages published in [first, last), in order.

    Lists day by day, so memory is that of a day's names; of the objects none is opened, only the
    few records of compactions.

    Args:
        root: of the archive.
        source: one of `list_sources`.
        first: publish time in microseconds, included.
        last: publish time in microseconds, excluded.
        on_bad_record: gets the line about a damaged record, which then replaces nothing; by
            default it is an error.

    Raises:
        ObjectStoreError: the place cannot be listed, or a record of a compaction cannot be read.
    """
    place = _as_listed(f"{root}/{EVENTS}/{source_folder(source)}")
    for day in list_folders(place):
        start = _start_of_day(day)
        if start is not None and start < last and start + 24 * HOUR > first:
            for hour, files in _hours_of_day(f"{place}/{day}"):
                if hour < last and hour + HOUR > first:
                    folder = files[0].path.rpartition("/")[0]
                    yield _hour(source, hour, folder, files, on_bad_record)


def list_hour(root: str, source: str, start: int, on_bad_record: _BadRecord = None) -> ArchivedHour:
    """Return one hour, given its start; it may be empty. Records: as `list_hours`."""
    folder = _as_listed(f"{root}/{EVENTS}/{hour_folder(source, start)}")
    files = [each for each in list_objects(folder) if each.path.rpartition("/")[0] == folder]
    return _hour(source, start, folder, files, on_bad_record)


def read_marker(root: str, source: str) -> int | None:
    """Return up to which publish time a source is complete; None: nothing says that it is.

    Raises:
        ObjectStoreError: what is there is no marker, or cannot be read.
    """
    path = f"{root}/{marker_name(source)}"
    content = read_object(path)
    if content is None:
        return None
    try:
        return Completeness.from_json(content).complete_to
    except ValueError as error:
        msg = f"{path}: {error}"
        raise ObjectStoreError(msg) from None


def _start_of_day(folder: str) -> int | None:
    try:
        day = datetime.date.fromisoformat(folder.removeprefix(_DAY))
    except ValueError:
        return None
    return (day.toordinal() - datetime.date(1970, 1, 1).toordinal()) * 24 * HOUR


def _hours_of_day(place: str) -> Iterator[tuple[int, list[Listed]]]:
    by_folder: dict[str, list[Listed]] = {}
    for listed in list_objects(place):
        folder, _, _ = listed.path.rpartition("/")
        by_folder.setdefault(folder, []).append(listed)
    for folder in sorted(by_folder):
        found = parse_hour_folder("/".join(folder.rsplit("/", 3)[1:]))
        # What somebody has put into a day or an hour, a copy of another one perhaps, is not ours.
        if found is not None and folder.rpartition("/")[0] == place:
            yield found[1], by_folder[folder]


def _as_listed(folder: str) -> str:
    """Return a folder as the paths of its listing begin: `./a//b` is listed as `a/b`."""
    return folder if is_remote(folder) else str(pathlib.PurePath(folder))


def _hour(
    source: str, start: int, folder: str, files: list[Listed], on_bad_record: _BadRecord
) -> ArchivedHour:
    named = {listed.path.rpartition("/")[2]: listed for listed in files}
    entries = [parse_name(name) for name in named if name.endswith(ENTRY_SUFFIX)]
    paths = [listed.path for name, listed in named.items() if name.endswith(RECORD_SUFFIX)]
    found = (_record(path, on_bad_record) for path in paths)
    records = tuple(record for record in found if record is not None)
    seen = view((entry for entry in entries if entry is not None), records)
    objects = {name: listed for name, listed in named.items() if _OBJECT.fullmatch(name)}
    return ArchivedHour(source, start, folder, *seen, objects, records)


def _record(path: str, on_bad_record: _BadRecord) -> Replacement | None:
    try:
        record = Replacement.from_json(read_object(path) or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        record = None
    # Its name is a digest of it: one that was changed must not put anything in place of anything.
    if record is not None and path.endswith(f"/{record.name}"):
        return record
    msg = f"{path}: no record of a compaction; move it away"
    if on_bad_record is None:
        raise ObjectStoreError(msg)
    on_bad_record(msg)
    return None
