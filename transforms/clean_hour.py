"""Deletes what an hour's manifest no longer names, once nobody can be reading it."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.compaction import Compaction, Dated, deletable
from schemas.manifest import ENTRY_SUFFIX, OBJECT_SUFFIX
from transforms.archive_manifest import ArchivedHour
from transforms.merge_hour import Report
from transforms.object_store import Listed, delete_object, list_objects, list_unfinished

__all__ = ["Waste", "clean_hour", "find_unfinished", "find_waste"]


class Waste(NamedTuple):
    """What may be deleted of an hour: orphans, and replaced objects by digest, in their turn.

    `entries` are the paths of the entries of the replaced ones, `unfinished` what writers that were
    killed have left of a local file.
    """

    orphans_found: int
    orphans: tuple[Listed, ...]
    replaced: tuple[str, ...]
    entries: dict[str, list[str]]
    unfinished: tuple[Listed, ...]


def find_unfinished(folder: str, how: Compaction, now: int) -> tuple[Listed, ...]:
    """Find what writers that were killed have left in a local folder, if older than the grace.

    Whoever writes takes moments from the last byte of such a file to its name.

    Args:
        folder: of an hour.
        how: the grace.
        now: in microseconds.
    """
    before = now - how.grace + 1
    return tuple(each for each in list_unfinished(folder) if each.modified < before)


def find_waste(hour: ArchivedHour, how: Compaction, now: int) -> Waste:
    """Find what is older than the grace, from names and times alone.

    An orphan is as old as itself, a replaced object as what replaced it: the later of the record
    and the entries of its outputs, for until then readers planned with it. Only objects with a name
    of the archive's form, in the hour's own folder, are ever deleted.

    Args:
        hour: as it was listed just before.
        how: the grace.
        now: in microseconds.
    """
    before = now - how.grace + 1
    files = {
        listed.path.rpartition("/")[2]: listed
        for listed in list_objects(hour.folder, ".json")
        if listed.path.rpartition("/")[0] == hour.folder
    }
    entries: dict[str, list[str]] = {}
    for name, listed in files.items():
        if name.endswith(ENTRY_SUFFIX):
            entries.setdefault(name.partition(".")[0], []).append(listed.path)
    times = {listed.path: listed.modified for listed in files.values()}
    dated = [
        Dated(record, _since(times, hour.folder, record.name, record.outputs, entries))
        for record in hour.records
    ]
    sizes = {name.partition(".")[0]: listed.size for name, listed in hour.objects.items()}
    # One that has got its entry since is none.
    orphans = [each for each in hour.orphans if _digest(each) not in entries]
    return Waste(
        len(orphans),
        tuple(each for each in orphans if each.modified < before),
        tuple(deletable(hour.entries, hour.replaced, dated, sizes, before)),
        entries,
        find_unfinished(hour.folder, how, now),
    )


def clean_hour(hour: ArchivedHour, how: Compaction, now: int) -> Report:
    """Delete what `find_waste` finds: of a replaced object first its entry, then the object.

    So no reader ever sees an entry without its object; what a killed run leaves in between is an
    orphan, and goes with the next run.

    Raises:
        ObjectStoreError: the place cannot be listed, or something not be deleted.
    """
    waste, report = find_waste(hour, how, now), Report()
    report.counts["orphans_found"] += waste.orphans_found
    for digest in waste.replaced:
        for path in waste.entries.get(digest, []):
            delete_object(path)
        report.counts["objects_deleted"] += delete_object(f"{hour.folder}/{digest}{OBJECT_SUFFIX}")
    for orphan in waste.orphans:
        report.counts["orphans_deleted"] += delete_object(orphan.path)
    for each in waste.unfinished:
        report.counts["unfinished_deleted"] += delete_object(each.path)
    return report


def _since(
    times: dict[str, int],
    folder: str,
    name: str,
    outputs: Iterable[str],
    entries: dict[str, list[str]],
) -> int | None:
    """Return since when a record counts; None where the listing does not tell it."""
    record = f"{folder}/{name}"
    found = [entries.get(digest) for digest in outputs]
    if record not in times:
        return None
    if not all(found):
        # What stood for it has been replaced and deleted: since when is not known, but not later
        # than the last change of the hour.
        return max(times.values())
    return max(times[path] for path in (record, *(path for some in found for path in some or ())))


def _digest(listed: Listed) -> str:
    return listed.path.rpartition("/")[2].partition(".")[0]
