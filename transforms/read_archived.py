"""Reads the object that an entry names, or, where a compaction is long over, what it became."""

from collections.abc import Iterator

from schemas.archive_avro import Fault
from schemas.archive_layout import EVENTS, parse_hour_folder
from schemas.events import MAX_MICROS
from schemas.manifest import ManifestEntry, parse_name
from schemas.packs import RawPack
from transforms.archive_manifest import list_hour
from transforms.archive_objects import BadArchiveError, Packed, read_packs
from transforms.object_store import ObjectStoreError
from transforms.pubsub_messages import row_times

__all__ = ["read_archived"]

_MINUTE = 60_000_000


def read_archived(
    folder: str, name: str, start: int, attribute: str | None = None
) -> Iterator[Packed]:
    """Yield the messages of an object that were published from `start` on, packed.

    Each pack comes with the least time of its messages, as `ReadMessages` stamps it. They are at
    most a minute apart, as those of a stream: what is late is judged by that time.

    Where the object is gone because a compaction has replaced it and its grace is over, the objects
    of its hour and its time are read in its place: all of its messages, and others.

    Args:
        folder: of the hour, in full.
        name: of the entry's file in it.
        start: in microseconds.
        attribute: attribute that holds a message's time; None: the publish time counts.

    Raises:
        ObjectStoreError: an object is missing, damaged or foreign, or cannot be read; one line.
    """
    entry = parse_name(name)
    if entry is None:
        msg = f"{folder}/{name}: no entry of the manifest"
        raise ObjectStoreError(msg)
    try:
        yield from _read(folder, entry, start, attribute)
    except BadArchiveError as error:
        successors = _successors(folder, entry) if error.fault == Fault.MISSING else None
        if successors is None:
            raise _failure(error) from None
        for each in successors:
            yield from _read_successor(folder, each, start, attribute)


def _read_successor(
    folder: str, entry: ManifestEntry, start: int, attribute: str | None
) -> Iterator[Packed]:
    try:
        yield from _read(folder, entry, start, attribute)
    except BadArchiveError as error:
        raise _failure(error) from None


def _read(folder: str, entry: ManifestEntry, start: int, attribute: str | None) -> Iterator[Packed]:
    path = f"{folder}/{entry.object_name}"
    whole = entry.first_publish >= start
    packs = read_packs(path, entry) if whole else read_packs(path, entry, start, MAX_MICROS)
    for _, pack in packs:
        yield from _by_minute(pack, row_times(pack, attribute))


def _by_minute(pack: RawPack, times: list[int]) -> Iterator[Packed]:
    begin = 0
    while begin < len(times):
        least, most = min(times[begin:]), max(times[begin:])
        end = len(times)
        if most - least > _MINUTE:
            end = _end_of_minute(times, begin)
            least = min(times[begin:end])
        yield least, pack if end - begin == len(times) else pack.take(range(begin, end))
        begin = end


def _end_of_minute(times: list[int], begin: int) -> int:
    """Return where the rows from `begin` on are no longer within a minute of each other."""
    least = most = times[begin]
    for end in range(begin + 1, len(times)):
        least, most = min(least, times[end]), max(most, times[end])
        if most - least > _MINUTE:
            return end
    return len(times)


def _failure(error: BadArchiveError) -> ObjectStoreError:
    msg = f"{error.path}: {error.detail}; restore it, or start without the archive"
    return ObjectStoreError(msg)


def _successors(folder: str, entry: ManifestEntry) -> list[ManifestEntry] | None:
    """Return what stands for an object that is gone; None if it still counts: it must be there."""
    # Below the folder where the job runs nothing stands before it.
    above, _, below = f"/{folder}".rpartition(f"/{EVENTS}/")
    root = above[1:] or ("/" if folder.startswith("/") else ".")
    hour = parse_hour_folder(below)
    if hour is None:
        return None
    entries = list_hour(root, *hour).entries
    if any(each.digest == entry.digest for each in entries):
        return None
    first, last = entry.first_publish, entry.last_publish
    return [each for each in entries if each.first_publish <= last and each.last_publish >= first]
