"""What `penstock archive verify` does: reads everything anew, and names what is wrong."""

import time
from collections.abc import Callable, Iterable, Iterator

import msgspec

from console.archive_range import ArchiveRange
from schemas.archive_avro import BadObjectError, Fault
from schemas.archive_layout import hour_of
from schemas.completeness import marker_name
from schemas.events import MAX_MICROS, MIN_MICROS
from schemas.manifest import ENTRY_SUFFIX, RECORD_SUFFIX, ManifestEntry, Replacement, parse_name
from schemas.packs import RawPack
from transforms.archive_manifest import ArchivedHour, list_hour
from transforms.object_store import ObjectStoreError, list_objects, read_object

__all__ = ["Verification"]

_WRONG_TIMES = "object_wrong_times"
_ENTRY = "entry_damaged"
_RECORD = "record_damaged"
_MARKER = "marker_damaged"
_UNREADABLE = "unreadable"
_PROGRESS_SECONDS = 10.0


class Verification:
    """Compares a range of an archive with its manifest; counts while `lines` is taken.

    Args:
        chosen: what is asked for; the objects that touch it are read whole, one at a time.
        tell: takes a line about the progress, every ten seconds.
        clock: a monotonic one, in seconds.
    """

    def __init__(
        self,
        chosen: ArchiveRange,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._chosen = chosen
        self._tell = tell
        self._clock = clock
        self._told = clock()
        self.defects = self.hours = self.objects = self.events = self.size = 0
        self.orphans = self.replaced = 0

    def lines(self) -> Iterator[str]:
        """Yield a line for each defect, which begins with the name of the file; then a summary."""
        for defect in self._defects():
            self.defects += 1
            yield defect
        yield (
            f"{self.objects} objects with {self.events} messages in {self.size} bytes read, "
            f"of {self.hours} hours; {self.defects} defects; "
            f"passed over: {self.orphans} orphans, {self.replaced} replaced"
        )

    def _defects(self) -> Iterator[str]:
        for source in self._chosen.sources:
            yield from self._marker(source)
            # Damaged records are found with the other files of their hour, also where that has no
            # others and so holds nothing.
            for hour in self._chosen.all_hours(source, _pass_over):
                self.hours += 1
                self.orphans += len(hour.orphans)
                self.replaced += len(self._chosen.meant(hour.replaced))
                yield from self._files(hour)
                for entry in self._chosen.meant(hour.entries):
                    yield from self._object(hour, entry)
                    self._report(hour)

    def _marker(self, source: str) -> Iterator[str]:
        found: list[str] = []
        self._chosen.marker(source, found.append)
        path = f"{self._chosen.root}/{marker_name(source)}"
        yield from (f"{path}: {_MARKER}: {_without(path, line)}" for line in found)

    def _files(self, hour: ArchivedHour) -> Iterator[str]:
        """Check the small files of an hour against their own names."""
        counted = {entry.digest: entry for entry in hour.entries}
        for listed in list_objects(hour.folder):
            place, _, name = listed.path.rpartition("/")
            if place != hour.folder:
                continue
            try:
                fault = _file_fault(listed.path, name, counted)
            except ObjectStoreError as error:
                fault = f"{_UNREADABLE}: {_without(listed.path, str(error))}"
            if fault is not None:
                yield f"{listed.path}: {fault}"

    def _object(self, hour: ArchivedHour, entry: ManifestEntry) -> Iterator[str]:
        path = hour.path_of(entry)
        try:
            content = read_object(path)
        except ObjectStoreError as error:
            yield f"{path}: {_UNREADABLE}: {_without(path, str(error))}"
            return
        if content is None and not self._counts_still(hour, entry):
            return
        self.objects += 1
        self.size += len(content or b"")
        try:
            packs = entry.packs(content)
        except BadObjectError as error:
            yield f"{path}: {error.fault}: {error}"
            return
        self.events += entry.events
        if len(content or b"") != entry.size:
            detail = f"has {len(content or b'')} bytes, but the manifest says {entry.size}"
            yield f"{path}: {Fault.DAMAGED}: {detail}"
        if (wrong := _wrong_times(packs, entry, hour.start)) is not None:
            yield f"{path}: {_WRONG_TIMES}: {wrong}"

    def _counts_still(self, hour: ArchivedHour, entry: ManifestEntry) -> bool:
        """Ask anew: a compaction may have ended, and cleaned up, since the hour was listed."""
        now = list_hour(self._chosen.root, hour.source, hour.start, _pass_over)
        return entry in now.entries

    def _report(self, hour: ArchivedHour) -> None:
        now = self._clock()
        if now - self._told >= _PROGRESS_SECONDS:
            self._told = now
            self._tell(f"{self.objects} objects, {self.size} bytes read; now in {hour.folder}")


def _wrong_times(packs: Iterable[RawPack], entry: ManifestEntry, start: int) -> str | None:
    first, last = MAX_MICROS, MIN_MICROS
    for pack in packs:
        times = [time for time in pack.publish_times or [] if time is not None]
        first, last = min([first, *times]), max([last, *times])
    if first > last:
        return "holds no messages"
    if (first, last) != (entry.first_publish, entry.last_publish):
        return "was published at other times than the manifest says"
    if not hour_of(first) == start == hour_of(last):
        return "holds messages that were published in another hour"
    return None


def _without(path: str, line: str) -> str:
    return line.removeprefix(f"{path}: ")


def _file_fault(path: str, name: str, counted: dict[str, ManifestEntry]) -> str | None:
    if name.endswith(ENTRY_SUFFIX):
        return _entry_fault(path, name, counted)
    return _record_fault(path, name) if name.endswith(RECORD_SUFFIX) else None


def _entry_fault(path: str, name: str, counted: dict[str, ManifestEntry]) -> str | None:
    told = parse_name(name)
    if told is None:
        return f"{_ENTRY}: its name tells of no object, so it counts for nothing"
    content = read_object(path)
    try:
        if content is not None and msgspec.json.decode(content, type=ManifestEntry) != told:
            return f"{_ENTRY}: its content contradicts its name"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"{_ENTRY}: its content is none of an entry"
    other = counted.get(told.digest, told)
    if _without_events(other) != _without_events(told):
        return f"{_ENTRY}: contradicts {other.name}"
    return None


def _without_events(entry: ManifestEntry) -> ManifestEntry:
    """Leave out what two jobs may know differently of one object."""
    return msgspec.structs.replace(entry, first_event=None, last_event=None)


def _record_fault(path: str, name: str) -> str | None:
    content = read_object(path)
    if content is None:
        return None
    try:
        record = Replacement.from_json(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"{_RECORD}: no record of a compaction, so it replaces nothing"
    return None if record.name == name else f"{_RECORD}: its content contradicts its name"


def _pass_over(_: str) -> None:
    """Somebody else tells of it."""
