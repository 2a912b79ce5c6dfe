"""What of an archive a command is about: sources, and a range of publish time."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from schemas.archive_layout import archive_root
from schemas.credentials import require_credentials
from schemas.events import MAX_MICROS, MIN_MICROS
from schemas.locations import expanded, is_remote
from schemas.manifest import ManifestEntry
from schemas.time_range import time_range
from schemas.times import format_rfc3339
from transforms.archive_manifest import ArchivedHour, list_hours, read_marker
from transforms.choose_sources import choose_sources
from transforms.object_store import ObjectStoreError, check_path

__all__ = ["ArchiveRange", "shown_time"]


class ArchiveRange(NamedTuple):
    """Sources of an archive and publish times [first, last), in microseconds."""

    root: str
    sources: tuple[str, ...]
    first: int = MIN_MICROS
    last: int = MAX_MICROS

    @classmethod
    def of(
        cls, archive: str, source: str | None, from_: str | None, to: str | None
    ) -> "ArchiveRange":
        """Return what the options of a command ask for; without a source, all of them.

        Raises:
            ValueError: one line that names the option and the remedy.
            ObjectStoreError: the archive cannot be listed.
        """
        first, last = time_range(from_, to)
        root = _root(archive)
        return cls(
            root,
            tuple(choose_sources(root, source)),
            MIN_MICROS if first is None else first,
            MAX_MICROS if last is None else last,
        )

    def hours(self, source: str, on_bad_record: Callable[[str], None]) -> Iterator[ArchivedHour]:
        """Yield the hours of a source that the range touches and that hold something."""
        for hour in self.all_hours(source, on_bad_record):
            if hour.entries or hour.replaced or hour.objects or hour.records:
                yield hour

    def all_hours(
        self, source: str, on_bad_record: Callable[[str], None]
    ) -> Iterator[ArchivedHour]:
        """Yield the hours of a source that the range touches and in which there is any file."""
        return list_hours(self.root, source, self.first, self.last, on_bad_record)

    def meant(self, entries: Sequence[ManifestEntry]) -> list[ManifestEntry]:
        """Return the entries of objects that may hold messages of the range."""
        return [
            entry
            for entry in entries
            if entry.first_publish < self.last and entry.last_publish >= self.first
        ]

    def marker(self, source: str, complain: Callable[[str], None]) -> int | None:
        """Return up to which publish time a source is complete, None where that is not known."""
        try:
            return read_marker(self.root, source)
        except ObjectStoreError as error:
            complain(str(error))
            return None


def shown_time(moment: int) -> str:
    """Return a time as RFC 3339 text; outside its years, which publishers can make, as a number.

    >>> shown_time(0), shown_time(10**18)
    ('1970-01-01T00:00:00Z', '1000000000000000000us')
    """
    try:
        return format_rfc3339(moment)
    except OverflowError:
        return f"{moment}us"


def _root(archive: str) -> str:
    try:
        place = check_path(expanded(archive))
        root = archive_root(place)
    except ValueError as error:
        msg = f"ARCHIVE: {error}"
        raise ValueError(msg) from None
    if is_remote(place):
        require_credentials(place)
    elif os.path.isfile(place):
        msg = f"ARCHIVE: {place} is a file; name a folder"
        raise ValueError(msg)
    return root
